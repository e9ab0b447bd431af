//! [`OpenGrpc`]: what a guest has opened and sent by gRPC.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use lockgate_abi::Status;

use crate::host::{GrpcCall, GrpcReply, GrpcStream};

/// A gRPC call or stream that a guest has opened.
pub struct OpenGrpc {
    /// What was opened.
    pub call: GrpcCall,
    /// Where its events go.
    pub reply: GrpcReply,
    /// The messages that the guest has sent; then `closed` and `cancelled` when that happens.
    pub sent: Rc<RefCell<Vec<String>>>,
}

impl OpenGrpc {
    /// A call or stream, and the guest's end of it.
    pub(super) fn new(call: GrpcCall, reply: GrpcReply) -> (Self, RecordingStream) {
        let sent = Rc::<RefCell<Vec<String>>>::default();
        let stream = RecordingStream(sent.clone());
        (Self { call, reply, sent }, stream)
    }
}

/// The guest's end of a gRPC call or stream.
pub(super) struct RecordingStream(Rc<RefCell<Vec<String>>>);

impl GrpcStream for RecordingStream {
    fn send(&self, message: Bytes, _: bool) -> Result<(), Status> {
        self.0.borrow_mut().push(String::from_utf8_lossy(&message).into_owned());
        Ok(())
    }

    fn close(&self) {
        self.0.borrow_mut().push("closed".to_owned());
    }
}

impl Drop for RecordingStream {
    fn drop(&mut self) {
        self.0.borrow_mut().push("cancelled".to_owned());
    }
}
