//! What the host says of callouts, for the hooks that wait for it.

use super::{Guest, Hooks};
use crate::{callout, grpc};

impl<P: Hooks> Guest<P> {
    /// `proxy_on_http_call_response`: the answer goes to who waits for it.
    pub fn call_answered(&self, context: u32, call: u32, headers: usize, body: usize, trailers: usize) {
        self.serve(context);
        callout::answered(call, headers, body, trailers);
        self.drain();
    }

    /// `proxy_on_grpc_receive`: the message goes to who waits for it.
    pub fn grpc_received(&self, context: u32, call: u32, size: usize) {
        self.serve(context);
        grpc::received(call, size);
        self.drain();
    }

    /// `proxy_on_grpc_close`: a call has failed.
    pub fn grpc_closed(&self, context: u32, call: u32, status: u32) {
        self.serve(context);
        grpc::closed(call, status);
        self.drain();
    }
}
