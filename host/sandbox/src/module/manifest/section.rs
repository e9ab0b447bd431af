//! Finds custom sections in the bytes of a module (WebAssembly core specification, section 5.5.3) without decoding the other
//! sections. It terminates for any bytes.

/// Magic number and version.
const HEADER: usize = 8;

/// The contents of all custom sections called `name`, up to the first malformed byte.
pub(super) fn named<'a>(module: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = module.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (id, content) = section(&mut rest)?;
            if id == 0 {
                let mut content = content;
                let length = number(&mut content)?;
                let found = take(&mut content, length)?;
                if found == name.as_bytes() {
                    return Some(content);
                }
            }
        }
    })
}

/// The next section: its id and content.
fn section<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&id, behind) = rest.split_first()?;
    *rest = behind;
    let length = number(rest)?;
    Some((id, take(rest, length)?))
}

/// An unsigned number of 32 bits in LEB128.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| value as usize);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(module: &[u8]) -> Vec<&[u8]> {
        named(module, "lockgate.manifest").collect()
    }

    #[test]
    fn sections_are_found_between_others() {
        let module = wat::parse_str(
            "(module (@custom \"lockgate.manifest\" \"one\") (memory 1) (func) (@custom \"other\" \"x\")
               (@custom \"lockgate.manifest\" \"two\"))",
        )
        .unwrap();
        assert_eq!(found(&module), [b"one", b"two"]);
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let module = wat::parse_str("(module (@custom \"lockgate.manifest\" \"one\") (memory 1))").unwrap();
        for end in 0..module.len() {
            let _ = found(&module[..end]);
        }
        let mut state = 1_u32;
        for _ in 0..5_000 {
            let mut damaged = module.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % damaged.len();
                damaged[at] ^= (state >> 24) as u8;
            }
            let _ = found(&damaged);
        }
        assert!(found(b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\xff").is_empty());
    }
}
