//! Host names to addresses, for the whole process: one [`Resolver`], one thread.
//!
//! Whoever connects asks the resolver for the record of a name and gets it at once, unless it is the first time. Behind that, each name in use
//! has a task that looks it up again whenever the TTL of its records has passed (`refresh`); a lookup walks the search list (`lookup`) and
//! asks the DNS servers (`dns`), in the wire format (`message`). `system` has what the machine says: resolv.conf and the hosts file.
//!
//! While lookups fail, the last addresses stay in use. A name without any answer delays no other name, and blocks no thread.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod dns;
mod entry;
mod error;
mod lookup;
mod message;
mod refresh;
mod resolver;
mod settings;
mod shared;
mod system;

pub use entry::{HostWatch, NameState};
pub use error::LookupError;
pub use message::Service;
pub use resolver::{LookupCounts, Resolver, Services};
pub use settings::{Families, ResolverSettings, ServerAddress};
