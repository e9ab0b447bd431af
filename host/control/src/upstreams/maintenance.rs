//! The upstreams' thread: keeps the lists of living endpoints up to date, away from workers and from the control loop.

use std::io;
use std::thread;

use lockgate_upstream::Groups;

/// Starts the thread. It ends with the process.
///
/// # Errors
/// The system's.
pub(crate) fn spawn(groups: Groups) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || runtime.block_on(groups.maintain());
    thread::Builder::new().name("upstreams".to_owned()).spawn(run)?;
    Ok(())
}
