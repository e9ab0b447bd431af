//! Host calls as data: their names, the statuses of refused calls, sets of calls.
//!
//! One table lists them. What a call does is in `hostcalls`. WASI is not in the table: no capability restricts it.

pub(crate) mod trace;

use lockgate_abi::Accepted;

/// Declares the calls: variant, name, and the statuses that the Rust SDK accepts from it.
macro_rules! calls {
    ($($call:ident $name:literal $accepted:ident,)+) => {
        /// A host call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum HostCall { $($call,)+ }

        const TABLE: &[(HostCall, &str, Accepted)] = &[$((HostCall::$call, $name, Accepted::$accepted),)+];
    };
}

calls! {
    Log "proxy_log" OnlyOk,
    GetLogLevel "proxy_get_log_level" OnlyOk,
    GetTime "proxy_get_current_time_nanoseconds" OnlyOk,
    SetTickPeriod "proxy_set_tick_period_milliseconds" OnlyOk,
    GetBufferBytes "proxy_get_buffer_bytes" Absent,
    GetBufferStatus "proxy_get_buffer_status" Absent,
    SetBufferBytes "proxy_set_buffer_bytes" OnlyOk,
    GetHeaderMapSize "proxy_get_header_map_size" Absent,
    GetHeaderMapPairs "proxy_get_header_map_pairs" OnlyOk,
    SetHeaderMapPairs "proxy_set_header_map_pairs" OnlyOk,
    GetHeaderMapValue "proxy_get_header_map_value" Absent,
    AddHeaderMapValue "proxy_add_header_map_value" OnlyOk,
    ReplaceHeaderMapValue "proxy_replace_header_map_value" OnlyOk,
    RemoveHeaderMapValue "proxy_remove_header_map_value" OnlyOk,
    ContinueStream "proxy_continue_stream" OnlyOk,
    CloseStream "proxy_close_stream" OnlyOk,
    ContinueRequest "proxy_continue_request" OnlyOk,
    ContinueResponse "proxy_continue_response" OnlyOk,
    ClearRouteCache "proxy_clear_route_cache" OnlyOk,
    SendLocalResponse "proxy_send_local_response" OnlyOk,
    HttpCall "proxy_http_call" HttpCall,
    GrpcCall "proxy_grpc_call" GrpcOpen,
    GrpcStream "proxy_grpc_stream" GrpcOpen,
    GrpcSend "proxy_grpc_send" GrpcSend,
    GrpcCancel "proxy_grpc_cancel" Known,
    GrpcClose "proxy_grpc_close" Known,
    GetStatus "proxy_get_status" OnlyOk,
    SetSharedData "proxy_set_shared_data" SharedData,
    GetSharedData "proxy_get_shared_data" Absent,
    RegisterSharedQueue "proxy_register_shared_queue" OnlyOk,
    ResolveSharedQueue "proxy_resolve_shared_queue" Absent,
    EnqueueSharedQueue "proxy_enqueue_shared_queue" Known,
    DequeueSharedQueue "proxy_dequeue_shared_queue" Dequeue,
    DefineMetric "proxy_define_metric" OnlyOk,
    RecordMetric "proxy_record_metric" Known,
    IncrementMetric "proxy_increment_metric" Metric,
    GetMetric "proxy_get_metric" Metric,
    GetProperty "proxy_get_property" Property,
    SetProperty "proxy_set_property" OnlyOk,
    CallForeignFunction "proxy_call_foreign_function" Foreign,
    SetEffectiveContext "proxy_set_effective_context" Context,
    Done "proxy_done" OnlyOk,
    GetConfiguration "proxy_get_configuration" Absent,
}

impl HostCall {
    /// The import's name.
    pub(crate) fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Whether a host call has this name.
    pub(crate) fn exists(name: &str) -> bool {
        TABLE.iter().any(|entry| entry.1 == name)
    }

    /// The statuses that the Rust SDK accepts from it.
    pub(crate) fn accepted(self) -> Accepted {
        TABLE[self as usize].2
    }
}

/// A set of host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallSet(u64);

impl CallSet {
    /// All calls.
    pub(crate) const ALL: Self = Self(u64::MAX);
    /// No call.
    pub(crate) const NONE: Self = Self(0);
    /// The calls that a module may make while it initialises itself.
    pub(crate) const INITIALISING: Self = Self::of(&[HostCall::Log, HostCall::GetLogLevel]);
    /// The calls that a guest may make while it allocates memory for the host. None of them can change what the host is about to
    /// copy.
    pub(crate) const ALLOCATING: Self = Self::of(&[HostCall::Log, HostCall::GetLogLevel, HostCall::GetTime]);

    const fn of(calls: &[HostCall]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < calls.len() {
            bits |= 1 << calls[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether the call is in the set.
    pub(crate) const fn has(self, call: HostCall) -> bool {
        self.0 & (1 << call as u8) != 0
    }

    /// The set and one more call.
    pub(crate) const fn with(self, call: HostCall) -> Self {
        Self(self.0 | 1 << call as u8)
    }

    /// The calls of both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Parses an allow-list of a plugin's capabilities. Logging and the clock are always in the set.
    ///
    /// # Errors
    /// A name that is not a host call, with the most similar one.
    pub(crate) fn parse(names: &[String]) -> Result<Self, (String, Option<&'static str>)> {
        let mut set = Self::ALLOCATING;
        for name in names {
            let bare = name.strip_prefix("proxy_").unwrap_or(name);
            match TABLE.iter().find(|entry| entry.1["proxy_".len()..] == *bare) {
                Some(entry) => set.0 |= 1 << entry.0 as u8,
                None => return Err((name.clone(), nearest(bare))),
            }
        }
        Ok(set)
    }
}

/// The call with the most similar name, if at most four letters differ.
fn nearest(bare: &str) -> Option<&'static str> {
    let candidates = TABLE
        .iter()
        .map(|entry| (strsim::levenshtein(bare, &entry.1["proxy_".len()..]), entry.1));
    candidates
        .min()
        .filter(|&(letters, _)| letters <= 4)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers_and_fits_the_set() {
        assert!(TABLE.len() <= 64);
        for (index, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.0 as usize, index);
            assert!(entry.1.starts_with("proxy_"));
        }
    }

    #[test]
    fn an_allow_list_takes_names_with_and_without_the_prefix() {
        let set = CallSet::parse(&["proxy_http_call".to_owned(), "get_property".to_owned()]).unwrap();
        assert!(set.has(HostCall::HttpCall) && set.has(HostCall::GetProperty) && set.has(HostCall::Log));
        assert!(!set.has(HostCall::SetProperty));
    }

    #[test]
    fn a_misspelt_name_is_an_error_with_the_most_similar_name() {
        let error = CallSet::parse(&["get_propery".to_owned()]).unwrap_err();
        assert_eq!(error, ("get_propery".to_owned(), Some("proxy_get_property")));
        assert_eq!(CallSet::parse(&["something else".to_owned()]).unwrap_err().1, None);
    }
}
