//! What a head says of its body's length.

use super::*;

#[test]
fn a_message_has_one_length() {
    let with = |fields: &[(&str, &str)]| refusal(http1("/", &[&[("host", "a")], fields].concat()));
    for value in ["", "+5", "-5", "5, 5", "0x5", "5 ", "99999999999999999999"] {
        let expected = if value == "5 " { "5 " } else { value };
        assert_eq!(
            with(&[("content-length", expected)]),
            Malformed::ContentLength,
            "{value:?}"
        );
    }
    assert_eq!(
        with(&[("content-length", "5"), ("content-length", "5")]),
        Malformed::ContentLength
    );
    assert_eq!(
        with(&[("content-length", "5"), ("transfer-encoding", "chunked")]),
        Malformed::TwoLengths
    );
    for value in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "xchunked",
        "",
        "chunked;a=b",
    ] {
        assert_eq!(
            with(&[("transfer-encoding", value)]),
            Malformed::TransferEncoding,
            "{value}"
        );
    }
    assert_eq!(
        with(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
        Malformed::TransferEncoding
    );
    let old = request(Version::HTTP_10, "/", &[("transfer-encoding", "chunked")]);
    assert_eq!(refusal(old), Malformed::TransferEncoding);
    assert!(admitted(http1("/", &[("host", "a"), ("content-length", "5")])).is_ok());
    assert!(admitted(http1("/", &[("host", "a"), ("transfer-encoding", "Chunked")])).is_ok());
}
