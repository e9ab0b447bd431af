//! HTTP to one target: the connections to it, in HTTP/1.1 or HTTP/2, and the pools that keep them for further requests.
//!
//! [`ConnectionPools`] belong to one worker: they live on that worker's thread, take no lock, and survive reloads. A call makes one
//! attempt at one [`Target`] and reports how far the request had got ([`Progress`]). Which target, and whether there is another
//! attempt, is decided by `lockgate_upstream`.

mod address;
mod alpn;
mod auto;
mod body;
mod connect;
mod error;
mod h1;
mod h2;
mod head_limits;
mod interim;
mod lease;
mod outgoing;
mod pool_settings;
mod pools;
mod received;
mod resolve;
mod settings;
mod socket;
mod target;
mod tls;
mod upgrade;

pub use address::{Address, AddressError};
pub use alpn::Alpn;
pub use auto::AutoRequest;
pub use body::{BodyObserver, PooledBody};
pub use connect::{Connect, Connected, Connecting};
pub use error::{AttemptError, BodyFailure, ConnectError, ConnectionError, ExchangeError, Progress};
pub use h1::{H1Request, H1Response};
pub use h2::H2Request;
pub use head_limits::ResponseHeadLimits;
pub use interim::{Interim, InterimReceiver};
pub use lease::{Lease, Leased};
pub use outgoing::OutgoingHead;
pub use pool_settings::{KeepAlive, PoolSettings};
pub use pools::ConnectionPools;
pub use received::Received;
pub use resolve::{HostRecord, Resolve, Resolving};
pub use settings::{Protocol, TlsForm, TlsSettings, optional_tls};
pub use socket::{Duplex, Socket, Stream};
pub use target::{Security, Target, TransportSecurity};
pub use tls::{TlsClient, TlsFailure, TlsFailureKind, TlsMaterial, TlsStream, TlsTarget};
pub use upgrade::{Tunnel, UpgradeOffer};
