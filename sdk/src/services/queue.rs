//! [`Queue`]: messages between workers and plugins.

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// A shared queue of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// Makes the queue of this name, or finds the one that is there; `on_queue` is called when something lies in it. For
    /// `new`.
    pub fn register(name: &str) -> Result<Queue> {
        host::register_queue(name)
            .map(Queue)
            .map_err(Error::host("proxy_register_shared_queue"))
    }

    /// The queue of this name in the VMs of that `vm_id`; `None` when nobody has registered it.
    pub fn find(vm_id: &str, name: &str) -> Result<Option<Queue>> {
        match host::resolve_queue(vm_id, name) {
            Ok(id) => Ok(Some(Queue(id))),
            Err(Status::NotFound) => Ok(None),
            Err(status) => Err(Error::host("proxy_resolve_shared_queue")(status)),
        }
    }

    /// The queue that the host has called for.
    #[doc(hidden)]
    pub fn from_host(id: u32) -> Queue {
        Queue(id)
    }

    /// Puts a message at its end.
    ///
    /// # Errors
    /// When the queue is full or gone.
    pub fn put(self, message: &[u8]) -> Result<()> {
        host::enqueue(self.0, message).map_err(Error::host("proxy_enqueue_shared_queue"))
    }

    /// Takes the first message; `None` when it is empty.
    pub fn take(self) -> Result<Option<Vec<u8>>> {
        match host::dequeue(self.0) {
            Ok(message) => Ok(Some(message)),
            Err(Status::Empty) => Ok(None),
            Err(status) => Err(Error::host("proxy_dequeue_shared_queue")(status)),
        }
    }
}
