//! [`name`]: names of header fields as they were spelled last time. Responses have the same few names again and again, and finding
//! one by its bytes costs less than reading it.

use std::cell::RefCell;

use http::HeaderName;
use http::header::InvalidHeaderName;

/// Number of names that are remembered, per worker.
const ENTRIES: usize = 64;
/// Maximum bytes of a name that is remembered.
const MAX_BYTES: usize = 31;

/// A name in one spelling.
struct Entry {
    spelled: [u8; MAX_BYTES],
    length: u8,
    name: HeaderName,
}

impl Entry {
    fn is(&self, bytes: &[u8]) -> bool {
        self.spelled[..usize::from(self.length)] == *bytes
    }
}

thread_local! {
    static KNOWN: RefCell<[Option<Entry>; ENTRIES]> = const { RefCell::new([const { None }; ENTRIES]) };
}

/// The name that these bytes spell.
///
/// # Errors
/// They spell none.
pub(crate) fn name(bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    let (Some(&first), Some(&last), 0..=MAX_BYTES) = (bytes.first(), bytes.last(), bytes.len()) else {
        return HeaderName::from_bytes(bytes);
    };
    let at = (bytes.len() * 7 + usize::from(first) * 3 + usize::from(last)) % ENTRIES;
    KNOWN.with_borrow_mut(|known| {
        let slot = &mut known[at];
        if let Some(entry) = slot
            && entry.is(bytes)
        {
            return Ok(entry.name.clone());
        }
        let name = HeaderName::from_bytes(bytes)?;
        let mut spelled = [0; MAX_BYTES];
        spelled[..bytes.len()].copy_from_slice(bytes);
        *slot = Some(Entry {
            spelled,
            length: bytes.len() as u8,
            name: name.clone(),
        });
        Ok(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_its_bytes_say_however_often_they_were_seen() {
        let long = "x".repeat(MAX_BYTES + 1);
        let spellings = [
            "Server",
            "server",
            "SERVER",
            "x-a",
            "X-A",
            "x-b",
            "a",
            "A",
            &long,
            "Content-Length",
        ];
        // Each takes the place of others that fall on the same entry.
        let crowd: Vec<String> = (0..500).map(|number| format!("x-{number}")).collect();
        for _ in 0..3 {
            for text in spellings.into_iter().chain(crowd.iter().map(String::as_str)) {
                let read = HeaderName::from_bytes(text.as_bytes()).expect(text);
                assert_eq!(name(text.as_bytes()).ok(), Some(read));
            }
        }
        for wrong in ["", "a b", "a:", "\u{e9}"] {
            assert!(name(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
