//! [`Queue`]: a shared queue of messages between workers and plugins.

use crate::abi::Status;
use crate::error::{Error, Result};
use crate::host;

/// A shared queue of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// Creates the queue of this name, or finds it. The host then calls `on_queue` when the queue has a message. Call
    /// it in `new`.
    pub fn register(name: &str) -> Result<Queue> {
        host::register_queue(name)
            .map(Queue)
            .map_err(Error::host("proxy_register_shared_queue"))
    }

    /// The queue of this name that a plugin with this `vm_id` has registered; `None` if none has.
    pub fn find(vm_id: &str, name: &str) -> Result<Option<Queue>> {
        match host::resolve_queue(vm_id, name) {
            Ok(id) => Ok(Some(Queue(id))),
            Err(Status::NotFound) => Ok(None),
            Err(status) => Err(Error::host("proxy_resolve_shared_queue")(status)),
        }
    }

    /// The queue with this id of the host's.
    #[doc(hidden)]
    pub fn from_host(id: u32) -> Queue {
        Queue(id)
    }

    /// Appends a message.
    ///
    /// # Errors
    /// [`Error::Host`] if the queue is full or no longer exists.
    pub fn put(self, message: &[u8]) -> Result<()> {
        host::enqueue(self.0, message).map_err(Error::host("proxy_enqueue_shared_queue"))
    }

    /// Removes the first message; `None` if the queue is empty.
    pub fn take(self) -> Result<Option<Vec<u8>>> {
        match host::dequeue(self.0) {
            Ok(message) => Ok(Some(message)),
            Err(Status::Empty) => Ok(None),
            Err(status) => Err(Error::host("proxy_dequeue_shared_queue")(status)),
        }
    }
}
