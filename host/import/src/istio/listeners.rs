//! Listeners: servers of gateways by port, and one for routes of the mesh. Says which listeners and hosts a virtual service has.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::gateway::{Gateway, Server};
use super::hosts::intersection;
use super::virtual_service::VirtualService;
use super::{Options, names};
use crate::losses::Losses;
use crate::output::Object;

/// A virtual service at some listeners, for some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Patterns, `*` among them.
    pub(super) hosts: Vec<String>,
    pub(super) listener: usize,
    /// The name of the gateway, as the virtual service writes it.
    pub(super) gateway: String,
}

/// All listeners.
pub(super) struct Listeners<'a> {
    gateways: &'a [Gateway],
    losses: &'a Losses,
    pub(super) list: Vec<Listener<'a>>,
    used: HashSet<String>,
    options: &'a Options,
    /// The listener for routes of the mesh, once one needs it.
    mesh: Option<usize>,
}

/// A listener.
pub(super) struct Listener<'a> {
    pub(super) name: String,
    pub(super) port: u16,
    listen: String,
    /// Servers with the position of their gateway.
    pub(super) servers: Vec<(usize, &'a Server)>,
    /// For TCP: the upstream.
    pub(super) tcp: Option<String>,
}

impl Listener<'_> {
    pub(super) fn is_tcp(&self) -> bool {
        self.servers.iter().any(|(_, server)| server.is_tcp)
    }

    fn has_tls(&self) -> bool {
        self.servers.iter().any(|(_, server)| server.tls.is_some())
    }
}

impl<'a> Listeners<'a> {
    pub(super) fn new(gateways: &'a [Gateway], options: &'a Options, losses: &'a Losses) -> Self {
        let mut all = Self {
            gateways,
            losses,
            list: Vec::new(),
            used: HashSet::new(),
            options,
            mesh: None,
        };
        for (index, gateway) in gateways.iter().enumerate() {
            for server in &gateway.servers {
                all.add(index, server);
            }
        }
        all
    }

    /// Adds a server to the listener of its port.
    fn add(&mut self, gateway: usize, server: &'a Server) {
        let why = "another server on this port has another protocol or TLS: the server is left out";
        if let Some(known) = self.list.iter_mut().find(|listener| listener.port == server.port) {
            if known.has_tls() != server.tls.is_some() || known.is_tcp() != server.is_tcp {
                return self.losses.lost(&server.spot, &server.name, why, "use another port");
            }
            return known.servers.push((gateway, server));
        }
        let kind = match (server.is_tcp, server.tls.is_some()) {
            (true, _) => "tcp",
            (false, true) => "https",
            (false, false) => "http",
        };
        let name = if server.name.is_empty() {
            format!("{kind}-{}", server.port)
        } else {
            server.name.clone()
        };
        let ip = server.bind.as_deref().unwrap_or("0.0.0.0");
        let listen = if ip.contains(':') {
            format!("[{ip}]:{}", server.port)
        } else {
            format!("{ip}:{}", server.port)
        };
        self.list.push(Listener {
            name: names::unused(&name, 64, &mut self.used),
            port: server.port,
            listen,
            servers: vec![(gateway, server)],
            tcp: None,
        });
    }

    /// The listener for requests that no gateway of the files takes.
    fn mesh(&mut self) -> usize {
        if let Some(mesh) = self.mesh {
            return mesh;
        }
        let listen: SocketAddr = self.options.listen;
        let same = |listener: &Listener<'_>| listener.port == listen.port() && !listener.is_tcp();
        let index = self.list.iter().position(same).filter(|_| listen.port() != 0);
        let index = index.unwrap_or_else(|| {
            self.list.push(Listener {
                name: names::unused("web", 64, &mut self.used),
                port: listen.port(),
                listen: listen.to_string(),
                servers: Vec::new(),
                tcp: None,
            });
            self.list.len() - 1
        });
        self.mesh = Some(index);
        index
    }

    /// Where a virtual service is, in the order of its gateways. Reports gateways that are not there.
    pub(super) fn of(&mut self, service: &VirtualService) -> Vec<Attachment> {
        let mut found = Vec::new();
        let has_others = service.gateways.iter().any(|(name, _)| name != "mesh");
        if service.gateways.is_empty() {
            found.push(self.of_mesh(service));
        }
        for (name, spot) in &service.gateways {
            let known = self
                .gateways
                .iter()
                .position(|gateway| is_named(gateway, name, service));
            if let Some(gateway) = known {
                let before = found.len();
                self.of_gateway(service, name, gateway, &mut found);
                if before == found.len() {
                    let why =
                        "none of the gateway's servers accepts a host of this VirtualService without redirecting it";
                    self.losses.lost(spot, name, why, "");
                }
                continue;
            }
            if name == "mesh" && has_others {
                self.losses.lost(
                    spot,
                    name,
                    "there are no sidecars; the routes are at the other gateways",
                    "",
                );
                continue;
            }
            let attachment = self.of_mesh(service);
            let listener = &self.list[attachment.listener];
            let place = format!(
                "the routes are at the listener \"{}\", {}",
                listener.name, listener.listen
            );
            let why = match name.as_str() {
                "mesh" => format!("there are no sidecars; {place}"),
                _ => format!("no file has this Gateway; {place}"),
            };
            self.losses
                .lost(spot, name, &why, "send clients there; --listen ADDRESS changes it");
            found.push(attachment);
        }
        found
    }

    fn of_mesh(&mut self, service: &VirtualService) -> Attachment {
        let namespace = service.identity.namespace.as_deref();
        let names = service.hosts.iter().flat_map(|host| match host.contains('*') {
            true => vec![host.clone()],
            false => super::hosts::aliases(host, namespace),
        });
        Attachment {
            hosts: names.collect(),
            listener: self.mesh(),
            gateway: "mesh".to_owned(),
        }
    }

    fn of_gateway(&self, service: &VirtualService, name: &str, gateway: usize, found: &mut Vec<Attachment>) {
        for (index, listener) in self.list.iter().enumerate().filter(|(_, listener)| !listener.is_tcp()) {
            let servers = listener
                .servers
                .iter()
                .filter(|(of, server)| *of == gateway && !server.redirects_to_https);
            let mut hosts: Vec<String> = Vec::new();
            for (_, server) in servers {
                let pairs = server
                    .hosts
                    .iter()
                    .flat_map(|server| service.hosts.iter().map(move |host| (server, host)));
                hosts.extend(pairs.filter_map(|(server, host)| intersection(server, host)));
            }
            if !hosts.is_empty() {
                let gateway = name.to_owned();
                found.push(Attachment {
                    hosts,
                    listener: index,
                    gateway,
                });
            }
        }
    }

    /// The listeners for TCP that a virtual service is at, of these ports or of all.
    pub(super) fn tcp_of(&self, service: &VirtualService, ports: &[u16]) -> Vec<usize> {
        let is_at = |(gateway, _): &(usize, &Server)| {
            let gateway = &self.gateways[*gateway];
            service
                .gateways
                .iter()
                .any(|(name, _)| is_named(gateway, name, service))
        };
        let is_meant = |listener: &Listener<'_>| {
            listener.is_tcp()
                && (ports.is_empty() || ports.contains(&listener.port))
                && listener.servers.iter().any(is_at)
        };
        let meant = self.list.iter().enumerate().filter(|(_, listener)| is_meant(listener));
        meant.map(|(index, _)| index).collect()
    }

    /// The setting `listeners`.
    pub(super) fn finish(mut self) -> Object {
        if self.list.is_empty() {
            self.mesh();
        }
        let mut out = Object::new();
        for listener in &self.list {
            if listener.is_tcp() && listener.tcp.is_none() {
                for (_, server) in &listener.servers {
                    let why = "no route for connections leads from this server: it is left out";
                    self.losses.lost(&server.spot, &server.name, why, "");
                }
                continue;
            }
            out.set(listener.name.clone(), self.written(listener));
        }
        out
    }

    fn written(&self, listener: &Listener<'_>) -> Object {
        let mut out = Object::new().with("listen", listener.listen.as_str());
        if let Some(upstream) = &listener.tcp {
            out.set("protocol", "tcp");
            out.set("upstream", upstream.as_str());
        }
        let with_tls = listener
            .servers
            .iter()
            .filter_map(|(_, server)| Some((server, server.tls.as_ref()?)));
        let mut tls = Object::new();
        let mut certificates: Vec<Object> = Vec::new();
        for (server, settings) in with_tls {
            if certificates.is_empty() {
                tls.extend(settings);
            } else if !settings.is_empty() && *settings != tls {
                let why = "client certificates are a setting of the whole listener: that of its first server holds";
                self.losses.lost(&server.spot, &server.name, why, "use another port");
            }
            certificates.extend(
                server
                    .certificate
                    .clone()
                    .filter(|certificate| !certificates.contains(certificate)),
            );
        }
        if !certificates.is_empty() {
            let mut all = Object::new().with("certificates", certificates);
            all.extend(&tls);
            out.set("tls", all);
        }
        out
    }
}

/// Whether a gateway is meant by `name` or `namespace/name` in this virtual service.
fn is_named(gateway: &Gateway, name: &str, service: &VirtualService) -> bool {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (service.identity.namespace.as_deref(), name),
    };
    let same = match (gateway.identity.namespace.as_deref(), namespace) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    gateway.identity.name == name && same
}
