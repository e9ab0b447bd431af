//! What a reader sees through the guard, whatever pieces the peer's bytes arrive in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lockgate_http::guard::Limits;
use lockgate_http::problem::Malformed;
use proptest::prelude::*;

use super::*;
use crate::context::idle_monitor::{Directive, IdleMonitor, IdleTimeouts};

/// A peer that sends these pieces and then closes, or waits.
struct Peer {
    pieces: VecDeque<Vec<u8>>,
    closes: bool,
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(piece) = self.pieces.front_mut() else {
            return if self.closes {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        };
        let part = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..part]);
        piece.drain(..part);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

fn activity() -> (IdleMonitor, Rc<ActivityMonitor>) {
    let idle_monitor = IdleMonitor::new();
    let activity = idle_monitor.watch(IdleTimeouts {
        head: Some(Duration::from_secs(1)),
        idle: Duration::from_secs(60),
        write: Duration::from_secs(60),
    });
    (idle_monitor, activity)
}

fn guarded(
    pieces: Vec<Vec<u8>>,
    closes: bool,
    activity: &Rc<ActivityMonitor>,
) -> (GuardedStream<Peer>, Rc<GuardState>) {
    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    let guard = Guard::new(Limits { bytes: 1024, fields: 8 });
    GuardedStream::guarded(Peer { pieces, closes }, activity.clone(), guard)
}

/// One read of at most `size` bytes; none if there is nothing to read now.
fn read(watched: &mut GuardedStream<Peer>, size: usize) -> Option<io::Result<Vec<u8>>> {
    let mut space = vec![0; size];
    let mut buffer = ReadBuf::new(&mut space);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match Pin::new(watched).poll_read(&mut cx, &mut buffer) {
        Poll::Pending => None,
        Poll::Ready(outcome) => Some(outcome.map(|()| buffer.filled().to_vec())),
    }
}

/// Everything that can be read now.
fn read_all(watched: &mut GuardedStream<Peer>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(part)) = read(watched, 64) {
        if part.is_empty() {
            break;
        }
        all.extend(part);
    }
    all
}

fn good_request() -> impl Strategy<Value = Vec<u8>> {
    let chunk = ("[0-9a-f]{0,2}", proptest::collection::vec(any::<u8>(), 1..20));
    prop_oneof![
        "(\r\n){0,2}GET /[a-z]{0,9} HTTP/1\\.[01]\r\n(x-[a-z]{1,9}:[ -~]{0,30}\r\n){0,6}\r\n"
            .prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..50).prop_map(|body| {
            [
                format!("PUT / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes(),
                body,
            ]
            .concat()
        }),
        proptest::collection::vec(chunk, 0..4).prop_map(|chunks| {
            let mut request = b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for (name, data) in chunks {
                request.extend(
                    format!(
                        "{:x}{}\r\n",
                        data.len(),
                        if name.is_empty() { name } else { format!(";{name}") }
                    )
                    .bytes(),
                );
                request.extend(data);
                request.extend(b"\r\n");
            }
            request.extend(b"0\r\nx-sum: 1\r\n\r\n");
            request
        }),
    ]
}

/// A stream of good requests, and where it is cut.
fn cut_stream() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>)> {
    proptest::collection::vec(good_request(), 1..6)
        .prop_map(|requests| requests.concat())
        .prop_flat_map(|stream| {
            proptest::collection::vec(0..=stream.len(), 0..8).prop_map(move |mut cuts| {
                cuts.extend([0, stream.len()]);
                cuts.sort_unstable();
                (
                    stream.clone(),
                    cuts.windows(2).map(|cut| stream[cut[0]..cut[1]].to_vec()).collect(),
                )
            })
        })
}

proptest! {
    #[test]
    fn good_requests_pass_unchanged_in_whatever_pieces(stream_and_pieces in cut_stream(), size in 1usize..200) {
        let (stream, pieces) = stream_and_pieces;
        let (_ward, activity) = activity();
        let (mut watched, guard_state) = guarded(pieces, true, &activity);
        let mut passed = Vec::new();
        while let Some(part) = read(&mut watched, size) {
            let part = part.unwrap();
            if part.is_empty() {
                break;
            }
            passed.extend(part);
        }
        prop_assert_eq!(passed, stream);
        prop_assert_eq!(guard_state.pending_refusal(), None);
        prop_assert!(!watched.has_leftovers());
    }

    #[test]
    fn nothing_of_a_bad_request_passes_whatever_came_before_it(stream_and_pieces in cut_stream(), cut in 1usize..40) {
        let (stream, mut pieces) = stream_and_pieces;
        let bad = b"GET /bad HTTP/1.1\r\nhost: a\nx: b\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n";
        pieces.push(bad[..cut].to_vec());
        pieces.push(bad[cut..].to_vec());
        let (_ward, activity) = activity();
        let (mut watched, guard_state) = guarded(pieces, true, &activity);
        prop_assert_eq!(read_all(&mut watched), stream);
        prop_assert_eq!(guard_state.pending_refusal(), Some(GuardRefusal::Head(Malformed::LineEnd.into())));
        prop_assert_eq!(watched.first_line(), b"GET /bad HTTP/1.1");
        prop_assert!(watched.has_leftovers());
        guard_state.show_refusal();
        prop_assert!(read(&mut watched, 64).unwrap().unwrap().is_empty());
    }

    #[test]
    fn no_bytes_at_all_confuse_the_guard(pieces in proptest::collection::vec(
        proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':')], 0..40), 0..8)) {
        let (_ward, activity) = activity();
        let stream = pieces.concat();
        let (mut watched, guard_state) = guarded(pieces, true, &activity);
        let passed = read_all(&mut watched);
        prop_assert!(stream.starts_with(&passed));
        prop_assert!(guard_state.heads() > 0 || passed.is_empty());
    }
}

#[test]
fn a_refused_head_keeps_the_reader_waiting_until_it_may_know() {
    let (_ward, activity) = activity();
    let (mut watched, guard_state) = guarded(
        vec![b"GET / HTTP/1.1\r\n\r\nGET /#x HTTP/1.1\r\n\r\n".to_vec()],
        false,
        &activity,
    );
    assert_eq!(read(&mut watched, 64).unwrap().unwrap(), b"GET / HTTP/1.1\r\n\r\n");
    assert!(read(&mut watched, 64).is_none());
    assert_eq!((guard_state.heads(), guard_state.shown_problem()), (1, None));
    guard_state.show_refusal();
    assert!(read(&mut watched, 64).unwrap().unwrap().is_empty());
    assert_eq!(
        (guard_state.pending_refusal(), guard_state.shown_problem()),
        (None, Some(Malformed::Fragment.into()))
    );
}

#[test]
fn a_broken_body_is_an_error_once_the_reader_may_know() {
    let (_ward, activity) = activity();
    let stream = b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\nGET / HTTP/1.1\r\n\r\n".to_vec();
    let (mut watched, guard_state) = guarded(vec![stream.clone()], false, &activity);
    assert_eq!(read_all(&mut watched), stream[..stream.len() - 19]);
    assert_eq!(guard_state.pending_refusal(), Some(GuardRefusal::Body));
    guard_state.show_refusal();
    assert_eq!(
        read(&mut watched, 64).unwrap().unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    assert_eq!(guard_state.shown_problem(), None);
}

#[test]
fn part_of_a_head_starts_its_clock_and_an_empty_line_does_not() {
    let (idle_monitor, activity) = activity();
    let start = Instant::now();
    let order_at = |milliseconds| {
        idle_monitor.sweep(start + Duration::from_millis(milliseconds));
        activity.poll_directive(&mut Context::from_waker(std::task::Waker::noop()))
    };
    let (mut watched, guard_state) = guarded(vec![b"\r\n".to_vec()], false, &activity);
    assert!(read(&mut watched, 64).is_none());
    assert!(!guard_state.is_inside_head());
    assert_eq!(order_at(5000), Directive::Continue);
    watched.stream_mut().pieces.push_back(b"GET".to_vec());
    assert!(read(&mut watched, 64).is_none());
    assert!(guard_state.is_inside_head());
    assert_eq!(order_at(5900), Directive::Continue);
    assert_eq!(order_at(6000), Directive::HeadTimeout);
}

#[test]
fn targets_are_escaped_however_their_bytes_arrive() {
    let sent = b"GET /a<b>`?q=\"<x>\"`{|}&r=? HTTP/1.1\r\nx-q: <\"\r\n\r\n\
        PUT /\"{ HTTP/1.1\r\ncontent-length: 3\r\n\r\n<\">\
        \r\nGET http://a?\" HTTP/1.1\r\n\r\nGET /> HTTP/1.0\r\n\r\n";
    let expected = "GET /a%3Cb%3E%60?q=%22%3Cx%3E%22`{|}&r=? HTTP/1.1\r\nx-q: <\"\r\n\r\n\
        PUT /\"{ HTTP/1.1\r\ncontent-length: 3\r\n\r\n<\">\
        \r\nGET http://a?%22 HTTP/1.1\r\n\r\nGET /%3E HTTP/1.0\r\n\r\n";
    for size in 1..=sent.len() {
        let (_monitor, activity) = activity();
        let guard = Guard::new(Limits { bytes: 1024, fields: 8 }).escaping(true);
        let peer = Peer {
            pieces: sent.chunks(size).map(<[u8]>::to_vec).collect(),
            closes: true,
        };
        let (mut watched, state) = GuardedStream::guarded(peer, activity, guard);
        assert_eq!(
            String::from_utf8_lossy(&read_all(&mut watched)),
            expected,
            "in pieces of {size}"
        );
        assert_eq!(state.heads(), 4);
    }
}

#[test]
fn what_no_escape_mends_is_refused() {
    for head in [
        "GET /<#a HTTP/1.1\r\n\r\n",
        "GET /< a HTTP/1.1\r\n\r\n",
        "GET a< HTTP/1.1\r\n\r\n",
        "GET http://a\"/< HTTP/1.1\r\n\r\n",
        "GET /< HTTP/1.2\r\n\r\n",
        "G<T / HTTP/1.1\r\n\r\n",
    ] {
        let (_monitor, activity) = activity();
        let guard = Guard::new(Limits { bytes: 1024, fields: 8 }).escaping(true);
        let peer = Peer {
            pieces: [head.as_bytes().to_vec()].into(),
            closes: true,
        };
        let (mut watched, state) = GuardedStream::guarded(peer, activity, guard);
        assert_eq!(read_all(&mut watched), b"", "{head}");
        assert!(matches!(state.pending_refusal(), Some(GuardRefusal::Head(_))), "{head}");
    }
}

/// What a reader has got of a stream when nothing more comes, where every request before an upgrade is answered at once.
fn read_up_to_the_upgrade(
    stream: &mut GuardedStream<Peer>,
    state: &GuardState,
    activity: &Rc<ActivityMonitor>,
) -> Vec<u8> {
    let passed = read_all(stream);
    (activity.started_requests()..state.heads()).for_each(|_| drop(activity.start_request()));
    passed
}

proptest! {
    /// The seam of an upgrade: not one byte behind the request is read as HTTP, and not one of them is lost.
    #[test]
    fn bytes_behind_an_upgrade_belong_to_the_tunnel_however_they_arrive(
        stream_and_pieces in cut_stream(),
        tail in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n')], 0..200),
        cuts in proptest::collection::vec(0usize..400, 0..6),
        late in 0usize..3,
        size in 1usize..100,
    ) {
        const HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nupgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let (before, mut pieces) = stream_and_pieces;
        let seam = [HEAD, &tail].concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (seam.len() + 1)).chain([0, seam.len()]).collect();
        cuts.sort_unstable();
        pieces.extend(cuts.windows(2).map(|cut| seam[cut[0]..cut[1]].to_vec()));
        // A packet may hold the end of one request and the beginning of the upgrade.
        if cuts.len() % 2 == 0 {
            let last = pieces.split_off(pieces.len() - cuts.len());
            pieces.push(last.concat());
        }
        let held_back = pieces.split_off(pieces.len().saturating_sub(late));

        let (_monitor, activity) = activity();
        let (mut stream, state) = guarded(pieces, false, &activity);
        let mut passed = read_up_to_the_upgrade(&mut stream, &state, &activity);
        stream.stream_mut().pieces.extend(held_back.into_iter().filter(|piece| !piece.is_empty()));
        passed.extend(read_up_to_the_upgrade(&mut stream, &state, &activity));
        prop_assert_eq!(&passed, &before);
        prop_assert_eq!(state.upgrade(), Some(UpgradeStep::Held));
        prop_assert!(state.is_inside_head());

        state.set_upgrade(UpgradeStep::Admitted);
        let mut head = Vec::new();
        let mut request = None;
        while let Some(part) = read(&mut stream, size) {
            request.get_or_insert_with(|| activity.start_request());
            head.extend(part.unwrap());
        }
        prop_assert_eq!(&head[..], HEAD);
        prop_assert_eq!(state.upgrade(), Some(UpgradeStep::Undecided));
        prop_assert_eq!(state.has_early_bytes(), !tail.is_empty());
        let (peer, early) = stream.into_tunnel().expect("the request is not answered");
        let rest: Vec<u8> = peer.pieces.into_iter().flatten().collect();
        prop_assert_eq!([&early[..], &rest].concat(), tail);
    }
}

#[test]
fn http_goes_on_behind_an_upgrade_that_was_refused_only_if_nothing_came_before_the_answer() {
    let head = b"GET / HTTP/1.1\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n".to_vec();
    let next = b"GET /next HTTP/1.1\r\n\r\n".to_vec();
    for is_early in [true, false] {
        let (_monitor, activity) = activity();
        let (mut stream, state) = guarded(vec![head.clone()], false, &activity);
        assert!(read(&mut stream, 64).is_none());
        state.set_upgrade(UpgradeStep::Admitted);
        assert_eq!(read(&mut stream, 64).unwrap().unwrap(), head);
        let request = activity.start_request();
        if is_early {
            stream.stream_mut().pieces.push_back(next.clone());
            assert!(read(&mut stream, 64).is_none());
        }
        drop(request);
        if !is_early {
            // It has come with the answer on its way: nobody reads it before the answer has its consequences.
            stream.stream_mut().pieces.push_back(next.clone());
            assert!(read(&mut stream, 64).is_none());
        }
        assert_eq!(state.has_early_bytes(), is_early);
        if is_early {
            state.set_upgrade(UpgradeStep::Ended);
            assert!(read(&mut stream, 64).unwrap().unwrap().is_empty());
            assert!(stream.has_leftovers());
        } else {
            state.set_upgrade(UpgradeStep::Refused);
            assert_eq!(read(&mut stream, 64).unwrap().unwrap(), next);
            assert_eq!((state.heads(), state.upgrade()), (2, None));
            assert!(stream.into_tunnel().is_none());
        }
    }
}

#[test]
fn early_bytes_are_bounded_and_who_leaves_without_any_is_noticed() {
    let head = b"GET / HTTP/1.1\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n".to_vec();
    for early in [0, 1000] {
        let (_monitor, activity) = activity();
        let mut pieces = vec![head.clone()];
        pieces.extend(std::iter::repeat_n(vec![7; 1000], early));
        let (mut stream, state) = guarded(pieces, true, &activity);
        assert!(read(&mut stream, 1000).is_none());
        state.set_upgrade(UpgradeStep::Admitted);
        assert_eq!(read(&mut stream, 64).unwrap().unwrap(), head);
        let _request = activity.start_request();
        if early == 0 {
            assert!(read(&mut stream, 1000).unwrap().unwrap().is_empty());
            continue;
        }
        assert!(read(&mut stream, 1000).is_none());
        let (peer, held) = stream.into_tunnel().unwrap();
        assert!((MAX_EARLY..MAX_EARLY + 1000).contains(&held.len()), "{}", held.len());
        assert_eq!(
            held.len() + peer.pieces.iter().map(Vec::len).sum::<usize>(),
            early * 1000
        );
    }
}
