//! What VMs and streams do for one another. Shared queues: whoever puts something in wakes the one VM that registered the queue
//! last, in whichever plugin and on whichever worker that is. Streams of one VM: each may let the others go.

use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, Wire, get};
use serde_json::json;
use std::thread;
use std::time::Duration;

#[test]
fn a_queue_wakes_its_reader_in_another_plugin_and_on_another_worker() {
    let app = Upstream::fixed("fine");
    let gateway = Gateway::start(json!({
        "workers": 2,
        "upstreams": { "app": { "endpoints": [app.address().to_string()] } },
        "plugins": {
            "reader": { "module": "raw", "vm_id": "shared" },
            "writer": { "module": "raw", "vm_id": "shared" },
        },
        "routes": [
            { "name": "read", "match": { "path": "/read" }, "chain": ["reader"], "upstream": "app" },
            { "name": "write", "match": { "path": "/write" }, "chain": ["writer"], "upstream": "app" },
        ],
    }));
    let scripted = |path: &str, script: &str| get(path).header("x-script", script).header("x-token", path);
    for _ in 0..6 {
        let read = scripted(
            "/read",
            "@request_headers ; register_shared_queue 'q' >queue ; return 1 ; \
             @queue_ready ; dequeue_shared_queue $queue >text ; continue_stream 0",
        );
        let address = gateway.address();
        // Each on a connection of its own, so that readers and writers meet on every pair of workers.
        let reader = thread::spawn(move || Wire::connect(address).exchange(&read));
        let write = scripted(
            "/write",
            "@request_headers ; resolve_shared_queue 'shared' 'q' >queue ; enqueue_shared_queue $queue 'hello'",
        );
        eventually("the reader is woken", Duration::from_secs(10), || {
            assert_eq!(gateway.send(write.clone()).status(), 200);
            reader.is_finished()
        });
        let answer = reader.join().expect("the reader does not panic").expect("an answer");
        assert_eq!(answer.text(), "fine");
    }
}

#[test]
fn a_stream_lets_another_one_of_its_vm_go() {
    let app = Upstream::fixed("fine");
    let gateway = Gateway::start(json!({
        "workers": 1,
        "upstreams": { "app": { "endpoints": [app.address().to_string()] } },
        "plugins": { "raw": { "module": "raw" } },
        "global_chain": ["raw"],
    }));
    let scripted = |token: &str, script: &str| get("/").header("x-script", script).header("x-token", token);
    // The one that waits leaves its number where the other finds it.
    let waits = scripted(
        "waits",
        "@request_headers ; define_metric 1 'who_waits' >place ; record_metric $place $own ; return 1",
    );
    let address = gateway.address();
    let waiting = thread::spawn(move || Wire::connect(address).exchange(&waits));
    let goes = scripted(
        "goes",
        "@request_headers ; define_metric 1 'who_waits' >place ; get_metric $place >other ; \
         set_effective_context $other ; continue_stream 0",
    );
    eventually("the other one is let go", Duration::from_secs(10), || {
        assert_eq!(gateway.send(goes.clone()).status(), 200);
        waiting.is_finished()
    });
    let answer = waiting.join().expect("the client does not panic").expect("an answer");
    assert_eq!(answer.text(), "fine");
}
