//! What is read, and what is refused.

use std::fmt::Write;

use super::*;

fn one(text: &str) -> Node {
    let mut documents = documents("a.yaml", text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn refused(text: &str) -> String {
    documents("a.yaml", text).unwrap_err().to_string()
}

#[test]
fn values_have_the_lines_of_their_keys() {
    let node = one("a: 1\nb:\n- x\n- y: 'z'\n");
    let Value::Mapping(members) = &node.value else {
        panic!("{node:?}")
    };
    assert_eq!((members[0].1.line, members[1].1.line), (1, 2));
    let Value::Sequence(items) = &members[1].1.value else {
        panic!("{node:?}")
    };
    assert_eq!((items[0].line, items[1].line), (3, 4));
    assert_eq!(items[1].member("y").and_then(Node::text), Some("z"));
}

#[test]
fn empty_documents_are_left_out_and_json_is_read() {
    assert_eq!(
        documents("a.yaml", "---\n---\na: 1\n---\n# nothing\n...\n")
            .unwrap()
            .len(),
        1
    );
    assert_eq!(documents("a.yaml", "").unwrap(), []);
    let node = one("\u{feff}{\n\t\"a\": [\n\t\t1, {\"b\": null}, \"c\\u00e4\\n\"\n\t]\n}\n");
    let Value::Sequence(items) = &node.member("a").unwrap().value else {
        panic!("{node:?}")
    };
    assert_eq!((items[1].member("b"), items[2].text()), (None, Some("cä\n")));
}

#[test]
fn aliases_and_merge_keys_are_resolved_within_their_document() {
    let node = one("base: &base { a: 1, b: 2 }\nmore:\n  <<: *base\n  b: 3\ncopy: *base\n");
    let more = node.member("more").unwrap();
    assert_eq!(more.member("a").and_then(Node::text), Some("1"));
    assert_eq!(more.member("b").and_then(Node::text), Some("3"));
    assert_eq!(node.member("copy").unwrap().member("b").and_then(Node::text), Some("2"));
    assert!(refused("a: &x 1\n---\nb: *x\n").contains("a.yaml:3:"));
    assert!(refused("a: &x [ *x ]\n").starts_with("a.yaml:1:"));
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(
        refused("a: 1\nb: [ 1, 2\nc: 3\n").split(": ").next(),
        Some("a.yaml:3:2"),
        "{}",
        refused("a: 1\nb: [ 1, 2\nc: 3\n")
    );
    assert_eq!(
        refused("a: 1\nb: 2\na: 3\n"),
        "a.yaml:3:1: the key \"a\" for the second time"
    );
    assert!(refused("[a]: 1\n").contains("a key that is not a text"));
}

#[test]
fn depth_is_bounded() {
    // The parser's own bound.
    assert!(refused(&"[".repeat(100_000)).contains("recursion limit"));
    assert!(refused(&"- ".repeat(100_000)).contains("nested deeper"));
    assert!(refused(&"{a: ".repeat(100_000)).contains("recursion limit"));
}

#[test]
fn aliases_do_not_multiply_without_bound() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    assert!(refused(&bomb).contains("more than 500000 values"));
}
