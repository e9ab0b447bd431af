//! [`OwnAddresses`]: where the gateway itself listens. Nothing there may register: requests would go in a circle, or into the admin API.

use std::net::{IpAddr, SocketAddr};

use lockgate_client::Address;
use lockgate_config::model::Model;

/// Where the gateway itself listens.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnAddresses(Vec<SocketAddr>);

impl OwnAddresses {
    /// Those of a configuration.
    pub(super) fn of(model: &Model) -> Self {
        let admin = model.admin.iter().map(|admin| admin.listen);
        Self(
            admin
                .chain(model.listeners.iter().map(|listener| listener.listen))
                .collect(),
        )
    }

    /// Whether an address is one of them. Names are not resolved; `localhost` is known.
    pub(super) fn contains(&self, address: &Address) -> bool {
        match address {
            Address::Socket(socket) => self.0.iter().any(|own| {
                let (own_ip, ip) = (own.ip().to_canonical(), socket.ip().to_canonical());
                own.port() == socket.port() && (own_ip == ip || reaches(own_ip, ip))
            }),
            Address::Name(name, port) => {
                let is_local = matches!(name.trim_end_matches('.'), "localhost" | "ip6-localhost");
                let here = self.0.iter().filter(|own| own.port() == *port);
                is_local
                    && here
                        .map(|own| own.ip().to_canonical())
                        .any(|ip| ip.is_loopback() || ip.is_unspecified())
            }
        }
    }
}

/// Whether a socket on `own`, if that is every address of this machine, is reached through `ip`. That loopback is this machine is all
/// that is known of it.
fn reaches(own: IpAddr, ip: IpAddr) -> bool {
    own.is_unspecified() && (ip.is_loopback() || ip.is_unspecified()) || own.is_loopback() && ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_addresses_are_known_in_every_spelling() {
        let own = OwnAddresses(vec!["127.0.0.1:9900".parse().unwrap(), "0.0.0.0:8080".parse().unwrap()]);
        let contains = |address: &str| own.contains(&address.parse().unwrap());
        for address in [
            "127.0.0.1:9900",
            "[::ffff:127.0.0.1]:9900",
            "0.0.0.0:9900",
            "localhost:9900",
            "LOCALHOST.:9900",
            "127.0.0.2:8080",
            "[::1]:8080",
            "localhost:8080",
        ] {
            assert!(contains(address), "{address}");
        }
        for address in [
            "127.0.0.1:9901",
            "10.0.0.1:8080",
            "orders.internal:9900",
            "127.0.0.2:9900",
        ] {
            assert!(!contains(address), "{address}");
        }
    }
}
