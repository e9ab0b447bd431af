//! [`Descriptors`]: the file descriptors of a guest. They are the three standard streams, until the guest closes or renumbers
//! them: no call opens another one.

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardStream {
    /// Always at its end.
    Input,
    Output,
    Error,
}

/// The streams of descriptors 0 to 2.
#[derive(Clone, Debug)]
pub(crate) struct Descriptors([Option<StandardStream>; 3]);

impl Default for Descriptors {
    fn default() -> Self {
        Self([StandardStream::Input, StandardStream::Output, StandardStream::Error].map(Some))
    }
}

impl Descriptors {
    /// The stream of an open descriptor.
    pub(crate) fn get(&self, descriptor: i32) -> Option<StandardStream> {
        self.0.get(index(descriptor)?).copied().flatten()
    }

    /// Closes a descriptor for good. `None` if it is not open.
    pub(crate) fn close(&mut self, descriptor: i32) -> Option<StandardStream> {
        self.0.get_mut(index(descriptor)?)?.take()
    }

    /// Moves a stream to another descriptor, whose own stream is closed. `None`, and no change, unless both are open.
    pub(crate) fn renumber(&mut self, from: i32, to: i32) -> Option<()> {
        let stream = self.get(from)?;
        self.get(to)?;
        self.close(from);
        *self.0.get_mut(index(to)?)? = Some(stream);
        Some(())
    }
}

fn index(descriptor: i32) -> Option<usize> {
    usize::try_from(descriptor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_descriptor_stays_closed() {
        let mut descriptors = Descriptors::default();
        assert_eq!(descriptors.close(1), Some(StandardStream::Output));
        assert_eq!(descriptors.close(1), None);
        assert_eq!(descriptors.get(1), None);
        assert_eq!(descriptors.get(2), Some(StandardStream::Error));
        for never_open in [3, -1, i32::MIN, i32::MAX] {
            assert_eq!(descriptors.get(never_open), None);
            assert_eq!(descriptors.close(never_open), None);
        }
    }

    #[test]
    fn a_stream_moves_between_open_descriptors_alone() {
        let mut descriptors = Descriptors::default();
        assert_eq!(descriptors.renumber(1, 1), Some(()));
        assert_eq!(descriptors.get(1), Some(StandardStream::Output));
        assert_eq!(descriptors.renumber(1, 2), Some(()));
        assert_eq!(
            (descriptors.get(1), descriptors.get(2)),
            (None, Some(StandardStream::Output))
        );
        for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 2), (-1, 0)] {
            assert_eq!(descriptors.renumber(from, to), None);
        }
        assert_eq!(descriptors.get(2), Some(StandardStream::Output));
    }
}
