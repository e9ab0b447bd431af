//! Writes lines to a stream or a file that may fail in the middle of one: the rest of a torn line goes first once writing works again, so
//! that every line that arrives is whole.

use std::io::{self, Write};
use std::time::Duration;

/// Pause before another try where the stream takes nothing now and cannot be waited for.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(10);

/// A destination of lines.
#[derive(Debug, Default)]
pub(crate) struct LineWriter {
    /// The rest of a line whose beginning was written.
    torn: Vec<u8>,
}

/// Lines that could not be written.
#[derive(Debug)]
pub(crate) struct LostLines {
    /// Their number. A torn line is none of them: its rest follows.
    pub(crate) count: u64,
    /// The system's error.
    pub(crate) error: io::Error,
}

impl LineWriter {
    /// Writes whole lines, each with its end. Blocks as long as the destination does.
    ///
    /// # Errors
    /// The lines that are lost.
    pub(crate) fn write(&mut self, out: &mut impl Write, lines: &[u8]) -> Result<(), LostLines> {
        let (written, result) = write_all(out, &self.torn);
        self.torn.drain(..written);
        if let Err(error) = result {
            return Err(LostLines {
                count: count(lines),
                error,
            });
        }
        let (written, result) = write_all(out, lines);
        let Err(error) = result else { return Ok(()) };
        let is_torn = written > 0 && lines[written - 1] != b'\n';
        let mut lost = &lines[written..];
        if is_torn {
            let end = lost.iter().position(|byte| *byte == b'\n');
            let (rest, following) = lost.split_at(end.map_or(lost.len(), |end| end + 1));
            self.torn.extend_from_slice(rest);
            lost = following;
        }
        Err(LostLines {
            count: count(lost),
            error,
        })
    }

    /// Forgets a torn line, because another file follows. Returns the number of lines that are lost by that.
    pub(crate) fn discard_torn(&mut self) -> u64 {
        let lost = u64::from(!self.torn.is_empty());
        self.torn.clear();
        lost
    }
}

/// Number of lines.
pub(crate) fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Writes until all is written or an error comes; with the number of bytes written.
fn write_all(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process has made a shared stream non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(WOULD_BLOCK_PAUSE),
            Err(error) => return (written, Err(error)),
        }
    }
    (written, out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Default)]
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.content.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_fills_up_in_the_middle_of_a_line_gets_the_rest_of_it_when_there_is_room_again() {
        let (mut disk, mut lines) = (Disk::default(), LineWriter::default());
        disk.room = 6;
        let lost = lines.write(&mut disk, b"one\ntwo\nthree\nfour\n").unwrap_err();
        assert_eq!(lost.count, 2, "\"three\" and \"four\"; \"two\" is torn");
        assert_eq!(lines.write(&mut disk, b"five\n").unwrap_err().count, 1);
        disk.room = 1;
        assert_eq!(lines.write(&mut disk, b"six\n").unwrap_err().count, 1);
        disk.room = 100;
        lines.write(&mut disk, b"seven\n").unwrap();
        assert_eq!(disk.content, b"one\ntwo\nseven\n");
    }

    #[test]
    fn a_disk_that_fills_up_between_two_lines_tears_none() {
        let (mut disk, mut lines) = (Disk::default(), LineWriter::default());
        disk.room = 4;
        assert_eq!(lines.write(&mut disk, b"one\ntwo\n").unwrap_err().count, 1);
        disk.room = 100;
        assert_eq!(lines.discard_torn(), 0);
        lines.write(&mut disk, b"three\n").unwrap();
        assert_eq!(disk.content, b"one\nthree\n");
    }
}
