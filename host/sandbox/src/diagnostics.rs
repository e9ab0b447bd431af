//! Where a guest is and why it trapped: backtraces with readable names, descriptions of traps, CPU profiles.

mod frames;
mod profile;
pub(crate) mod trap;

pub(crate) use profile::Profile;
pub use profile::Profiling;
