//! Requests that ask for an upgrade, and what passes behind them.

use super::*;

/// Heads with `Upgrade`, and whether something other than HTTP may follow them.
const UPGRADES: &[(&str, bool)] = &[
    (
        "GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        true,
    ),
    (
        "GET / HTTP/1.1\r\nConnection: keep-alive,\tUpgrade \r\nUPGRADE:x\r\n\r\n",
        true,
    ),
    (
        "POST / HTTP/1.1\r\nconnection: close\r\nconnection: upgrade\r\nupgrade: x, y\r\ncontent-length: 0\r\n\r\n",
        true,
    ),
    (
        "GET / HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\n\r\n",
        true,
    ),
    (
        "GET / HTTP/1.0\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        false,
    ),
    ("GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n", false),
    (
        "GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrades, x-upgrade, close\r\n\r\n",
        false,
    ),
    ("GET / HTTP/1.1\r\nconnection: upgrade\r\n\r\n", false),
    (
        "GET / HTTP/1.1\r\nx-connection: upgrade\r\nupgrade: websocket\r\n\r\n",
        false,
    ),
    ("GET /?connection:upgrade HTTP/1.1\r\nupgrade: websocket\r\n\r\n", false),
    (
        "PUT / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nok",
        false,
    ),
    (
        "PUT / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        false,
    ),
];

#[test]
fn nothing_passes_behind_a_head_that_asks_for_an_upgrade_until_it_is_answered() {
    for (head, is_upgrade) in UPGRADES {
        let stream = [PLAIN, head.as_bytes(), PLAIN].concat();
        let (passed, refusal) = guard_in_every_split(&stream);
        assert_eq!(refusal, None, "{head}");
        if !is_upgrade {
            assert_eq!(passed, stream, "{head}");
            continue;
        }
        assert_eq!(passed, PLAIN, "{head}");
        for cut in 0..=stream.len() {
            let mut guard = Guard::new(LIMITS);
            let first = guard.advance(&stream[..cut]).end;
            assert_eq!(first + guard.advance(&stream[first..]).end, PLAIN.len(), "{head}");
            assert!(guard.holds_upgrade() && guard.is_in_head() && !guard.is_undecided());
            assert_eq!(
                (guard.heads(), guard.pass_upgrade(), guard.heads()),
                (1, head.len(), 2),
                "{head}"
            );
            let rest = &stream[PLAIN.len() + head.len()..];
            assert_eq!(guard.advance(rest), GuardProgress::passed(0), "{head}");
            assert!(guard.is_undecided() && !guard.is_in_head() && !guard.is_in_body());
            guard.refuse_upgrade();
            assert_eq!(guard.advance(rest), GuardProgress::passed(rest.len()), "{head}");
        }
    }
}

#[test]
fn a_refused_head_is_refused_whether_it_asks_for_an_upgrade_or_not() {
    let head = b"GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nx : a\r\n\r\n";
    let (passed, refusal) = guard_in_every_split(&[PLAIN, head].concat());
    assert_eq!(
        (&passed[..], refusal),
        (PLAIN, Some(GuardRefusal::Head(Malformed::FieldName.into())))
    );
}
