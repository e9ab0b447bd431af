//! `compress` and `uncompress`: zlib's format (RFC 1950), in one call.
//!
//! Both work in pieces, and give up when the callback has used up its CPU time: the worker does nothing else meanwhile.

use lockgate_abi::Status;
use lockgate_sandbox::{CpuBudget, OutOfTime};
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

/// Maximum number of bytes in or out.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a piece.
const PIECE: usize = 16 * 1024;
/// What a piece costs, in steps of the budget, which then reads the clock.
const PER_PIECE: usize = 4 * PIECE;
/// zlib's usual effort.
const LEVEL: i32 = 6;

/// Bytes in zlib's format, at its usual effort.
///
/// # Errors
/// [`Status::SerializationFailure`] for more than [`MAX_BYTES`] bytes, or when the time is used up.
pub(super) fn compress(bytes: &[u8], budget: &mut CpuBudget) -> Result<Vec<u8>, Status> {
    /// With zlib's header, and its default strategy.
    const ZLIB: i32 = 1;
    if bytes.len() > MAX_BYTES {
        return Err(Status::SerializationFailure);
    }
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, ZLIB, 0));
    let mut compressed = Vec::new();
    let mut room = vec![0; PIECE];
    let mut rest = bytes;
    loop {
        budget.spend(PER_PIECE).map_err(out_of_time)?;
        let piece = &rest[..rest.len().min(PIECE)];
        let flush = if piece.len() == rest.len() {
            MZFlush::Finish
        } else {
            MZFlush::None
        };
        let step = deflate(&mut compressor, piece, &mut room, flush);
        compressed.extend_from_slice(&room[..step.bytes_written]);
        rest = &rest[step.bytes_consumed..];
        match step.status {
            Ok(MZStatus::StreamEnd) => return Ok(compressed),
            Ok(_) => {}
            Err(_) => return Err(Status::SerializationFailure),
        }
    }
}

/// The bytes behind zlib's format; at most `limit` of them, so that a few kilobytes cannot become gigabytes.
///
/// # Errors
/// [`Status::SerializationFailure`] for what is not in that format, is cut short, or would be too large, or when the time is used
/// up.
pub(super) fn uncompress(bytes: &[u8], limit: usize, budget: &mut CpuBudget) -> Result<Vec<u8>, Status> {
    let limit = limit.min(MAX_BYTES);
    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let mut plain = Vec::new();
    let mut room = vec![0; 2 * PIECE];
    let mut rest = bytes;
    loop {
        budget.spend(PER_PIECE).map_err(out_of_time)?;
        let step = inflate(&mut state, &rest[..rest.len().min(PIECE)], &mut room, MZFlush::None);
        if plain.len() + step.bytes_written > limit {
            return Err(Status::SerializationFailure);
        }
        plain.extend_from_slice(&room[..step.bytes_written]);
        rest = &rest[step.bytes_consumed..];
        match step.status {
            Ok(MZStatus::StreamEnd) => return Ok(plain),
            Ok(_) if step.bytes_consumed > 0 || step.bytes_written > 0 => {}
            // It is cut short, or broken.
            Ok(_) | Err(_) => return Err(Status::SerializationFailure),
        }
    }
}

/// The guest is stopped, whatever status it would get.
fn out_of_time(OutOfTime: OutOfTime) -> Status {
    Status::SerializationFailure
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn ample() -> CpuBudget {
        CpuBudget::new(Duration::from_secs(600))
    }

    /// Bytes that do not compress: the output of a linear congruential generator.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for bytes in [
            &b""[..],
            b"a",
            &[7; 100_000],
            &[7; PIECE],
            &noise(PIECE + 1),
            &noise(5 * PIECE),
        ] {
            let small = compress(bytes, &mut ample()).expect("not too large");
            assert_eq!(uncompress(&small, MAX_BYTES, &mut ample()).as_deref(), Ok(bytes));
            assert_eq!(small, miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6));
        }
    }

    #[test]
    fn zlibs_own_bytes_are_understood() {
        let zlibs = [120, 156, 203, 72, 205, 201, 201, 7, 0, 6, 44, 2, 21];
        assert_eq!(
            uncompress(&zlibs, MAX_BYTES, &mut ample()).as_deref(),
            Ok(&b"hello"[..])
        );
    }

    #[test]
    fn a_bomb_and_a_fragment_are_refused() {
        let bomb = compress(&vec![0; 7_000_000], &mut ample()).expect("not too large");
        assert!(bomb.len() < 20_000);
        for (bytes, limit) in [
            (&bomb[..], 1_000_000),
            (&bomb[..bomb.len() - 5], MAX_BYTES),
            (b"nonsense", MAX_BYTES),
            (b"", MAX_BYTES),
        ] {
            let refused = uncompress(bytes, limit, &mut ample());
            assert_eq!(refused, Err(Status::SerializationFailure));
        }
        let large = compress(&vec![0; MAX_BYTES + 1], &mut ample());
        assert_eq!(large, Err(Status::SerializationFailure));
    }

    #[test]
    fn both_give_up_when_the_time_is_used_up() {
        let long = noise(MAX_BYTES);
        let (mut budget, begun) = (CpuBudget::new(Duration::from_millis(5)), Instant::now());
        assert_eq!(compress(&long, &mut budget), Err(Status::SerializationFailure));
        assert_eq!(budget.spend(usize::MAX), Err(OutOfTime));
        // Stored blocks without content, which give nothing for much work.
        let mut empty = vec![120, 156];
        empty.extend([0, 0, 0, 255, 255].repeat(12 * 1024 * 1024 / 5));
        let mut budget = CpuBudget::new(Duration::from_millis(5));
        assert_eq!(
            uncompress(&empty, MAX_BYTES, &mut budget),
            Err(Status::SerializationFailure)
        );
        assert_eq!(budget.spend(usize::MAX), Err(OutOfTime));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
