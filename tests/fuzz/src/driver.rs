//! Inputs from a seed: generated ones, and mutations of a corpus. The same seed gives the same inputs in the same order.

use std::path::Path;
use std::{fs, io};

/// Pseudo-random numbers (splitmix64, by Steele, Lea and Flood).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).expect("it is below a usize")
    }
}

/// The seeds of a target, in the order of their file names.
///
/// # Panics
/// A file cannot be read.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read(file).expect("a seed is readable"))
        .collect()
}

/// Reads the modules that `smith` has written, each after its length.
///
/// # Errors
/// The file cannot be read.
pub fn modules(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(file)?;
    let mut rest = &bytes[..];
    let mut modules = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (module, behind) = behind.split_at(length.min(behind.len()));
        modules.push(module.to_vec());
        rest = behind;
    }
    Ok(modules)
}

/// An endless sequence of inputs.
#[derive(Debug)]
pub struct Inputs {
    corpus: Vec<Vec<u8>>,
    longest: usize,
    buffer: Vec<u8>,
}

impl Inputs {
    /// Inputs for a target: its seeds, then mutations.
    #[must_use]
    pub fn new(target: &str) -> Self {
        Self {
            corpus: seeds(target),
            longest: 400,
            buffer: Vec::new(),
        }
    }

    /// Inputs for a target: its seeds and these, then mutations.
    #[must_use]
    pub fn with(target: &str, made: Vec<Vec<u8>>) -> Self {
        let mut inputs = Self::new(target);
        inputs.corpus.extend(made);
        inputs
    }

    /// The number of inputs before the mutations.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.corpus.len() as u64
    }

    /// The input of a number. Each has its own random state, so that it can be made alone.
    pub fn input(&mut self, seed: u64, nth: u64) -> &[u8] {
        let mut numbers = Numbers::new(seed ^ nth.wrapping_mul(0xD134_2543_DE82_EF95));
        self.buffer.clear();
        let kept = usize::try_from(nth).ok().and_then(|nth| self.corpus.get(nth));
        if let Some(kept) = kept {
            self.buffer.extend_from_slice(kept);
        } else if !self.corpus.is_empty() && numbers.below(2) == 0 {
            let from = numbers.below(self.corpus.len());
            self.buffer.extend_from_slice(&self.corpus[from]);
            self.change(&mut numbers);
        } else {
            let length = numbers.below(self.longest);
            self.fill(&mut numbers, length);
        }
        &self.buffer
    }

    fn fill(&mut self, numbers: &mut Numbers, length: usize) {
        while self.buffer.len() < length {
            self.buffer.extend_from_slice(&numbers.draw().to_le_bytes());
        }
        self.buffer.truncate(length);
    }

    /// A few mutations: a byte, a cut, a piece of another input, more bytes.
    fn change(&mut self, numbers: &mut Numbers) {
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(self.buffer.len() + 1);
            match numbers.below(8) {
                0..=4 if at < self.buffer.len() => self.buffer[at] = numbers.draw().to_le_bytes()[0],
                5 => self.buffer.truncate(at),
                6 => {
                    let from = numbers.below(self.corpus.len());
                    let other = &self.corpus[from];
                    self.buffer.truncate(at);
                    self.buffer.extend_from_slice(&other[at.min(other.len())..]);
                }
                _ => {
                    let length = (self.buffer.len() + numbers.below(32)).min(self.longest);
                    self.fill(numbers, length);
                }
            }
        }
    }
}
