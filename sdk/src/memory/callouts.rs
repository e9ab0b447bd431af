//! Callouts as the host in memory keeps them: HTTP and gRPC. Who answers them is a matter of `testing`.

use super::{call, owned_pairs};
use crate::wire::Status;

/// What a callout speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Http,
    Grpc,
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
    /// An answer has been given to the plugin.
    pub(crate) answered: bool,
}

pub(crate) fn http_call(upstream: &str, headers: &[u8], body: &[u8], milliseconds: u32) -> Result<u32, Status> {
    call("proxy_http_call", |memory| {
        let id = memory.called.len() as u32 + 1;
        memory.called.push(Called {
            id,
            kind: CallKind::Http,
            context: memory.effective,
            upstream: upstream.to_owned(),
            headers: owned_pairs(headers)?,
            body: body.to_vec(),
            timeout: milliseconds,
            answered: false,
        });
        Ok(id)
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
        let id = memory.called.len() as u32 + 1;
        let mut headers = vec![
            (":method".to_owned(), "POST".to_owned()),
            (":path".to_owned(), format!("/{}/{}", target.1, target.2)),
        ];
        headers.extend(owned_pairs(metadata)?);
        memory.called.push(Called {
            id,
            kind: CallKind::Grpc,
            context: memory.effective,
            upstream: target.0.to_owned(),
            headers,
            body: message.to_vec(),
            timeout: milliseconds,
            answered: false,
        });
        Ok(id)
    })
}

pub(crate) fn grpc_cancel(id: u32) -> Result<(), Status> {
    call("proxy_grpc_cancel", |memory| {
        let mut open = memory.called.iter_mut().filter(|call| !call.answered);
        let call = open.find(|call| call.id == id).ok_or(Status::NotFound)?;
        call.answered = true;
        Ok(())
    })
}

pub(crate) fn call_status() -> Result<(u32, Vec<u8>), Status> {
    call("proxy_get_status", |memory| Ok(memory.call_status.clone()))
}
