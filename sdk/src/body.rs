//! [`Body`]: what of a body is at hand in a body hook.

use crate::error::{Error, Result};
use crate::host;
use crate::wire::Buffer;

/// The bytes that the host holds of a body: the chunk that has just come, or, while the plugin answers
/// [`Flow::Pause`](crate::Flow::Pause), all that came so far.
#[derive(Debug)]
pub struct Body {
    buffer: Buffer,
    length: usize,
    end_of_stream: bool,
}

impl Body {
    pub(crate) fn new(buffer: Buffer, length: usize, end_of_stream: bool) -> Body {
        Body {
            buffer,
            length,
            end_of_stream,
        }
    }

    /// Whether nothing comes after this. Never so when trailers follow.
    pub fn is_last(&self) -> bool {
        self.end_of_stream
    }

    /// How many bytes are at hand.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no bytes are at hand.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes at hand.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.read(0, self.length)
    }

    /// At most `max` bytes from `start`.
    pub fn read(&self, start: usize, max: usize) -> Result<Vec<u8>> {
        let bytes = host::buffer(self.buffer, start, max).map_err(Error::host("proxy_get_buffer_bytes"))?;
        Ok(bytes.unwrap_or_default())
    }

    /// Puts these bytes in place of all that is at hand.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, self.length, bytes)
    }

    /// Puts these bytes before what is at hand.
    pub fn prepend(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, 0, bytes)
    }

    /// Puts these bytes behind what is at hand.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(self.length, 0, bytes)
    }

    fn splice(&mut self, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
        host::set_buffer(self.buffer, start, size, bytes).map_err(Error::host("proxy_set_buffer_bytes"))?;
        self.length = self.length - size + bytes.len();
        Ok(())
    }
}
