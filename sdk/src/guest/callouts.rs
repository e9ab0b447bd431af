//! What the host says of callouts, for the hooks that wait for it.

use super::{GrpcEvent, Guest, Hooks};
use crate::callout;
use crate::callout::grpc;

impl<P: Hooks> Guest<P> {
    /// `proxy_on_http_call_response`: the answer goes to who waits for it.
    pub fn on_http_call_response(&self, context: u32, call: u32, headers: usize, body: usize, trailers: usize) {
        self.enter(context);
        callout::on_response(call, headers, body, trailers);
        self.run_ready();
    }

    /// `proxy_on_grpc_*`: what has happened goes to who waits for it.
    pub fn on_grpc(&self, context: u32, call: u32, event: GrpcEvent) {
        self.enter(context);
        grpc::dispatch(call, event);
        self.run_ready();
    }
}
