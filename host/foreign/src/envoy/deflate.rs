//! `compress` and `uncompress`: zlib's format (RFC 1950), in one call.

use lockgate_abi::Status;
use miniz_oxide::deflate::{CompressionLevel, compress_to_vec_zlib};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

/// Maximum number of bytes in or out: the worker does nothing else meanwhile.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Bytes in zlib's format, at its usual effort.
///
/// # Errors
/// [`Status::SerializationFailure`] for more than [`MAX_BYTES`] bytes.
pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    if bytes.len() > MAX_BYTES {
        return Err(Status::SerializationFailure);
    }
    Ok(compress_to_vec_zlib(bytes, CompressionLevel::DefaultLevel as u8))
}

/// The bytes behind zlib's format; at most `limit` of them, so that a few kilobytes cannot become gigabytes.
///
/// # Errors
/// [`Status::SerializationFailure`] for what is not in that format, is cut short, or would be too large.
pub(super) fn uncompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    decompress_to_vec_zlib_with_limit(bytes, limit.min(MAX_BYTES)).map_err(|_| Status::SerializationFailure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        for bytes in [&b""[..], b"a", &[7; 100_000]] {
            let small = compress(bytes).expect("not too large");
            assert_eq!(uncompress(&small, MAX_BYTES).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn zlibs_own_bytes_are_understood() {
        let zlibs = [120, 156, 203, 72, 205, 201, 201, 7, 0, 6, 44, 2, 21];
        assert_eq!(uncompress(&zlibs, MAX_BYTES).as_deref(), Ok(&b"hello"[..]));
    }

    #[test]
    fn a_bomb_and_a_fragment_are_refused() {
        let bomb = compress(&vec![0; 7_000_000]).expect("not too large");
        assert!(bomb.len() < 20_000);
        assert_eq!(uncompress(&bomb, 1_000_000), Err(Status::SerializationFailure));
        assert_eq!(
            uncompress(&bomb[..bomb.len() - 5], MAX_BYTES),
            Err(Status::SerializationFailure)
        );
        assert_eq!(uncompress(b"nonsense", MAX_BYTES), Err(Status::SerializationFailure));
        assert_eq!(compress(&vec![0; MAX_BYTES + 1]), Err(Status::SerializationFailure));
    }
}
