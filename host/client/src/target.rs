//! [`Target`]: what a connection leads to, and by which pools tell connections apart.

use crate::address::Address;

/// An address and the security of the transport to it.
///
/// Pools keep connections by target, never by address alone: a connection that was secured for one purpose must not serve
/// another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The address that is connected to.
    pub address: Address,
    /// How the bytes on the way are secured.
    pub security: TransportSecurity,
}

/// How the bytes on the way to a target are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportSecurity {
    /// Not at all.
    ClearText,
}

impl Target {
    /// An address that is spoken to in clear text.
    pub fn clear_text(address: Address) -> Self {
        Self {
            address,
            security: TransportSecurity::ClearText,
        }
    }
}
