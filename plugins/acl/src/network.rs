//! [`Network`]: a range of IP addresses in CIDR notation. No host call is made here.

use std::net::IpAddr;

use lockgate_sdk::ConfigError;
use lockgate_sdk::config::{Config, Kind, Schema, Value};

/// A range of addresses. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    V4 { prefix: u32, mask: u32 },
    V6 { prefix: u128, mask: u128 },
}

impl Network {
    /// Parses `10.0.0.0/8`, `2001:db8::/32`, or a single address. Bits after the prefix are an error, as they indicate
    /// a mistake.
    pub(crate) fn parse(text: &str) -> Result<Network, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("\"{text}\" is not an address or a CIDR range"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .map_err(|_| format!("\"{text}\" has no prefix length after the slash"))?,
            Some(_) => return Err(format!("\"{text}\" has no prefix length after the slash")),
        };
        if length > bits {
            return Err(format!(
                "\"{text}\" has a prefix longer than an address, which has {bits} bits"
            ));
        }
        let (network, is_exact) = Network::of(address, length);
        if is_exact {
            Ok(network)
        } else {
            Err(format!("\"{text}\" has bits set after its prefix"))
        }
    }

    /// The network with this prefix length that contains an address, and whether the address is its first.
    fn of(address: IpAddr, length: u32) -> (Network, bool) {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let bits = address.to_bits();
                (
                    Network::V4 {
                        prefix: bits & mask,
                        mask,
                    },
                    bits & !mask == 0,
                )
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let bits = address.to_bits();
                let network = match address.to_ipv4_mapped() {
                    // ::ffff:a.b.c.d/96 and longer prefixes are ranges of IPv4.
                    Some(_) if length >= 96 => Network::V4 {
                        prefix: (bits & mask) as u32,
                        mask: mask as u32,
                    },
                    _ => Network::V6 {
                        prefix: bits & mask,
                        mask,
                    },
                };
                (network, bits & !mask == 0)
            }
        }
    }

    /// Whether an address is in the range.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (*self, address.to_canonical()) {
            (Network::V4 { prefix, mask }, IpAddr::V4(address)) => address.to_bits() & mask == prefix,
            (Network::V6 { prefix, mask }, IpAddr::V6(address)) => address.to_bits() & mask == prefix,
            _ => false,
        }
    }
}

impl Config for Network {
    const SCHEMA: Schema = Schema::new(Kind::Type("string"))
        .titled("a range of addresses, like \"10.0.0.0/8\"")
        .with(r#""examples":["10.0.0.0/8","2001:db8::/32","192.0.2.1"]"#);

    fn read(value: &Value<'_>) -> Result<Network, ConfigError> {
        let text = value
            .text()
            .ok_or_else(|| value.mismatch("a range of addresses, like \"10.0.0.0/8\""))?;
        Network::parse(text).map_err(ConfigError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network)
            .expect("a network")
            .contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_range_contains_its_first_and_last_address_and_none_beside() {
        assert!(contains("10.0.0.0/8", "10.0.0.0") && contains("10.0.0.0/8", "10.255.255.255"));
        assert!(!contains("10.0.0.0/8", "9.255.255.255") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.0.2.128/25", "192.0.2.128") && !contains("192.0.2.128/25", "192.0.2.127"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
    }

    #[test]
    fn an_address_alone_is_a_range_of_one_and_length_zero_is_everything_of_its_family() {
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("::1", "::1") && !contains("::1", "::2"));
        assert!(contains("0.0.0.0/0", "255.255.255.255") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn an_ipv4_mapped_address_is_ipv4() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(contains("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(
            !contains("::/0", "::ffff:10.1.2.3"),
            "the ranges of one family are not those of the other"
        );
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0/8",
            "10.0.0.0/+8",
            "::/129",
            "2001:db8::1/32",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
