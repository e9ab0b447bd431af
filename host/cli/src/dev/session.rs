//! What happens when: a save begins a build, a build that succeeds is served and tested, one that fails changes nothing.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result};

use super::gateway::{Gateway, Heard};
use super::group::Group;
use super::package::Package;
use super::plan::{Plan, Source};
use super::source::Saved;
use super::told::{self, Line};
use super::traces::Traces;
use crate::arguments::{Calls, DevOptions};
use crate::output::print;
use crate::{echo, wasm};

/// What becomes of a module that was built.
pub(super) enum Goal {
    /// It is served by a gateway of ours.
    Serve(Source),
    /// It is put into the plugin folder of somebody else's.
    Copy(PathBuf),
}

/// What the session hears. What processes say carries their number: those of one that was ended meanwhile mean nothing.
#[derive(Debug)]
pub(super) enum Event {
    /// Files were saved.
    Saved(BTreeSet<Saved>),
    /// A build has ended.
    Built(u64, io::Result<ExitStatus>),
    /// Cases were run.
    Tested(u64, String),
    /// A gateway said something.
    Heard(u64, Heard),
    /// It is enough.
    Stop,
}

/// Everything that is under way.
pub(super) struct Session {
    package: Package,
    goal: Goal,
    with_cases: bool,
    sender: Sender<Event>,
    started: u64,
    build: Option<(u64, Group, Instant)>,
    tests: Option<(u64, Group)>,
    gateway: Option<(u64, Gateway)>,
    plan: Option<Plan>,
    /// The module that was built last.
    built: Option<Vec<u8>>,
    /// Where the gateway listens: listener, URL or address.
    listening: Vec<(String, String)>,
    traces: Traces,
    calls: Calls,
}

impl Session {
    /// Nothing is under way yet.
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

    /// Builds and serves until it is enough; then everything that was started has ended.
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
            gateway.end();
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
            Event::Tested(number, said) => {
                if self.tests.take_if(|(current, _)| *current == number).is_some() {
                    print(said.trim_end())?;
                }
                Ok(())
            }
            Event::Heard(number, heard) => match &self.gateway {
                Some((current, _)) if *current == number => self.heard(heard),
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
        // A gateway that runs sees a change of its file itself; a file of ours is made anew.
        let is_ours = matches!(&self.goal, Goal::Serve(Source::Made { .. }));
        if saved.contains(&Saved::Config) && self.built.is_some() && (self.gateway.is_none() || is_ours) {
            self.serve()?;
        }
        Ok(())
    }

    fn next(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// Begins a build of what is there now. One of what was there before, and its tests, are of no use any more.
    fn begin_build(&mut self) -> Result<()> {
        drop((self.build.take(), self.tests.take()));
        let number = self.next();
        let sender = self.sender.clone();
        let mut command = wasm::build(&self.package.folder);
        let (group, _) = Group::start(&mut command, move |status| {
            drop(sender.send(Event::Built(number, status)));
        })
        .context("cargo cannot be run; Rust comes from https://rustup.rs")?;
        self.build = Some((number, group, Instant::now()));
        Ok(())
    }

    fn built(&mut self, status: ExitStatus, took: Duration) -> Result<()> {
        if !status.success() {
            let before = match (&self.built, &self.goal) {
                (None, _) => "nothing is running yet",
                (Some(_), Goal::Serve(_)) => "the previous module stays in use",
                (Some(_), Goal::Copy(_)) => "nothing was copied",
            };
            print(format_args!("build failed; {before}"))?;
            self.hint_target()?;
            return Ok(());
        }
        let module = fs::read(&self.package.module).with_context(|| self.package.module.display().to_string())?;
        let is_new = self.built.as_ref() != Some(&module);
        print(format_args!(
            "built {}.wasm, {} KiB{}, in {:.1} s",
            self.package.stem(),
            module.len().div_ceil(1024),
            if is_new { "" } else { ", unchanged" },
            took.as_secs_f32()
        ))?;
        self.built = Some(module);
        if is_new || self.gateway.is_none() {
            self.deliver()?;
        }
        self.begin_tests()
    }

    /// What cargo says where the target is missing does not say what to do.
    fn hint_target(&self) -> Result<()> {
        if !wasm::has_target(&self.package.folder) {
            let target = wasm::TARGET;
            print(format_args!(
                "the target {target} is missing: rustup target add {target} (without rustup: see the end of the plugin's README.md)"
            ))?;
        }
        Ok(())
    }

    /// Brings the module to where it is served from.
    fn deliver(&mut self) -> Result<()> {
        if let Goal::Copy(folder) = &self.goal {
            let place = folder.join(format!("{}.wasm", self.package.stem()));
            put(&self.package.module, &place)?;
            print(format_args!("copied to {}", place.display()))?;
            return Ok(());
        }
        match (&self.gateway, &self.plan) {
            (Some(_), Some(plan)) => plan
                .copies
                .iter()
                .try_for_each(|place| put(&self.package.module, place)),
            _ => self.serve(),
        }
    }

    /// Serves by the configuration as it is now. What is wrong with it is told, and waited for to be mended.
    fn serve(&mut self) -> Result<()> {
        let Goal::Serve(source) = &self.goal else {
            return Ok(());
        };
        let plan = match source.plan(&self.package) {
            Ok(plan) => plan,
            Err(error) => return Ok(print(format_args!("{error:#}\nnot running; fix it and save"))?),
        };
        plan.copies
            .iter()
            .try_for_each(|place| put(&self.package.module, place))?;
        echo::beside(&plan.echoes, &plan.tcp_echoes)?;
        if self.gateway.is_none() {
            let number = self.next();
            let sender = self.sender.clone();
            self.listening.clear();
            let gateway = Gateway::start(&plan.config, self.calls, move |heard| {
                drop(sender.send(Event::Heard(number, heard)));
            })?;
            self.gateway = Some((number, gateway));
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Runs the folder's cases, if it has some.
    fn begin_tests(&mut self) -> Result<()> {
        let cases = self.package.folder.join("cases.json");
        if !self.with_cases || self.built.is_none() || !cases.is_file() {
            return Ok(());
        }
        self.tests = None;
        let number = self.next();
        let sender = self.sender.clone();
        let mut command = Command::new(std::env::current_exe().context("the path of this binary cannot be found")?);
        command
            .current_dir(&self.package.folder)
            .arg("test")
            .arg(&self.package.module)
            .arg("cases.json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (group, pipes) = Group::start(&mut command, |_| ()).context("cases cannot be run")?;
        self.tests = Some((number, group));
        thread::spawn(move || {
            let mut said = Vec::new();
            for pipe in [pipes.stdout.map(boxed), pipes.stderr.map(boxed)].into_iter().flatten() {
                let mut pipe = pipe;
                // What was read until it broke off is told.
                let _ = pipe.read_to_end(&mut said);
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            drop(sender.send(Event::Tested(number, said)));
        });
        Ok(())
    }

    fn heard(&mut self, heard: Heard) -> Result<()> {
        match heard {
            Heard::Access(line) => {
                if let Some(access) = told::access(&line) {
                    self.traces.ended(access, Instant::now());
                }
                Ok(())
            }
            Heard::Log(line) => self.logged(told::log(&line)),
            Heard::Ended(status) => {
                self.gateway = None;
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                Ok(print(format_args!(
                    "the gateway has exited ({status}); the next save starts it again"
                ))?)
            }
        }
    }

    fn logged(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Plugin { plugin, text } => self.traces.said(plugin, text, Instant::now()),
            Line::Call(call) => self.traces.called(call).map_or(Ok(()), print)?,
            Line::Listening { listener, address } => self.listening.push((listener, address)),
            Line::Ready => self.show()?,
            Line::Reloaded { milliseconds } => print(format_args!("live after {milliseconds} ms"))?,
            Line::Wrong(text) => print(text)?,
            Line::Other => {}
        }
        Ok(())
    }

    /// What to try.
    fn show(&self) -> Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        print(format_args!("\nserving {}", plan.config.display()))?;
        let echoes: Vec<String> = plan
            .echoes
            .iter()
            .chain(&plan.tcp_echoes)
            .map(ToString::to_string)
            .collect();
        if !echoes.is_empty() {
            print(format_args!("with an echo upstream on {}", echoes.join(", ")))?;
        }
        print("")?;
        for (listener, address) in &self.listening {
            if plan.tcp_listeners.contains(listener) {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
                print(format_args!("  nc {host} {port}"))?;
            } else {
                print(format_args!("  curl -i http://{address}{}", plan.path))?;
            }
        }
        print("\nEach save is built and loaded. Each request is shown here. Ctrl-C stops.")?;
        Ok(())
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

/// Copies a module in one step: a gateway that watches the folder never sees half of it.
fn put(module: &Path, place: &Path) -> Result<()> {
    let part = place.with_extension(format!("part-{}", std::process::id()));
    fs::copy(module, &part)
        .and_then(|_| fs::rename(&part, place))
        .with_context(|| format!("{} cannot be written", place.display()))
}
