//! The callbacks for callouts and foreign functions, dispatched to the hooks that wait for them.

use super::{GrpcEvent, Guest, Hooks};
use crate::callout;
use crate::callout::grpc;
use crate::services::kv;

impl<P: Hooks> Guest<P> {
    /// `proxy_on_http_call_response`.
    pub fn on_http_call_response(&self, context: u32, call: u32, headers: usize, body: usize, trailers: usize) {
        self.enter(context);
        callout::on_response(call, headers, body, trailers);
        self.run_ready();
    }

    /// `proxy_on_foreign_function`: a watch of `lockgate.kv` has completed.
    pub fn on_foreign_function(&self, context: u32, function: u32) {
        self.enter(context);
        kv::on_change(function);
        self.run_ready();
    }

    /// `proxy_on_grpc_*`.
    pub fn on_grpc(&self, context: u32, call: u32, event: GrpcEvent) {
        self.enter(context);
        grpc::dispatch(call, event);
        self.run_ready();
    }
}
