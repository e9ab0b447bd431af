//! The running gateway: its start, its new modules and its output.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::super::access_line;
use super::super::gateway::{Gateway, GatewayOutput};
use super::super::log_event::{self, LogEvent};
use super::{Event, Goal, Session};
use crate::echo;
use crate::output::print;

impl Session {
    /// Installs the module where it is used.
    pub(super) fn deliver(&mut self) -> Result<()> {
        if let Goal::Copy(folder) = &self.goal {
            let place = folder.join(format!("{}.wasm", self.package.stem()));
            install(&self.package.module, &place)?;
            print(format_args!("copied to {}", place.display()))?;
            return Ok(());
        }
        match (&self.gateway, &self.plan) {
            (Some(_), Some(plan)) => plan
                .copies
                .iter()
                .try_for_each(|place| install(&self.package.module, place)),
            _ => self.serve(),
        }
    }

    /// Runs the current configuration. Mistakes in it are printed; the next save tries again.
    pub(super) fn serve(&mut self) -> Result<()> {
        let Goal::Serve(source) = &self.goal else {
            return Ok(());
        };
        let plan = match source.plan(&self.package) {
            Ok(plan) => plan,
            Err(error) => return Ok(print(format_args!("{error:#}\nnot running; fix it and save"))?),
        };
        plan.copies
            .iter()
            .try_for_each(|place| install(&self.package.module, place))?;
        echo::spawn(&plan.echoes, &plan.tcp_echoes)?;
        if self.gateway.is_none() {
            let number = self.next();
            let sender = self.sender.clone();
            self.listening.clear();
            let gateway = Gateway::start(&plan.config, self.calls, move |output| {
                drop(sender.send(Event::Gateway(number, output)));
            })?;
            self.gateway = Some((number, gateway));
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Handles output of the gateway.
    pub(super) fn gateway_output(&mut self, output: GatewayOutput) -> Result<()> {
        match output {
            GatewayOutput::AccessLog(line) => {
                if let Some(access) = access_line::parse(&line) {
                    self.traces.ended(access, Instant::now());
                }
                Ok(())
            }
            GatewayOutput::Log(line) => self.log_event(log_event::parse(&line)),
            GatewayOutput::Ended(status) => {
                self.gateway = None;
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                Ok(print(format_args!(
                    "the gateway has exited ({status}); the next save starts it again"
                ))?)
            }
        }
    }

    fn log_event(&mut self, event: LogEvent) -> Result<()> {
        match event {
            LogEvent::Plugin { plugin, text } => self.traces.logged(plugin, text, Instant::now()),
            LogEvent::Call(call) => self.traces.called(call).map_or(Ok(()), print)?,
            LogEvent::Listening { listener, address } => self.listening.push((listener, address)),
            LogEvent::Ready => self.show()?,
            LogEvent::Reloaded { milliseconds } => print(format_args!("live after {milliseconds} ms"))?,
            LogEvent::Problem(text) => print(text)?,
            LogEvent::Other => {}
        }
        Ok(())
    }

    /// Prints commands to try.
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

/// Copies a module by a rename: a gateway that watches the folder never sees a part of it.
fn install(module: &Path, place: &Path) -> Result<()> {
    let part = place.with_extension(format!("part-{}", std::process::id()));
    fs::copy(module, &part)
        .and_then(|_| fs::rename(&part, place))
        .with_context(|| format!("{} cannot be written", place.display()))
}
