//! [`TcpBuffers`]: the bytes of a TCP connection that one plugin sees, by direction.

use crate::body::BodyBuffer;
use crate::direction::Direction;
use crate::memory::Reservation;

/// The bytes that have reached a plugin and have not passed it yet. The plugin may read and change them.
///
/// They stay here while the plugin pauses, so its ticks and callout responses see them too.
#[derive(Debug, Default)]
pub struct TcpBuffers {
    request: BodyBuffer,
    response: BodyBuffer,
    /// Their bytes in the account of the plugin's VM, while the plugin pauses.
    memory: [Option<Reservation>; 2],
}

impl TcpBuffers {
    /// The bytes of one direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &BodyBuffer {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    /// What the bytes of one direction take of the plugin's memory from now on.
    pub fn count(&mut self, direction: Direction, memory: Option<Reservation>) {
        self.memory[direction as usize] = memory;
    }

    /// The bytes of one direction, to be changed.
    pub fn of_mut(&mut self, direction: Direction) -> &mut BodyBuffer {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
