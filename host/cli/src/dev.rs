//! `lockgate dev`: builds a plugin whenever it is saved, serves it in a real gateway, and tells what it does to requests.
//!
//! A supervisor and no more: cargo builds, `lockgate run` serves and reloads, `lockgate test` judges, each as a process of its own
//! that ends with this one. What they say comes to one thread as events; nothing is shared.

mod cargo;
mod gateway;
mod group;
mod package;
mod parts;
mod plan;
mod session;
mod source;
mod told;
mod traces;

use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use package::Package;
use session::{Event, Goal, Session};

use crate::arguments::DevOptions;
use crate::outcome::Outcome;

/// Builds, serves and tells until SIGINT, SIGTERM or SIGHUP.
pub(crate) fn dev(options: DevOptions) -> Result<Outcome> {
    let package = Package::find(&options.folder)?;
    let goal = match &options.into {
        Some(folder) => Goal::Copy(folder.canonicalize().with_context(|| folder.display().to_string())?),
        None => Goal::Serve(plan::Source::of(&options, &package)?),
    };
    let config = match &goal {
        Goal::Copy(_) => package.folder.join("gateway.json"),
        Goal::Serve(source) => source.file(&package),
    };
    let (sender, events) = mpsc::channel();
    watch_signals(sender.clone())?;
    let tell = sender.clone();
    source::watch(&package.folder, &config, move |saved| {
        drop(tell.send(Event::Saved(saved)));
    })?;
    Session::new(package, goal, &options, sender).run(&events)?;
    Ok(Outcome::Right)
}

/// Tells of the first signal that asks the process to end.
fn watch_signals(sender: Sender<Event>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>()
    })?;
    thread::spawn(move || {
        runtime.block_on(std::future::poll_fn(|context| {
            let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        }));
        drop(sender.send(Event::Stop));
    });
    Ok(())
}
