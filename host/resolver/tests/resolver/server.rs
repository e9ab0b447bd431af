//! A DNS server that answers as it is told.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, Ttl};
use domain::rdata::{A, Aaaa, Cname, Srv};

type AnyName = Name<Vec<u8>>;

/// How a name is answered for.
#[derive(Clone, Default)]
pub(crate) struct Rule {
    addresses: Vec<IpAddr>,
    services: Vec<(u16, u16, u16, String)>,
    alias: Option<String>,
    ttl: u32,
    code: u8,
    delay: Duration,
    is_mute: bool,
    is_truncated: bool,
    is_garbage: bool,
    is_forged_before: bool,
    refuses_edns: bool,
}

impl Rule {
    pub(crate) fn addresses(addresses: &[&str], ttl: u32) -> Self {
        Self {
            addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
            ttl,
            ..Self::default()
        }
    }

    pub(crate) fn alias(target: &str, addresses: &[&str], ttl: u32) -> Self {
        Self {
            alias: Some(target.to_owned()),
            ..Self::addresses(addresses, ttl)
        }
    }

    pub(crate) fn alias_loop() -> Self {
        Self::alias("loop.test.", &[], 1)
    }

    pub(crate) fn services(services: &[(u16, u16, u16, &str)], ttl: u32) -> Self {
        let services = services.iter();
        Self {
            services: services
                .map(|&(priority, weight, port, target)| (priority, weight, port, target.to_owned()))
                .collect(),
            ttl,
            ..Self::default()
        }
    }

    pub(crate) fn code(code: u8) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }

    pub(crate) fn mute() -> Self {
        Self {
            is_mute: true,
            ..Self::default()
        }
    }

    pub(crate) fn garbage() -> Self {
        Self {
            is_garbage: true,
            ..Self::default()
        }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(crate) fn truncated(self) -> Self {
        Self {
            is_truncated: true,
            ..self
        }
    }

    pub(crate) fn behind_a_forged_answer(self) -> Self {
        Self {
            is_forged_before: true,
            ..self
        }
    }

    pub(crate) fn without_edns(self) -> Self {
        Self {
            refuses_edns: true,
            ..self
        }
    }
}

#[derive(Default)]
struct State {
    rules: HashMap<String, Rule>,
    queries: HashMap<String, usize>,
}

/// A server on a port of its own. Names without a rule do not exist.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("bound");
        let state = Arc::<Mutex<State>>::default();
        let of_udp = Arc::clone(&state);
        std::thread::spawn(move || serve_udp(&udp, &of_udp));
        let of_tcp = Arc::clone(&state);
        std::thread::spawn(move || serve_tcp(&tcp, &of_tcp));
        Self { address, state }
    }

    pub(crate) fn set(&self, name: &str, rule: Rule) {
        self.state.lock().expect("no panic").rules.insert(name.to_owned(), rule);
    }

    /// Queries for a name so far.
    pub(crate) fn queries(&self, name: &str) -> usize {
        *self.state.lock().expect("no panic").queries.get(name).unwrap_or(&0)
    }
}

fn serve_udp(socket: &UdpSocket, state: &Arc<Mutex<State>>) {
    let mut buffer = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        let query = Message::from_octets(buffer[..length].to_vec()).expect("a query");
        let (name, rule) = look_up(&query, state);
        *state.lock().expect("no panic").queries.entry(name).or_default() += 1;
        let socket = socket.try_clone().expect("a socket");
        std::thread::spawn(move || {
            std::thread::sleep(rule.delay);
            if rule.is_mute {
                return;
            }
            if rule.is_forged_before {
                let mut forged = answer(&query, &Rule::addresses(&["6.6.6.6"], 60), false);
                forged[0] ^= 0xff;
                socket.send_to(&forged, client).expect("sent");
            }
            socket
                .send_to(&answer(&query, &rule, rule.is_truncated), client)
                .expect("sent");
        });
    }
}

fn serve_tcp(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query).expect("a query");
        let query = Message::from_octets(query).expect("a query");
        let answer = answer(&query, &look_up(&query, state).1, false);
        // In pieces, as a network may bring them.
        let (first, second) = answer.split_at(answer.len() / 2);
        let length = (answer.len() as u16).to_be_bytes();
        stream.write_all(&[&length[..1]].concat()).expect("written");
        stream.write_all(&[&length[1..], first].concat()).expect("written");
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(second).expect("written");
    }
}

fn look_up(query: &Message<Vec<u8>>, state: &Arc<Mutex<State>>) -> (String, Rule) {
    let name = query.first_question().expect("a question").qname().to_string();
    let name = format!("{}.", name.trim_end_matches('.'));
    let rule = state.lock().expect("no panic").rules.get(&name).cloned();
    (name, rule.unwrap_or_else(|| Rule::code(3)))
}

fn answer(query: &Message<Vec<u8>>, rule: &Rule, is_truncated: bool) -> Vec<u8> {
    let question = query.first_question().expect("a question");
    let code = match (rule.refuses_edns && query.opt().is_some(), rule.code) {
        (true, _) => Rcode::FORMERR,
        (false, code) => Rcode::checked_from_int(code).expect("a code"),
    };
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_tc(is_truncated);
    let mut answer = builder.start_answer(query, code).expect("room");
    let ttl = Ttl::from_secs(rule.ttl);
    let mut owner: AnyName = question.qname().to_string().parse().expect("a name");
    if let Some(alias) = &rule.alias {
        let target: AnyName = alias.parse().expect("a name");
        answer
            .push((&owner, Class::IN, ttl, Cname::new(target.clone())))
            .expect("room");
        owner = target;
    }
    for address in rule.addresses.iter().filter(|_| !is_truncated) {
        match (address, question.qtype()) {
            (IpAddr::V4(address), Rtype::A) => answer.push((&owner, Class::IN, ttl, A::new(*address))).expect("room"),
            (IpAddr::V6(address), Rtype::AAAA) => answer
                .push((&owner, Class::IN, ttl, Aaaa::new(*address)))
                .expect("room"),
            _ => {}
        }
    }
    for (priority, weight, port, target) in &rule.services {
        let target: AnyName = target.parse().expect("a name");
        let data = Srv::new(*priority, *weight, *port, target);
        answer.push((&owner, Class::IN, ttl, data)).expect("room");
    }
    let mut bytes = answer.finish();
    if rule.is_garbage {
        // It says that there are records, and ends.
        bytes[7] = 3;
        bytes.extend_from_slice(&[0xc0, 0xff, 0xc0]);
    }
    bytes
}
