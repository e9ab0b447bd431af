//! Probes of real sockets: what passes, and why the others fail.

mod probes {
    mod grpc;
    mod http;
    mod peer;
}
