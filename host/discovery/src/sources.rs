//! The sources, one file for each type. Each runs until it is dropped.

mod consul;
mod dns;
mod file;
mod kubernetes;
mod nacos;
mod srv;

use std::fs;
use std::io::Read;
use std::path::Path;

use lockgate_client::Address;
use lockgate_resolver::Resolver;
use lockgate_upstream::DiscoverySettings;

use crate::error::SourceError;
use crate::http_api::HttpClient;
use crate::publisher::Publisher;

/// Runs a source.
pub(crate) async fn run(settings: DiscoverySettings, publisher: Publisher, resolver: Resolver, client: HttpClient) {
    match settings {
        DiscoverySettings::File(settings) => file::run(settings, publisher).await,
        DiscoverySettings::Dns(settings) => dns::run(settings, publisher, resolver).await,
        DiscoverySettings::Srv(settings) => srv::run(settings, publisher, resolver).await,
        DiscoverySettings::Consul(settings) => consul::run(settings, publisher, client).await,
        DiscoverySettings::Kubernetes(settings) => kubernetes::run(settings, publisher, client).await,
        DiscoverySettings::Nacos(settings) => nacos::run(settings, publisher, client).await,
        // Endpoints come by the admin API.
        DiscoverySettings::Registration(_) => {}
    }
}

/// The address of an endpoint, as a registry has it; IPv6 without brackets.
fn address(host: &str, port: u16) -> Option<Address> {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}").parse().ok(),
        Err(_) => format!("{host}:{port}").parse().ok(),
    }
}

/// The content of a small file. Blocks.
fn read_small(path: &Path, limit: u64) -> Result<String, SourceError> {
    let failed = |source| SourceError::File {
        path: path.display().to_string(),
        source,
    };
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    read.map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(SourceError::TooLarge(limit as usize));
    }
    Ok(text)
}

/// The content of a small file, read on a thread that may block.
async fn read_file(path: &Path, limit: u64) -> Result<String, SourceError> {
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || read_small(&path, limit)).await {
        Ok(read) => read,
        Err(error) => Err(SourceError::Malformed(error.to_string())),
    }
}

/// A token from a file, without the end of its line.
async fn read_token(path: &Path) -> Result<String, SourceError> {
    const MAX_TOKEN: u64 = 64 << 10;
    Ok(read_file(path, MAX_TOKEN).await?.trim().to_owned())
}
