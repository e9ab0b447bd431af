//! Options of `import`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) const HELP: &str = "\
gateway.json goes to stdout. What it does not carry goes to stderr: the place, the reason and what to do instead.

Example:
  lockgate import istio routes.yaml rules.yaml > gateway.json && lockgate check";

const ISTIO_HELP: &str = "\
Reads VirtualService, DestinationRule, ServiceEntry and Gateway (networking.istio.io v1, v1beta1, v1alpha3) from YAML
or JSON. docs/import.md says what becomes of each field. The exit code is 0 with losses, unless --strict is given.

Example:
  lockgate import istio routes.yaml rules.yaml > gateway.json
  kubectl get vs,dr,se,gw -n shop -o yaml | lockgate import istio - > gateway.json
  lockgate import istio --endpoint reviews=10.0.0.1:9080,10.0.0.2:9080 reviews.yaml > gateway.json";

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    #[command(subcommand)]
    pub(crate) from: From,
}

/// What is imported.
#[derive(Debug, Subcommand)]
pub(crate) enum From {
    /// Resources of Istio
    #[command(after_help = ISTIO_HELP)]
    Istio(IstioOptions),

    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Options of `import istio`.
#[derive(Debug, Args)]
pub(crate) struct IstioOptions {
    /// The files, read as one; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Endpoints of a host, in place of those that the files or its name give
    #[arg(long = "endpoint", value_name = "HOST=ADDRESS:PORT[,…]")]
    pub(crate) endpoints: Vec<Endpoint>,

    /// Address for routes of the mesh, and of gateways that are not in the files
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,

    /// What a prefix of a path becomes
    #[arg(long, value_enum, default_value = "characters")]
    pub(crate) prefixes: Prefixes,

    /// Exit with 1 if something is not carried over
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What Istio's `prefix` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prefixes {
    /// A regular expression that matches the same: `/a` also matches `/ab`
    Characters,
    /// A `path_prefix`: `/a` matches `/a` and `/a/b`, not `/ab`
    Segments,
}

/// Endpoints of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    /// HOST:PORT, one or more.
    pub(crate) addresses: Vec<String>,
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || "expected HOST=ADDRESS:PORT, more addresses after commas".to_owned();
        let (host, addresses) = text.split_once('=').ok_or_else(invalid)?;
        let addresses: Vec<String> = addresses.split(',').map(|address| address.trim().to_owned()).collect();
        let has_port = |address: &String| {
            let port = address
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
            port.is_some_and(|(host, port)| !host.is_empty() && port > 0)
        };
        if host.is_empty() || !addresses.iter().all(has_port) {
            return Err(invalid());
        }
        let host = host.to_owned();
        Ok(Self { host, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_and_addresses_with_ports() {
        let endpoint: Endpoint = "reviews=127.0.0.1:1, [::1]:2".parse().expect("it is one");
        assert_eq!(
            (endpoint.host.as_str(), endpoint.addresses.join(" ")),
            ("reviews", "127.0.0.1:1 [::1]:2".into())
        );
        for text in [
            "reviews",
            "=127.0.0.1:1",
            "a=",
            "a=1.2.3.4",
            "a=1.2.3.4:0",
            "a=1.2.3.4:1,",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
