//! Builds and the cases after them.

use std::fs;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::process_group::ProcessGroup;
use super::{Event, Goal, Session};
use crate::output::print;
use crate::wasm;

impl Session {
    /// Begins a build, and stops an earlier one and its tests.
    pub(super) fn begin_build(&mut self) -> Result<()> {
        drop((self.build.take(), self.tests.take()));
        let number = self.next();
        let sender = self.sender.clone();
        let mut command = wasm::build(&self.package.folder);
        let (group, _) = ProcessGroup::start(&mut command, move |status| {
            drop(sender.send(Event::Built(number, status)));
        })
        .context("cargo cannot be run; Rust comes from https://rustup.rs")?;
        self.build = Some((number, group, Instant::now()));
        Ok(())
    }

    pub(super) fn built(&mut self, status: ExitStatus, took: Duration) -> Result<()> {
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

    /// Prints how to install a missing target, which cargo's error does not.
    fn hint_target(&self) -> Result<()> {
        if !wasm::has_target(&self.package.folder) {
            let target = wasm::TARGET;
            print(format_args!(
                "the target {target} is missing: rustup target add {target} (without rustup: see the end of the plugin's README.md)"
            ))?;
        }
        Ok(())
    }

    /// Runs the folder's cases, if it has any.
    pub(super) fn begin_tests(&mut self) -> Result<()> {
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
        let (group, pipes) = ProcessGroup::start(&mut command, |_| ()).context("cases cannot be run")?;
        self.tests = Some((number, group));
        thread::spawn(move || {
            let mut output = Vec::new();
            for pipe in [pipes.stdout.map(boxed), pipes.stderr.map(boxed)].into_iter().flatten() {
                let mut pipe = pipe;
                // A broken pipe ends the output.
                let _ = pipe.read_to_end(&mut output);
            }
            let output = String::from_utf8_lossy(&output).into_owned();
            drop(sender.send(Event::Tested(number, output)));
        });
        Ok(())
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}
