//! Guest memory as bytes: the only place that checks pointers and lengths from a guest.

use lockgate_abi::Status;

/// Maximum size of a result that goes to the scratch memory of a guest which exports `lockgate_scratch`. It stays there until the
/// next host call. That is cheaper than a call into the guest's allocator.
pub(crate) const SCRATCH: usize = 256;

/// A pointer and a length from a guest.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) at: i32,
    pub(crate) len: i32,
}

impl Span {
    pub(crate) const fn new(at: i32, len: i32) -> Self {
        Self { at, len }
    }
}

/// The bytes of a span.
pub(crate) fn bytes(memory: &[u8], span: Span) -> Result<&[u8], Status> {
    let start = span.at.cast_unsigned() as usize;
    let end = start
        .checked_add(span.len.cast_unsigned() as usize)
        .ok_or(Status::InvalidMemoryAccess)?;
    memory.get(start..end).ok_or(Status::InvalidMemoryAccess)
}

/// The bytes of a span, to be written to.
pub(crate) fn bytes_mut(memory: &mut [u8], span: Span) -> Result<&mut [u8], Status> {
    let start = span.at.cast_unsigned() as usize;
    let end = start
        .checked_add(span.len.cast_unsigned() as usize)
        .ok_or(Status::InvalidMemoryAccess)?;
    memory.get_mut(start..end).ok_or(Status::InvalidMemoryAccess)
}

/// Writes a `u32` to an out-pointer.
pub(crate) fn write_u32(memory: &mut [u8], at: i32, value: u32) -> Result<(), Status> {
    bytes_mut(memory, Span::new(at, 4))?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Writes a `u64` to an out-pointer.
pub(crate) fn write_u64(memory: &mut [u8], at: i32, value: u64) -> Result<(), Status> {
    bytes_mut(memory, Span::new(at, 8))?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}
