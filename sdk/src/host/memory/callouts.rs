//! Callouts as the host in memory keeps them: HTTP and gRPC. Who answers them is a matter of `testing`.

use std::collections::VecDeque;

use super::{Memory, call, owned_pairs};
use crate::abi::Status;

/// What a callout speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Http,
    Grpc,
    GrpcStream,
}

/// What a plugin does on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    Opened,
    Sent(Vec<u8>),
    Ended,
    Cancelled,
}

/// A callout as the plugin sent it.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) id: u32,
    pub(crate) kind: CallKind,
    pub(crate) context: u32,
    pub(crate) upstream: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: u32,
    /// An answer has been given to the plugin; a stream is over.
    pub(crate) answered: bool,
    /// Of a stream: what its upstream has not heard yet.
    pub(crate) done: VecDeque<Done>,
    /// Of a stream: its answer has begun.
    pub(crate) began: bool,
}

impl Called {
    fn new(memory: &Memory, kind: CallKind, upstream: &str) -> Called {
        Called {
            id: memory.called.len() as u32 + 1,
            kind,
            context: memory.effective,
            upstream: upstream.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: 0,
            answered: false,
            done: VecDeque::new(),
            began: false,
        }
    }
}

pub(crate) fn http_call(upstream: &str, headers: &[u8], body: &[u8], milliseconds: u32) -> Result<u32, Status> {
    call("proxy_http_call", |memory| {
        let called = Called {
            headers: owned_pairs(headers)?,
            body: body.to_vec(),
            timeout: milliseconds,
            ..Called::new(memory, CallKind::Http, upstream)
        };
        Ok(memory.calls(called))
    })
}

/// `target` is the upstream, the service and the method.
pub(crate) fn grpc_call(
    target: (&str, &str, &str),
    metadata: &[u8],
    message: &[u8],
    milliseconds: u32,
) -> Result<u32, Status> {
    call("proxy_grpc_call", |memory| {
        let called = Called {
            headers: grpc_head(target, metadata)?,
            body: message.to_vec(),
            timeout: milliseconds,
            ..Called::new(memory, CallKind::Grpc, target.0)
        };
        Ok(memory.calls(called))
    })
}

/// `target` is the upstream, the service and the method.
pub(crate) fn grpc_stream(target: (&str, &str, &str), metadata: &[u8]) -> Result<u32, Status> {
    call("proxy_grpc_stream", |memory| {
        let called = Called {
            headers: grpc_head(target, metadata)?,
            done: VecDeque::from([Done::Opened]),
            ..Called::new(memory, CallKind::GrpcStream, target.0)
        };
        Ok(memory.calls(called))
    })
}

pub(crate) fn grpc_send(id: u32, message: &[u8], end: bool) -> Result<(), Status> {
    call("proxy_grpc_send", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.done.push_back(Done::Sent(message.to_vec()));
        open.done.extend(end.then_some(Done::Ended));
        Ok(())
    })
}

pub(crate) fn grpc_close(id: u32) -> Result<(), Status> {
    call("proxy_grpc_close", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.done.push_back(Done::Ended);
        Ok(())
    })
}

fn grpc_head(target: (&str, &str, &str), metadata: &[u8]) -> Result<Vec<(String, String)>, Status> {
    let mut headers = vec![
        (":method".to_owned(), "POST".to_owned()),
        (":path".to_owned(), format!("/{}/{}", target.1, target.2)),
    ];
    headers.extend(owned_pairs(metadata)?);
    Ok(headers)
}

impl Memory {
    fn calls(&mut self, called: Called) -> u32 {
        let id = called.id;
        self.called.push(called);
        id
    }

    /// The callout of this number, if it is not over.
    pub(crate) fn open(&mut self, id: u32) -> Option<&mut Called> {
        self.called.iter_mut().find(|call| call.id == id && !call.answered)
    }
}

pub(crate) fn grpc_cancel(id: u32) -> Result<(), Status> {
    call("proxy_grpc_cancel", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.answered = true;
        if open.kind == CallKind::GrpcStream {
            open.done.push_back(Done::Cancelled);
        }
        Ok(())
    })
}

pub(crate) fn call_status() -> Result<(u32, Vec<u8>), Status> {
    call("proxy_get_status", |memory| Ok(memory.call_status.clone()))
}
