//! What the arguments of each host call are, one table. Not what the call does.

use crate::calls::HostCall;

/// One argument, as the call takes it: a number, a pointer and a length, or a place for a result.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// A header map.
    Map,
    /// A buffer.
    Buffer,
    /// A stream's half.
    Stream,
    /// A log level.
    Level,
    /// What a metric counts.
    Metric,
    /// A number without a sign.
    Number(&'static str),
    /// A number with a sign.
    Signed(&'static str),
    /// 64 bits, handed in as two halves.
    Long(&'static str),
    /// Text that is no secret.
    Text(&'static str),
    /// Text that says whether what follows is a secret.
    Name(&'static str),
    /// A property's path, which says so too.
    Path,
    /// Bytes that the name before says something about.
    Value(&'static str),
    /// Bytes that nothing is known about.
    Payload(&'static str),
    /// A header map in bytes.
    Pairs(&'static str),
    /// A place for 4 bytes.
    NumberOut(&'static str),
    /// A place for 8 bytes.
    LongOut(&'static str),
    /// Places for a pointer and a length of text that is no secret.
    TextOut(&'static str),
    /// The same for bytes that the name before says something about.
    ValueOut(&'static str),
    /// The same for bytes that nothing is known about.
    PayloadOut(&'static str),
    /// The same for a header map.
    PairsOut,
}

use Part::{
    Buffer, Level, Long, LongOut, Map, Metric, Name, Number, NumberOut, Pairs, PairsOut, Path, Payload, PayloadOut,
    Signed, Stream, Text, TextOut, Value, ValueOut,
};

impl Part {
    /// How many of the call's numbers it takes.
    pub(super) const fn width(self) -> usize {
        match self {
            Map | Buffer | Stream | Level | Metric | Number(_) | Signed(_) | NumberOut(_) | LongOut(_) => 1,
            _ => 2,
        }
    }
}

const LOCAL_RESPONSE: &[Part] = &[
    Number("status"),
    Text("details"),
    Payload("body"),
    Pairs("headers"),
    Signed("grpc_status"),
];

const HTTP_CALL: &[Part] = &[
    Text("upstream"),
    Pairs("headers"),
    Payload("body"),
    Pairs("trailers"),
    Number("timeout_ms"),
    NumberOut("call"),
];

const GRPC_CALL: &[Part] = &[
    Text("upstream"),
    Text("service"),
    Text("method"),
    Pairs("metadata"),
    Payload("message"),
    Number("timeout_ms"),
    NumberOut("call"),
];

const GRPC_STREAM: &[Part] = &[
    Text("upstream"),
    Text("service"),
    Text("method"),
    Pairs("metadata"),
    NumberOut("stream"),
];

/// The call's arguments, in order.
pub(super) const fn of(call: HostCall) -> &'static [Part] {
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
