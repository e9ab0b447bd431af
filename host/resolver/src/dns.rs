//! Queries to DNS servers: over UDP, and over TCP if the answer is truncated. A server that does not answer is followed by the next one, and
//! asked last for a while.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use domain::base::iana::Rcode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::error::LookupError;
use crate::message::{Answer, Kind, Query};
use crate::settings::ResolverSettings;
use crate::system::{Followed, Hosts, RESOLV_CONF, ResolvConf};

/// Time for which a server that did not answer is asked last.
const PENALTY: Duration = Duration::from_secs(30);
/// Maximum size of an answer over UDP, in bytes.
const MAX_DATAGRAM: usize = 4096;

/// The servers, and what is asked without them.
pub(crate) struct Dns {
    settings: ArcSwap<ResolverSettings>,
    resolv_conf: Followed<ResolvConf>,
    hosts: Followed<Hosts>,
    /// Servers that did not answer, and until when they are asked last.
    mute: Mutex<HashMap<SocketAddr, Instant>>,
}

/// How names are completed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SearchList {
    pub(crate) domains: Vec<String>,
    pub(crate) ndots: u8,
}

impl Dns {
    pub(crate) fn new(settings: &ResolverSettings) -> Self {
        Self {
            resolv_conf: Followed::new(RESOLV_CONF.as_ref(), ResolvConf::parse),
            hosts: Followed::new(&settings.hosts, Hosts::parse),
            settings: ArcSwap::from_pointee(settings.clone()),
            mute: Mutex::default(),
        }
    }

    pub(crate) fn set(&self, settings: &ResolverSettings) {
        self.hosts.set_path(&settings.hosts);
        self.settings.store(Arc::new(settings.clone()));
    }

    pub(crate) fn settings(&self) -> Arc<ResolverSettings> {
        self.settings.load_full()
    }

    pub(crate) fn hosts(&self) -> Arc<Hosts> {
        self.hosts.content()
    }

    pub(crate) fn search_list(&self) -> SearchList {
        let settings = self.settings.load();
        let system = match settings.servers.is_empty() {
            true => self.resolv_conf.content(),
            false => Arc::default(),
        };
        SearchList {
            domains: settings.search.clone().unwrap_or_else(|| system.search.clone()),
            ndots: settings.ndots.or(system.ndots).unwrap_or(1),
        }
    }

    /// The answer for an absolute name: records, or that there are none.
    ///
    /// # Errors
    /// No server has answered so; the failure is the last one's.
    pub(crate) async fn query(&self, name: &str, kind: Kind) -> Result<Answer, LookupError> {
        let settings = self.settings();
        let mut failure = LookupError::NoServer;
        for _ in 0..settings.attempts.max(1) {
            for server in self.servers(&settings) {
                match ask(server, name, kind, settings.timeout.duration()).await {
                    Ok(Answer::Failed(code)) => {
                        failure = LookupError::Code {
                            server,
                            code: code.to_string(),
                        };
                    }
                    Ok(answer) => return Ok(answer),
                    Err(LookupError::Name) => return Err(LookupError::Name),
                    Err(error) => {
                        let mut mute = self.mute.lock().unwrap_or_else(PoisonError::into_inner);
                        mute.insert(server, Instant::now() + PENALTY);
                        failure = error;
                    }
                }
            }
        }
        Err(failure)
    }

    /// The servers in the order in which they are asked.
    fn servers(&self, settings: &ResolverSettings) -> Vec<SocketAddr> {
        let mut servers: Vec<SocketAddr> = settings.servers.iter().map(|server| server.0).collect();
        if servers.is_empty() {
            servers.clone_from(&self.resolv_conf.content().servers);
        }
        let mut mute = self.mute.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        mute.retain(|_, until| *until > now);
        servers.sort_by_key(|server| mute.contains_key(server));
        servers
    }
}

/// Asks one server, by all the ways that it needs.
async fn ask(server: SocketAddr, name: &str, kind: Kind, limit: Duration) -> Result<Answer, LookupError> {
    let asking = async {
        let answer = ask_once(server, &Query::new(name, kind, true)?).await?;
        // Old servers do not know EDNS (RFC 6891, section 7).
        if matches!(answer, Answer::Failed(Rcode::FORMERR | Rcode::NOTIMP)) {
            return ask_once(server, &Query::new(name, kind, false)?).await;
        }
        Ok(answer)
    };
    let outcome = tokio::time::timeout(limit, asking).await;
    outcome.unwrap_or(Err(LookupError::Timeout(server)))
}

async fn ask_once(server: SocketAddr, query: &Query) -> Result<Answer, LookupError> {
    let failed = |source| LookupError::Io { server, source };
    match ask_by_datagram(server, query).await.map_err(failed)? {
        Some(Answer::Truncated) => {
            let answer = ask_by_stream(server, query).await.map_err(failed)?;
            answer
                .filter(|answer| *answer != Answer::Truncated)
                .ok_or(LookupError::Malformed(server))
        }
        Some(answer) => Ok(answer),
        None => Err(LookupError::Malformed(server)),
    }
}

/// The answer; none if it is malformed. Datagrams that answer something else are passed over.
async fn ask_by_datagram(server: SocketAddr, query: &Query) -> io::Result<Option<Answer>> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    // A socket of its own, for a port that cannot be guessed.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query.bytes()).await?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match query.read(buffer[..length].to_vec()) {
            Ok(Some(answer)) => return Ok(Some(answer)),
            Ok(None) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// The answer; none if it is malformed (RFC 7766: two bytes of length before each message).
async fn ask_by_stream(server: SocketAddr, query: &Query) -> io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut request = (query.bytes().len() as u16).to_be_bytes().to_vec();
    request.extend_from_slice(query.bytes());
    stream.write_all(&request).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(query.read(answer).ok().flatten())
}
