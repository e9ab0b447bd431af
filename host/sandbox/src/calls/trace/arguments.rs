//! The arguments of each host call, in one table: what a trace needs to decode them.

use crate::calls::HostCall;

/// One argument: a number, a pointer with a length, or a place for a result.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    /// A header map.
    Map,
    /// A buffer.
    Buffer,
    /// A stream type.
    Stream,
    /// A log level.
    Level,
    /// A metric type.
    Metric,
    /// An unsigned number.
    Number(&'static str),
    /// A signed number.
    Signed(&'static str),
    /// 64 bits, as two halves.
    Long(&'static str),
    /// Text that is never a secret.
    Text(&'static str),
    /// A name that says whether the value is a secret.
    Name(&'static str),
    /// A property path that says whether the value is a secret.
    Path,
    /// The value of the name or path before it.
    Value(&'static str),
    /// Bytes of unknown meaning.
    Payload(&'static str),
    /// A serialised header map.
    Pairs(&'static str),
    /// A pointer to 4 bytes for a result.
    NumberOut(&'static str),
    /// A pointer to 8 bytes for a result.
    LongOut(&'static str),
    /// Pointers for the address and length of text that is never a secret.
    TextOut(&'static str),
    /// Pointers for the address and length of the value of the name or path before it.
    ValueOut(&'static str),
    /// Pointers for the address and length of bytes of unknown meaning.
    PayloadOut(&'static str),
    /// Pointers for the address and length of a serialised header map.
    PairsOut,
}

use Argument::{
    Buffer, Level, Long, LongOut, Map, Metric, Name, Number, NumberOut, Pairs, PairsOut, Path, Payload, PayloadOut,
    Signed, Stream, Text, TextOut, Value, ValueOut,
};

impl Argument {
    /// How many `i32` arguments it takes.
    pub(super) const fn width(self) -> usize {
        match self {
            Map | Buffer | Stream | Level | Metric | Number(_) | Signed(_) | NumberOut(_) | LongOut(_) => 1,
            _ => 2,
        }
    }
}

const LOCAL_RESPONSE: &[Argument] = &[
    Number("status"),
    Text("details"),
    Payload("body"),
    Pairs("headers"),
    Signed("grpc_status"),
];

const HTTP_CALL: &[Argument] = &[
    Text("upstream"),
    Pairs("headers"),
    Payload("body"),
    Pairs("trailers"),
    Number("timeout_ms"),
    NumberOut("call"),
];

const GRPC_CALL: &[Argument] = &[
    Text("upstream"),
    Text("service"),
    Text("method"),
    Pairs("metadata"),
    Payload("message"),
    Number("timeout_ms"),
    NumberOut("call"),
];

const GRPC_STREAM: &[Argument] = &[
    Text("upstream"),
    Text("service"),
    Text("method"),
    Pairs("metadata"),
    NumberOut("stream"),
];

/// The call's arguments, in order.
pub(super) const fn of(call: HostCall) -> &'static [Argument] {
    match call {
        HostCall::Log => &[Level, Text("message")],
        HostCall::GetLogLevel => &[NumberOut("level")],
        HostCall::GetTime => &[LongOut("nanoseconds")],
        HostCall::SetTickPeriod => &[Number("milliseconds")],
        HostCall::GetBufferBytes => &[Buffer, Number("start"), Number("max"), PayloadOut("bytes")],
        HostCall::GetBufferStatus => &[Buffer, NumberOut("length"), NumberOut("flags")],
        HostCall::SetBufferBytes => &[Buffer, Number("start"), Number("size"), Payload("bytes")],
        HostCall::GetHeaderMapSize => &[Map, NumberOut("bytes")],
        HostCall::GetHeaderMapPairs => &[Map, PairsOut],
        HostCall::SetHeaderMapPairs => &[Map, Pairs("pairs")],
        HostCall::GetHeaderMapValue => &[Map, Name("name"), ValueOut("value")],
        HostCall::AddHeaderMapValue | HostCall::ReplaceHeaderMapValue => &[Map, Name("name"), Value("value")],
        HostCall::RemoveHeaderMapValue => &[Map, Name("name")],
        HostCall::ContinueStream | HostCall::CloseStream => &[Stream],
        HostCall::ContinueRequest | HostCall::ContinueResponse | HostCall::ClearRouteCache | HostCall::Done => &[],
        HostCall::SendLocalResponse => LOCAL_RESPONSE,
        HostCall::HttpCall => HTTP_CALL,
        HostCall::GrpcCall => GRPC_CALL,
        HostCall::GrpcStream => GRPC_STREAM,
        HostCall::GrpcSend => &[Number("stream"), Payload("message"), Number("end")],
        HostCall::GrpcCancel | HostCall::GrpcClose => &[Number("id")],
        HostCall::GetStatus => &[NumberOut("code"), TextOut("message")],
        HostCall::SetSharedData => &[Text("key"), Payload("value"), Number("cas")],
        HostCall::GetSharedData => &[Text("key"), PayloadOut("value"), NumberOut("cas")],
        HostCall::RegisterSharedQueue => &[Text("name"), NumberOut("queue")],
        HostCall::ResolveSharedQueue => &[Text("vm_id"), Text("name"), NumberOut("queue")],
        HostCall::EnqueueSharedQueue => &[Number("queue"), Payload("value")],
        HostCall::DequeueSharedQueue => &[Number("queue"), PayloadOut("value")],
        HostCall::DefineMetric => &[Metric, Text("name"), NumberOut("metric")],
        HostCall::RecordMetric => &[Number("metric"), Long("value")],
        HostCall::IncrementMetric => &[Number("metric"), Long("offset")],
        HostCall::GetMetric => &[Number("metric"), LongOut("value")],
        HostCall::GetProperty => &[Path, ValueOut("value")],
        HostCall::SetProperty => &[Path, Value("value")],
        HostCall::CallForeignFunction => &[Text("function"), Payload("argument"), PayloadOut("result")],
        HostCall::SetEffectiveContext => &[Number("context")],
        HostCall::GetConfiguration => &[PayloadOut("configuration")],
    }
}
