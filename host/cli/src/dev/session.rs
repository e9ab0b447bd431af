//! The session: a save begins a build, a successful build is run and tested, a failed one changes nothing.

mod build;
mod serve;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use anyhow::Result;

use super::gateway::{Gateway, GatewayOutput};
use super::package::Package;
use super::plan::{ConfigSource, Plan};
use super::process_group::ProcessGroup;
use super::traces::Traces;
use super::watch::Saved;
use crate::arguments::{Calls, DevOptions};
use crate::output::print;

/// Use of a module that was built.
pub(super) enum Goal {
    /// The session's own gateway runs it.
    Serve(ConfigSource),
    /// It is copied into the plugin folder of another gateway.
    Copy(PathBuf),
}

/// An event for the session. Events of processes carry the process's number: those of a stopped process are ignored.
#[derive(Debug)]
pub(super) enum Event {
    /// Files were saved.
    Saved(BTreeSet<Saved>),
    /// A build has ended.
    Built(u64, io::Result<ExitStatus>),
    /// The cases have run.
    Tested(u64, String),
    /// Output of the gateway.
    Gateway(u64, GatewayOutput),
    /// The session must end.
    Stop,
}

/// State of the session.
pub(super) struct Session {
    package: Package,
    goal: Goal,
    with_cases: bool,
    sender: Sender<Event>,
    started: u64,
    build: Option<(u64, ProcessGroup, Instant)>,
    tests: Option<(u64, ProcessGroup)>,
    gateway: Option<(u64, Gateway)>,
    plan: Option<Plan>,
    /// The module that was built last.
    built: Option<Vec<u8>>,
    /// Addresses of the gateway's listeners, by name.
    listening: Vec<(String, String)>,
    traces: Traces,
    calls: Calls,
}

impl Session {
    /// A session that has not begun.
    pub(super) fn new(package: Package, goal: Goal, options: &DevOptions, sender: Sender<Event>) -> Self {
        Self {
            package,
            goal,
            with_cases: !options.no_cases,
            sender,
            started: 0,
            build: None,
            tests: None,
            gateway: None,
            plan: None,
            built: None,
            listening: Vec::new(),
            traces: Traces::new(options.calls),
            calls: options.calls,
        }
    }

    /// Builds and runs until the session must end. All child processes have ended then.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> Result<()> {
        print(format_args!(
            "{}: building {}",
            self.package.name,
            self.package.folder.display()
        ))?;
        self.begin_build()?;
        loop {
            let event = match self.traces.due() {
                None => events.recv().map_err(RecvTimeoutError::from),
                Some(due) => events.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.traces.take(Instant::now()).into_iter().try_for_each(print)?;
        }
        print("\nending")?;
        drop((self.build.take(), self.tests.take()));
        if let Some((_, gateway)) = self.gateway.take() {
            gateway.stop();
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Saved(saved) => self.saved(&saved),
            Event::Built(number, status) => match self.build.take() {
                Some((current, _, begun)) if current == number => self.built(status?, begun.elapsed()),
                other => {
                    self.build = other;
                    Ok(())
                }
            },
            Event::Tested(number, output) => {
                if self.tests.take_if(|(current, _)| *current == number).is_some() {
                    print(output.trim_end())?;
                }
                Ok(())
            }
            Event::Gateway(number, output) => match &self.gateway {
                Some((current, _)) if *current == number => self.gateway_output(output),
                _ => Ok(()),
            },
            Event::Stop => Ok(()),
        }
    }

    fn saved(&mut self, saved: &BTreeSet<Saved>) -> Result<()> {
        if saved.contains(&Saved::Source) {
            self.begin_build()?;
        } else if saved.contains(&Saved::Cases) && self.build.is_none() {
            self.begin_tests()?;
        }
        // A running gateway watches its file itself. A generated file is generated again.
        let is_generated = matches!(&self.goal, Goal::Serve(ConfigSource::Generated { .. }));
        if saved.contains(&Saved::Config) && self.built.is_some() && (self.gateway.is_none() || is_generated) {
            self.serve()?;
        }
        Ok(())
    }

    /// A number for a new process.
    fn next(&mut self) -> u64 {
        self.started += 1;
        self.started
    }
}
