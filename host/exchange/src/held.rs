//! [`HeldBodies`]: the body bytes that plugins hold between their body callbacks. Other callbacks can read and change them: the
//! response to a callout, a tick.

use smallvec::SmallVec;

use crate::body::BodyBuffer;
use crate::direction::Direction;
use crate::memory::Reservation;

/// The body bytes that each plugin of a chain holds. A plugin sees only its own.
#[derive(Debug, Default)]
pub struct HeldBodies(SmallVec<[Held; 1]>);

#[derive(Debug)]
struct Held {
    /// The plugin's place in the chain.
    position: usize,
    direction: Direction,
    body: BodyBuffer,
    /// Its bytes in the account of the plugin's VM.
    _memory: Reservation,
}

impl HeldBodies {
    /// Stores the bytes that the plugin at `position` holds, with what they take of its memory.
    pub fn put(&mut self, position: usize, direction: Direction, body: BodyBuffer, memory: Reservation) {
        self.0.push(Held {
            position,
            direction,
            body,
            _memory: memory,
        });
    }

    /// Removes the bytes that the plugin at `position` holds. Empty if there are none.
    pub fn take(&mut self, position: usize, direction: Direction) -> BodyBuffer {
        let at = self.0.iter().position(|held| held.is_of(position, direction));
        at.map_or_else(BodyBuffer::default, |at| self.0.swap_remove(at).body)
    }

    /// The bytes that the plugin at `position` holds, if any.
    pub fn find(&self, position: usize, direction: Direction) -> Option<&BodyBuffer> {
        let held = self.0.iter().find(|held| held.is_of(position, direction));
        held.map(|held| &held.body)
    }

    /// The bytes that the plugin at `position` holds, to be changed.
    pub fn find_mut(&mut self, position: usize, direction: Direction) -> Option<&mut BodyBuffer> {
        let held = self.0.iter_mut().find(|held| held.is_of(position, direction));
        held.map(|held| &mut held.body)
    }
}

impl Held {
    fn is_of(&self, position: usize, direction: Direction) -> bool {
        self.position == position && self.direction == direction
    }
}
