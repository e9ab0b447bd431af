//! What the machine says of names: resolv.conf(5) and the hosts file (hosts(5)). Both are read again when they change.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The system's resolver configuration.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Maximum number of servers that are used (glibc: 3).
const MAX_SERVERS: usize = 3;
/// Maximum size of either file, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// A file is looked at again after this time.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is used of resolv.conf: servers, search list and `ndots`. Other options have their own settings here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) search: Vec<String>,
    pub(crate) ndots: Option<u8>,
}

impl ResolvConf {
    pub(crate) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // Scoped addresses, as in fe80::1%eth0, are not used.
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    if conf.servers.len() < MAX_SERVERS {
                        conf.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                    }
                }
                // The last one counts, of either kind.
                Some("search" | "domain") => {
                    conf.search = words.filter(|domain| *domain != ".").map(String::from).collect();
                }
                Some("options") => {
                    let mut ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<u8>().ok());
                    conf.ndots = ndots.next_back().map(|ndots| ndots.min(15)).or(conf.ndots);
                }
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            // As the C library does.
            conf.servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
        }
        conf
    }
}

/// The names of a hosts file, in lower case, with their addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts(HashMap<String, Vec<IpAddr>>);

impl Hosts {
    pub(crate) fn parse(text: &str) -> Self {
        let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for name in words {
                let addresses = hosts.entry(name.to_ascii_lowercase()).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self(hosts)
    }

    /// The addresses of a name. `localhost` and names below it are this machine, whatever the file says of them or not (RFC 6761).
    pub(crate) fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(addresses) = self.0.get(name) {
            return Some(addresses.clone());
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    }
}

/// The content of a file, read again when the file has changed. A file that cannot be read has no content.
pub(crate) struct Followed<T> {
    parse: fn(&str) -> T,
    state: Mutex<State<T>>,
}

struct State<T> {
    path: PathBuf,
    looked: Option<Instant>,
    seen: Option<(SystemTime, u64)>,
    content: Arc<T>,
}

impl<T: Default> Followed<T> {
    pub(crate) fn new(path: &Path, parse: fn(&str) -> T) -> Self {
        Self {
            parse,
            state: Mutex::new(State {
                path: path.to_owned(),
                looked: None,
                seen: None,
                content: Arc::default(),
            }),
        }
    }

    /// Follows another file from now on.
    pub(crate) fn set_path(&self, path: &Path) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.path != path {
            (state.path, state.looked, state.seen) = (path.to_owned(), None, None);
        }
    }

    /// The content. Blocks for a small local file.
    pub(crate) fn content(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL) {
            let is_first = state.looked.replace(Instant::now()).is_none();
            let seen = fs::metadata(&state.path).ok();
            let seen = seen.and_then(|seen| Some((seen.modified().ok()?, seen.len())));
            if is_first || seen != state.seen {
                state.seen = seen;
                let is_readable = seen.is_some_and(|(_, size)| size <= MAX_FILE);
                let text = is_readable.then(|| fs::read(&state.path).ok()).flatten();
                let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                state.content = Arc::new((self.parse)(&text));
            }
        }
        Arc::clone(&state.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_the_c_library_reads_it() {
        let text = "# a comment\nnameserver 10.0.0.2\nnameserver fe80::1%eth0 ; no\nnameserver ::1\nnameserver x\n\
            domain old.example\nsearch a.example b.example\noptions timeout:1 ndots:5\nsortlist 1\n";
        let conf = ResolvConf::parse(text);
        assert_eq!(
            conf.servers,
            ["10.0.0.2:53", "[::1]:53"].map(|text| text.parse().unwrap())
        );
        assert_eq!(conf.search, ["a.example", "b.example"]);
        assert_eq!(conf.ndots, Some(5));
        assert_eq!(ResolvConf::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
        let many = "nameserver 10.0.0.1\n".repeat(9);
        assert_eq!(ResolvConf::parse(&many).servers.len(), MAX_SERVERS);
    }

    #[test]
    fn hosts_have_all_addresses_of_a_name_and_localhost_is_this_machine() {
        let hosts = Hosts::parse("10.0.0.7 Orders orders.internal # x\n::7 orders\n10.0.0.7 orders\nbroken line\n");
        let both: [IpAddr; 2] = ["10.0.0.7", "::7"].map(|text| text.parse().unwrap());
        assert_eq!(hosts.find("orders").unwrap(), both);
        assert_eq!(hosts.find("orders.internal.").unwrap(), both[..1]);
        assert_eq!(hosts.find("payments"), None);
        assert_eq!(hosts.find("a.localhost").unwrap().len(), 2);
        let own = Hosts::parse("127.0.0.1 localhost\n");
        assert_eq!(own.find("localhost").unwrap().len(), 1);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "10.0.0.1 a\n").unwrap();
        let hosts = Followed::new(file.path(), Hosts::parse);
        assert!(hosts.content().find("a").is_some());
        fs::write(file.path(), "10.0.0.1 bb\n").unwrap();
        assert!(hosts.content().find("a").is_some(), "it is not looked at all the time");
        std::thread::sleep(INTERVAL);
        assert!(hosts.content().find("a").is_none() && hosts.content().find("bb").is_some());
    }
}
