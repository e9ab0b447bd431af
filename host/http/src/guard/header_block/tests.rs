//! Header blocks by the examples of the standard, by what the library hides, and by property.

use super::*;

fn facts(blocks: &mut HeaderBlocks, block: &[u8]) -> BlockFacts {
    blocks.read(block).unwrap()
}

/// A literal field that enters the table.
fn indexed(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x40, name.len() as u8], name, &[value.len() as u8], value].concat()
}

#[test]
fn the_examples_of_the_standard_are_counted_and_evict_as_they_say() {
    // RFC 7541, appendix C.4: requests with Huffman codes on one connection.
    let mut blocks = HeaderBlocks::default();
    let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    assert_eq!(facts(&mut blocks, first).fields, 0);
    assert_eq!(blocks.bytes, 57);
    assert_eq!(
        facts(&mut blocks, b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf").fields,
        1
    );
    assert_eq!(blocks.bytes, 110);
    let third = b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
    assert_eq!(facts(&mut blocks, third).fields, 1);
    assert_eq!((blocks.bytes, blocks.table.len()), (164, 3));
    assert_eq!(facts(&mut blocks, b"\x20\x3f\xe1\x1f").fields, 0);
    assert_eq!((blocks.bytes, blocks.table.len()), (0, 0));
    assert_eq!(blocks.read(b"\xbe"), Err(BrokenBlock), "the table is empty");
}

#[test]
fn what_the_library_hides_is_found_however_it_is_written() {
    let fragment = BlockFacts {
        has_pseudo: true,
        has_fragment: true,
        ..BlockFacts::default()
    };
    // A literal with an indexed name, with a literal name, and from the table.
    let mut blocks = HeaderBlocks::default();
    assert_eq!(facts(&mut blocks, b"\x04\x04/a#b"), fragment);
    assert_eq!(facts(&mut blocks, &indexed(b":path", b"/#")), fragment);
    assert_eq!(facts(&mut blocks, b"\xbe"), fragment);
    // Huffman: `/a#` is 011000 00011 111111111010 and padding.
    assert_eq!(facts(&mut blocks, b"\x44\x83\x60\x7f\xf5"), fragment);
    // The same value in another field is harmless.
    assert_eq!(
        facts(&mut blocks, &indexed(b"x-a", b"/#")),
        BlockFacts {
            fields: 1,
            ..BlockFacts::default()
        }
    );
    for value in [&b" a"[..], b"a ", b"\ta", b"a\t", b" "] {
        let mut blocks = HeaderBlocks::default();
        let blank = BlockFacts {
            fields: 1,
            has_outer_blank: true,
            ..BlockFacts::default()
        };
        assert_eq!(facts(&mut blocks, &indexed(b"x-env", value)), blank, "{value:?}");
        assert_eq!(facts(&mut blocks, b"\xbe"), blank, "{value:?} from the table");
    }
    let inner = facts(&mut HeaderBlocks::default(), &indexed(b"x-env", b"a b"));
    assert!(!inner.has_outer_blank);
}

#[test]
fn all_cookies_count_as_one_field() {
    let block = [
        indexed(b"cookie", b"a=1"),
        indexed(b"cookie", b"b=2"),
        b"\x60\x03c=3".to_vec(),
        indexed(b"x", b"1"),
    ];
    assert_eq!(facts(&mut HeaderBlocks::default(), &block.concat()).fields, 2);
}

#[test]
fn broken_blocks_are_errors_and_never_panics() {
    for block in [
        &b"\x80"[..],
        b"\xff",
        b"\xff\xff\xff\xff\xff\x01",
        b"\x40",
        b"\x40\x05abc",
        b"\x3f\xff\x7f",
        b"\xbe",
    ] {
        assert_eq!(HeaderBlocks::default().read(block), Err(BrokenBlock), "{block:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(blocks in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..64), 0..8)) {
        let mut reader = HeaderBlocks::default();
        for block in blocks {
            let _ = reader.read(&block);
            assert!(reader.bytes <= TABLE_BYTES);
        }
    }
}
