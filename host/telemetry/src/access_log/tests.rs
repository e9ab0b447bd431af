//! Every line is an object of its own, none is lost in silence, and the end waits for the last one.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::writer::Sink;
use super::{AccessLog, PluginTimes, Record};
use crate::settings::{AccessLogPath, AccessLogSettings};

fn record() -> Record<'static> {
    Record {
        time: UNIX_EPOCH + Duration::new(1_769_903_999, 1_500),
        request_id: Cow::Borrowed("00ff"),
        listener: "web",
        client: "203.0.113.9".parse().unwrap(),
        method: &Method::GET,
        host: Cow::Borrowed("api.example.com"),
        path: "/orders/7",
        protocol: Version::HTTP_11,
        status: Some(200),
        grpc_status: Some(0),
        route: Some("orders"),
        upstream: Some("orders"),
        endpoint: Some("127.0.0.1:9001".parse().unwrap()),
        attempts: 1,
        breaker: Some("closed"),
        response_flags: vec!["upstream_overflow"],
        bytes_in: 0,
        bytes_out: 100,
        duration: Duration::from_micros(1500),
        upstream_latency: Some(Duration::from_micros(900)),
        code_details: None,
        cause: None,
        abort_reason: None,
        plugins: vec![PluginTimes {
            name: "auth",
            request_us: Duration::from_micros(7),
            wait_us: Duration::from_micros(400_000),
            response_us: Duration::from_nanos(900),
        }],
    }
}

fn open(path: &Path) -> (AccessLog, Arc<AtomicU64>) {
    let dropped = Arc::new(AtomicU64::new(0));
    let settings = AccessLogSettings {
        path: AccessLogPath::File(path.to_owned()),
    };
    (AccessLog::open(&settings, dropped.clone()).unwrap(), dropped)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scratch() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("access.log");
    (folder, path)
}

#[test]
fn a_line_says_all_about_its_request() {
    let (_folder, path) = scratch();
    let (log, _) = open(&path);
    log.write(&record());
    drop(log);
    let expected = json!({
        "time": "2026-01-31T23:59:59.000001Z", "request_id": "00ff", "listener": "web", "client": "203.0.113.9",
        "method": "GET", "host": "api.example.com", "path": "/orders/7", "protocol": "HTTP/1.1", "status": 200, "grpc_status": 0,
        "route": "orders", "upstream": "orders", "endpoint": "127.0.0.1:9001", "attempts": 1,
        "breaker": "closed", "response_flags": ["upstream_overflow"], "bytes_in": 0,
        "bytes_out": 100, "duration_us": 1500, "upstream_us": 900, "code_details": null, "abort_reason": null, "cause": null,
        "plugins": [{ "name": "auth", "request_us": 7, "response_us": 0, "wait_us": 400_000 }],
    });
    assert_eq!(lines(&path), [expected]);
}

#[test]
fn what_a_client_sends_cannot_break_out_of_its_line() {
    let (_folder, path) = scratch();
    let (log, _) = open(&path);
    let nasty = "a\"b\\c\nd\u{0}\u{7f}\u{2028}é";
    log.write(&Record {
        host: Cow::Borrowed(nasty),
        path: nasty,
        code_details: Some(nasty),
        ..record()
    });
    log.write(&record());
    drop(log);
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["host"], &lines[0]["path"]), (&json!(nasty), &json!(nasty)));
}

#[test]
fn lines_of_many_threads_are_whole_and_all_there_when_the_log_ends() {
    let (_folder, path) = scratch();
    let (log, dropped) = open(&path);
    std::thread::scope(|scope| {
        for thread in 0..20u32 {
            let log = &log;
            scope.spawn(move || {
                (0..500).for_each(|_| {
                    log.write(&Record {
                        attempts: thread,
                        ..record()
                    })
                })
            });
        }
    });
    drop(log);
    let lines = lines(&path);
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    for thread in 0..20 {
        assert_eq!(lines.iter().filter(|line| line["attempts"] == thread).count(), 500);
    }
}

#[test]
fn a_line_is_written_without_another_one_pushing_it() {
    let (_folder, path) = scratch();
    let (log, _) = open(&path);
    for expected in 1..=3 {
        log.write(&record());
        let patience = Instant::now() + Duration::from_secs(10);
        while lines(&path).len() < expected {
            assert!(Instant::now() < patience, "line {expected} was not written");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn lines_that_find_no_room_are_dropped_and_counted_and_nothing_blocks() {
    let (_folder, path) = scratch();
    let dropped = Arc::new(AtomicU64::new(0));
    let sink = Sink::open(&AccessLogPath::File(path.clone())).unwrap();
    let log = AccessLog::start(sink, dropped.clone(), 2_000).unwrap();
    // Far more than fits between two turns of the writer.
    (0..5_000).for_each(|_| log.write(&record()));
    drop(log);
    let dropped = dropped.load(Ordering::Relaxed);
    assert!(dropped > 0);
    assert_eq!(lines(&path).len() as u64 + dropped, 5_000);
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let dropped = Arc::new(AtomicU64::new(0));
    let full = AccessLogSettings {
        path: AccessLogPath::File("/dev/full".into()),
    };
    let log = AccessLog::open(&full, dropped.clone()).unwrap();
    (0..10).for_each(|_| log.write(&record()));
    drop(log);
    assert_eq!(dropped.load(Ordering::Relaxed), 10);
}

#[test]
fn a_rotated_file_is_followed_after_a_reopen() {
    let (folder, path) = scratch();
    let rotated = folder.path().join("access.log.1");
    let (log, _) = open(&path);
    log.write(&record());
    let patience = Instant::now() + Duration::from_secs(10);
    while lines(&path).is_empty() {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::rename(&path, &rotated).unwrap();
    log.reopen();
    log.write(&Record {
        status: Some(404),
        ..record()
    });
    drop(log);
    assert_eq!(
        lines(&rotated)
            .iter()
            .map(|line| line["status"].clone())
            .collect::<Vec<_>>(),
        [200]
    );
    assert_eq!(
        lines(&path)
            .iter()
            .map(|line| line["status"].clone())
            .collect::<Vec<_>>(),
        [404]
    );
}

#[test]
fn dates_follow_the_calendar() {
    let (_folder, path) = scratch();
    let (log, _) = open(&path);
    let cases = [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_399, "2000-02-28T23:59:59.000000Z"),
        (951_782_400, "2000-02-29T00:00:00.000000Z"),
        (951_868_800, "2000-03-01T00:00:00.000000Z"),
        (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
    ];
    for (seconds, _) in cases {
        log.write(&Record {
            time: UNIX_EPOCH + Duration::from_secs(seconds),
            ..record()
        });
    }
    log.write(&Record {
        time: SystemTime::UNIX_EPOCH - Duration::from_secs(9),
        ..record()
    });
    drop(log);
    let got: Vec<_> = lines(&path)
        .iter()
        .map(|line| line["time"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = cases.iter().map(|case| case.1).chain([cases[0].1]).collect();
    assert_eq!(got, expected);
}

/// A pipe that nobody reads: the writer is stuck in its system call.
#[test]
fn a_stalled_destination_keeps_neither_writers_nor_the_end() {
    let (_folder, path) = scratch();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Opened for both, so that neither end waits for the other.
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (log, dropped) = open(&path);
    let began = Instant::now();
    let lines = 40_000;
    (0..lines).for_each(|_| log.write(&record()));
    let written = began.elapsed();
    drop(log);
    let ended = began.elapsed() - written;
    assert!(
        written < Duration::from_secs(10),
        "a line waited for the reader: {written:?}"
    );
    assert!(
        ended < Duration::from_secs(5),
        "the end waited for the reader: {ended:?}"
    );
    // What the writer has taken, and what the pipe holds, is neither here nor there.
    let dropped = dropped.load(Ordering::Relaxed);
    assert!(dropped > 0 && dropped < lines, "{dropped}");
    drop(reader);
}
