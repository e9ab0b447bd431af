//! What the host says of callouts, for the hooks that wait for it.

use super::{GrpcEvent, Guest, Hooks};
use crate::callout;
use crate::callout::grpc;

impl<P: Hooks> Guest<P> {
    /// `proxy_on_http_call_response`: the answer goes to who waits for it.
    pub fn call_answered(&self, context: u32, call: u32, headers: usize, body: usize, trailers: usize) {
        self.serve(context);
        callout::answered(call, headers, body, trailers);
        self.drain();
    }

    /// `proxy_on_grpc_*`: what has happened goes to who waits for it.
    pub fn grpc(&self, context: u32, call: u32, event: GrpcEvent) {
        self.serve(context);
        grpc::happened(call, event);
        self.drain();
    }
}
