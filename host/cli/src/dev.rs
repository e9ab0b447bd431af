//! `lockgate dev`: builds a plugin at each save, runs it in a gateway, and shows its effect on requests.
//!
//! Only a supervisor: cargo builds, `lockgate run` serves and reloads, `lockgate test` runs the cases, each as a process that ends with
//! this one. Their output arrives at one thread as events; nothing is shared.

mod access_line;
mod cargo;
mod gateway;
mod inputs;
mod log_event;
mod package;
mod plan;
mod process_group;
mod session;
mod traces;
mod watch;

use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use package::Package;
use session::{Event, Goal, Session};

use crate::arguments::DevOptions;
use crate::command_status::CommandStatus;

/// Builds, runs and shows until SIGINT, SIGTERM or SIGHUP.
pub(crate) fn dev(options: DevOptions) -> Result<CommandStatus> {
    let package = Package::find(&options.folder)?;
    let goal = match &options.into {
        Some(folder) => Goal::Copy(folder.canonicalize().with_context(|| folder.display().to_string())?),
        None => Goal::Serve(plan::ConfigSource::of(&options, &package)?),
    };
    let config = match &goal {
        Goal::Copy(_) => package.folder.join("gateway.json"),
        Goal::Serve(source) => source.file(&package),
    };
    let (sender, events) = mpsc::channel();
    watch_signals(sender.clone())?;
    let saves = sender.clone();
    watch::watch(&package.folder, &config, move |saved| {
        drop(saves.send(Event::Saved(saved)));
    })?;
    Session::new(package, goal, &options, sender).run(&events)?;
    Ok(CommandStatus::Success)
}

/// Sends an event at the first SIGINT, SIGTERM or SIGHUP.
fn watch_signals(sender: Sender<Event>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>()
    })?;
    thread::spawn(move || {
        runtime.block_on(std::future::poll_fn(|context| {
            let has_signal = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if has_signal {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        }));
        drop(sender.send(Event::Stop));
    });
    Ok(())
}
