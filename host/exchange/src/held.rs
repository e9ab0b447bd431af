//! [`HeldBodies`]: what plugins hold of a message's body between their callbacks, so that they can read and change it in
//! others: when the answer to a callout comes, or at a tick.

use smallvec::SmallVec;

use crate::body::BodyBuffer;
use crate::direction::Direction;

/// What each plugin of a chain holds. It sees its own, and nobody else does.
#[derive(Debug, Default)]
pub struct HeldBodies(SmallVec<[Held; 1]>);

#[derive(Debug)]
struct Held {
    /// The plugin's place in the chain.
    position: usize,
    direction: Direction,
    body: BodyBuffer,
}

impl HeldBodies {
    /// The plugin at `position` holds this until it is taken back.
    pub fn put(&mut self, position: usize, direction: Direction, body: BodyBuffer) {
        self.0.push(Held {
            position,
            direction,
            body,
        });
    }

    /// What the plugin at `position` has made of it; nothing if it holds nothing.
    pub fn take(&mut self, position: usize, direction: Direction) -> BodyBuffer {
        let at = self.0.iter().position(|held| held.is_of(position, direction));
        at.map_or_else(BodyBuffer::default, |at| self.0.swap_remove(at).body)
    }

    /// What the plugin at `position` holds, if it holds anything.
    pub fn find(&self, position: usize, direction: Direction) -> Option<&BodyBuffer> {
        let held = self.0.iter().find(|held| held.is_of(position, direction));
        held.map(|held| &held.body)
    }

    /// The same, to be changed.
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
