//! `lockgate-smith SEED COUNT`: writes that many modules to standard output, each behind its length (u32, little endian). One
//! in four has bytes changed, so that it is malformed in some deep place. The same seed makes the same modules.

use arbitrary::Unstructured;
use std::io::{self, BufWriter, Write};
use std::{env, process};

/// What modules export, and what they may import: enough to be taken for plugins.
const SHAPE: &str = r#"(module
  (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0))"#;

fn main() -> io::Result<()> {
    let numbers: Vec<u64> = env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [seed, count] = numbers[..] else {
        eprintln!("usage: lockgate-smith SEED COUNT");
        process::exit(2);
    };
    let shape = wat::parse_str(SHAPE).expect("the shape is well-formed");
    let mut out = BufWriter::new(io::stdout().lock());
    for nth in 0..count {
        let wasm = module(&shape, seed ^ nth.wrapping_mul(0xD134_2543_DE82_EF95));
        out.write_all(&(wasm.len() as u32).to_le_bytes())?;
        out.write_all(&wasm)?;
    }
    out.flush()
}

fn module(shape: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut number = || {
        // splitmix64, by Steele, Lea and Flood
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let course = number();
    let config = wasm_smith::Config {
        exports: (course & 4 == 0).then(|| shape.to_vec()),
        available_imports: Some(shape.to_vec()),
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        memory64_enabled: course & 8 == 0,
        gc_enabled: course & 16 == 0,
        exceptions_enabled: course & 32 == 0,
        threads_enabled: course & 64 == 0,
        max_instructions: 200,
        max_funcs: 20,
        ..wasm_smith::Config::default()
    };
    let bytes: Vec<u8> = (0..200).flat_map(|_| number().to_le_bytes()).collect();
    // Bytes that describe no module are taken for one.
    let mut wasm = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).map_or_else(
        |_| [b"\0asm\x01\0\0\0", &bytes[..]].concat(),
        |module| module.to_bytes(),
    );
    if course & 3 == 0 {
        for _ in 0..2 {
            let at = number() as usize % wasm.len();
            wasm[at] ^= number() as u8 | 1;
        }
    }
    wasm
}
