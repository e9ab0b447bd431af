//! DNS messages: the query for records of one type, and what an answer to it says.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::wire::ParseError;
use domain::base::{Message, MessageBuilder, Name, ParsedName};
use domain::rdata::{A, Aaaa, Cname, Srv};

use crate::error::LookupError;

/// The size of UDP answers that is asked for (EDNS; the value that avoids fragments).
const UDP_SIZE: u16 = 1232;
/// Maximum number of records that are used of an answer.
const MAX_RECORDS: usize = 1024;

/// The type of the records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IPv4 addresses (A).
    V4,
    /// IPv6 addresses (AAAA).
    V6,
    /// Services (SRV).
    Services,
}

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Servers of the lowest number come first; others only if these are gone.
    pub priority: u16,
    /// The share of the requests, relative to others of this priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its host name, which ends with a dot.
    pub target: String,
}

/// Records of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records<T> {
    pub(crate) list: Vec<T>,
    /// The lowest TTL of the records.
    pub(crate) ttl: Duration,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Records of the type that was asked for: addresses.
    Addresses(Records<IpAddr>),
    /// Records of the type that was asked for: services.
    Services(Records<Service>),
    /// There is no such name.
    NoSuchName,
    /// The name has no such record.
    NoRecord,
    /// There is more than fits; to be asked again over TCP.
    Truncated,
    /// The server failed, or refuses: the name of the response code.
    Failed(Rcode),
}

/// A query and its wire format.
pub(crate) struct Query {
    message: Message<Vec<u8>>,
    kind: Kind,
}

impl Query {
    /// The query for records of `name`, which is absolute, with EDNS or without.
    pub(crate) fn new(name: &str, kind: Kind, edns: bool) -> Result<Self, LookupError> {
        let name = Name::<Vec<u8>>::vec_from_str(name).map_err(|_| LookupError::Name)?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(random_id());
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        let pushed = builder.push((&name, kind.record_type(), Class::IN));
        pushed.map_err(|_| LookupError::Name)?;
        let mut builder = builder.additional();
        if edns {
            let added = builder.opt(|opt| {
                opt.set_udp_payload_size(UDP_SIZE);
                Ok(())
            });
            added.map_err(|_| LookupError::Name)?;
        }
        let message = Message::from_octets(builder.finish()).map_err(|_| LookupError::Name)?;
        Ok(Self { message, kind })
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.message.as_slice()
    }

    /// Reads the answer to it; none if the bytes answer another query.
    ///
    /// # Errors
    /// It is an answer to this query, and malformed.
    pub(crate) fn read(&self, bytes: Vec<u8>) -> Result<Option<Answer>, ParseError> {
        let Ok(message) = Message::from_octets(bytes) else {
            return Ok(None);
        };
        // Servers that do not understand a query may leave its question out of the answer.
        let is_bare = message.header_counts().qdcount() == 0 && message.header().rcode() != Rcode::NOERROR;
        let is_same = message.header().qr() && message.header().id() == self.message.header().id();
        if !(message.is_answer(&self.message) || is_bare && is_same) {
            return Ok(None);
        }
        match message.header().rcode() {
            Rcode::NOERROR if message.header().tc() => Ok(Some(Answer::Truncated)),
            Rcode::NOERROR => self.records(&message).map(Some),
            Rcode::NXDOMAIN => Ok(Some(Answer::NoSuchName)),
            code => Ok(Some(Answer::Failed(code))),
        }
    }

    fn records(&self, message: &Message<Vec<u8>>) -> Result<Answer, ParseError> {
        let owner = message
            .canonical_name()
            .ok_or(ParseError::form_error("a circle of aliases"))?;
        let alias_ttl = alias_ttl(message)?;
        Ok(match self.kind {
            Kind::V4 => collect(message, &owner, alias_ttl, |data: A| IpAddr::V4(data.addr()))?
                .map_or(Answer::NoRecord, Answer::Addresses),
            Kind::V6 => collect(message, &owner, alias_ttl, |data: Aaaa| IpAddr::V6(data.addr()))?
                .map_or(Answer::NoRecord, Answer::Addresses),
            Kind::Services => collect(message, &owner, alias_ttl, |data: Srv<ParsedName<_>>| Service {
                priority: data.priority(),
                weight: data.weight(),
                port: data.port(),
                target: absolute(&data.target().to_string()),
            })?
            .map_or(Answer::NoRecord, Answer::Services),
        })
    }
}

impl Kind {
    fn record_type(self) -> Rtype {
        match self {
            Self::V4 => Rtype::A,
            Self::V6 => Rtype::AAAA,
            Self::Services => Rtype::SRV,
        }
    }
}

/// The records of `owner` with data of the type `D`, at most [`MAX_RECORDS`]; none if there are none.
fn collect<'a, D, T>(
    message: &'a Message<Vec<u8>>,
    owner: &ParsedName<&'a [u8]>,
    alias_ttl: Duration,
    read: impl Fn(D) -> T,
) -> Result<Option<Records<T>>, ParseError>
where
    D: domain::base::rdata::ParseRecordData<'a, Vec<u8>>,
{
    let mut records = Records {
        list: Vec::new(),
        ttl: alias_ttl,
    };
    for record in message.answer()?.limit_to_in::<D>() {
        let record = record?;
        if record.owner() == owner && records.list.len() < MAX_RECORDS {
            records.ttl = records.ttl.min(record.ttl().into_duration());
            records.list.push(read(record.into_data()));
        }
    }
    Ok((!records.list.is_empty()).then_some(records))
}

/// The lowest TTL of the aliases that lead to the records.
fn alias_ttl(message: &Message<Vec<u8>>) -> Result<Duration, ParseError> {
    let mut lowest = Duration::from_secs(u64::from(u32::MAX));
    for record in message.answer()?.limit_to_in::<Cname<ParsedName<_>>>() {
        lowest = lowest.min(record?.ttl().into_duration());
    }
    Ok(lowest)
}

/// With a dot at the end.
pub(crate) fn absolute(name: &str) -> String {
    match name.ends_with('.') {
        true => name.to_owned(),
        false => format!("{name}."),
    }
}

/// An id that cannot be guessed. With the random port of the socket, it keeps strangers from answering.
fn random_id() -> u16 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    KEY.get_or_init(RandomState::new).hash_one(count) as u16
}
