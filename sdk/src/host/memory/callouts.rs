//! The callouts of the host in memory: HTTP and gRPC. `testing` responds to them.

use std::collections::VecDeque;

use super::{Memory, call, owned_pairs};
use crate::abi::Status;

/// The kind of a callout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Http,
    Grpc,
    GrpcStream,
}

/// An action of the plugin on a gRPC stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamAction {
    Opened,
    Sent(Vec<u8>),
    Ended,
    Cancelled,
}

/// A callout that the plugin has sent.
#[derive(Debug, Clone)]
pub(crate) struct SentCallout {
    pub(crate) id: u32,
    pub(crate) kind: CallKind,
    pub(crate) context: u32,
    pub(crate) upstream: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: u32,
    /// Whether the plugin has its response, or the stream has ended.
    pub(crate) is_complete: bool,
    /// The actions on a stream that its upstream has not seen yet.
    pub(crate) actions: VecDeque<StreamAction>,
    /// Whether the response of a stream has started.
    pub(crate) has_response_started: bool,
}

impl SentCallout {
    fn new(memory: &Memory, kind: CallKind, upstream: &str) -> SentCallout {
        SentCallout {
            id: memory.callouts.len() as u32 + 1,
            kind,
            context: memory.effective,
            upstream: upstream.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: 0,
            is_complete: false,
            actions: VecDeque::new(),
            has_response_started: false,
        }
    }
}

pub(crate) fn http_call(upstream: &str, headers: &[u8], body: &[u8], milliseconds: u32) -> Result<u32, Status> {
    call("proxy_http_call", |memory| {
        let callout = SentCallout {
            headers: owned_pairs(headers)?,
            body: body.to_vec(),
            timeout: milliseconds,
            ..SentCallout::new(memory, CallKind::Http, upstream)
        };
        Ok(memory.add_callout(callout))
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
        let callout = SentCallout {
            headers: grpc_head(target, metadata)?,
            body: message.to_vec(),
            timeout: milliseconds,
            ..SentCallout::new(memory, CallKind::Grpc, target.0)
        };
        Ok(memory.add_callout(callout))
    })
}

/// `target` is the upstream, the service and the method.
pub(crate) fn grpc_stream(target: (&str, &str, &str), metadata: &[u8]) -> Result<u32, Status> {
    call("proxy_grpc_stream", |memory| {
        let callout = SentCallout {
            headers: grpc_head(target, metadata)?,
            actions: VecDeque::from([StreamAction::Opened]),
            ..SentCallout::new(memory, CallKind::GrpcStream, target.0)
        };
        Ok(memory.add_callout(callout))
    })
}

pub(crate) fn grpc_send(id: u32, message: &[u8], end: bool) -> Result<(), Status> {
    call("proxy_grpc_send", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.actions.push_back(StreamAction::Sent(message.to_vec()));
        open.actions.extend(end.then_some(StreamAction::Ended));
        Ok(())
    })
}

pub(crate) fn grpc_close(id: u32) -> Result<(), Status> {
    call("proxy_grpc_close", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.actions.push_back(StreamAction::Ended);
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
    fn add_callout(&mut self, callout: SentCallout) -> u32 {
        let id = callout.id;
        self.callouts.push(callout);
        id
    }

    /// The callout with this id, if it is not complete.
    pub(crate) fn open(&mut self, id: u32) -> Option<&mut SentCallout> {
        self.callouts.iter_mut().find(|call| call.id == id && !call.is_complete)
    }
}

pub(crate) fn grpc_cancel(id: u32) -> Result<(), Status> {
    call("proxy_grpc_cancel", |memory| {
        let open = memory.open(id).ok_or(Status::NotFound)?;
        open.is_complete = true;
        if open.kind == CallKind::GrpcStream {
            open.actions.push_back(StreamAction::Cancelled);
        }
        Ok(())
    })
}

pub(crate) fn call_status() -> Result<(u32, Vec<u8>), Status> {
    call("proxy_get_status", |memory| Ok(memory.call_status.clone()))
}
