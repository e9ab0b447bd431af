//! [`Target`]: what a connection leads to, and by which pools tell connections apart.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::address::Address;
use crate::alpn::Alpn;
use crate::tls::{TlsClient, TlsTarget};

/// An address and the security of the transport to it.
///
/// Pools keep connections by target, never by address alone: a connection that was secured for one purpose must not serve
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address that is connected to.
    pub address: Address,
    /// How the bytes on the way are secured.
    pub security: TransportSecurity,
}

/// How the bytes on the way to a target are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportSecurity {
    /// Not at all.
    ClearText,
    /// By TLS. There is no way back to clear text.
    Tls(TlsTarget),
}

/// How connections to a group of targets are secured, whatever their addresses.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// Not at all.
    #[default]
    ClearText,
    /// By TLS.
    Tls(Arc<TlsClient>),
}

impl Target {
    /// An address that is spoken to in clear text.
    pub fn clear_text(address: Address) -> Self {
        Self {
            address,
            security: TransportSecurity::ClearText,
        }
    }

    /// An address, secured like the group that it belongs to. Unless the group has a server name, TLS asks for the address's host.
    pub fn new(address: Address, security: &Security) -> Self {
        let security = match security {
            Security::ClearText => TransportSecurity::ClearText,
            Security::Tls(client) => TransportSecurity::Tls(TlsTarget::of_address(client, &address)),
        };
        Self { address, security }
    }

    /// As [`Target::new`], for an address that was found by looking up the name `host`: TLS asks for that name.
    pub fn resolved(address: Address, host: &str, security: &Security) -> Self {
        let security = match security {
            Security::ClearText => TransportSecurity::ClearText,
            Security::Tls(client) => TransportSecurity::Tls(TlsTarget::of_host(client, host)),
        };
        Self { address, security }
    }

    /// The same host and security at another port.
    pub fn at_port(&self, port: u16) -> Self {
        let mut address = self.address.clone();
        match &mut address {
            Address::Socket(socket) => socket.set_port(port),
            Address::Name(_, own) => *own = port,
        }
        let security = match &self.security {
            TransportSecurity::ClearText => TransportSecurity::ClearText,
            TransportSecurity::Tls(tls) => TransportSecurity::Tls(tls.elsewhere()),
        };
        Self { address, security }
    }

    /// The HTTP version that its endpoint chose when it was last offered both; `None` before that, and without TLS.
    pub(crate) fn speaks(&self) -> Option<Alpn> {
        match &self.security {
            TransportSecurity::ClearText => None,
            TransportSecurity::Tls(tls) => tls.speaks(),
        }
    }

    /// Whether its security is of this group.
    pub fn is_secured_by(&self, security: &Security) -> bool {
        match (&self.security, security) {
            (TransportSecurity::ClearText, Security::ClearText) => true,
            (TransportSecurity::Tls(target), Security::Tls(client)) => target.is_of(client),
            _ => false,
        }
    }
}

/// By the address alone: few targets share one, and clear text need not be hashed for every request.
impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

impl PartialEq for Security {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ClearText, Self::ClearText) => true,
            (Self::Tls(one), Self::Tls(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Security {}
