//! The table of mistakes: what was written, instead of what, and the report.

/// One change of the example.
pub(crate) struct Mistake {
    pub(crate) title: &'static str,
    pub(crate) wrote: &'static str,
    pub(crate) instead_of: &'static str,
    /// Every line of the report, without the file's folder.
    pub(crate) report: &'static str,
}

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake {
        title: "an unknown key at the top",
        wrote: r#""worker": 2"#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:3: /worker: unknown key "worker", expected "access_log", "admin", "cache", "chains", "drain_timeout", "global_chain", "kv", "listeners", "node", "plugin_dir", "plugins", "resolver", "routes", "services", "signatures", "state_dir", "upstreams" or "workers"
  help: did you mean "workers"?"#,
    },
    Mistake {
        title: "an unknown key deep inside",
        wrote: r#""deadlin": "20ms""#,
        instead_of: r#""deadline": "20ms""#,
        report: r#"gateway.json:19:27: /plugins/rate/limits/deadlin: unknown key "deadlin", expected "body", "body_growth", "callouts", "callouts_per_request", "deadline", "header_growth", "local_response", "log_bytes", "log_lines", "memory", "request_deadline", "soft_memory", "start_deadline" or "tick"
  help: did you mean "deadline"?"#,
    },
    Mistake {
        title: "an unknown key that takes the place of a required one",
        wrote: r#""listne": "0.0.0.0:8080""#,
        instead_of: r#""listen": "0.0.0.0:8080""#,
        report: r#"gateway.json:7:14: /listeners/web/listne: unknown key "listne", expected "ambiguous_names", "chain", "escaped_slashes", "limits", "listen", "protocol", "tls", "trailers", "trusted_proxies", "unsafe_characters" or "upstream"
  help: did you mean "listen"?"#,
    },
    Mistake {
        title: "a missing key",
        wrote: r#""web": {}"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:12: /listeners/web: the key "listen" is missing, expected a text like "0.0.0.0:8080" or "[::]:8080"
  help: "listen": IP address and port to listen on"#,
    },
    Mistake {
        title: "no listeners",
        wrote: r#""admin2": {"#,
        instead_of: r#""listeners": {"#,
        report: r#"gateway.json:1:1: the key "listeners" is missing, expected an object
  help: "listeners": Sockets that accept clients, by name
gateway.json:6:3: /admin2: unknown key "admin2", expected "access_log", "admin", "cache", "chains", "drain_timeout", "global_chain", "kv", "listeners", "node", "plugin_dir", "plugins", "resolver", "routes", "services", "signatures", "state_dir", "upstreams" or "workers""#,
    },
    Mistake {
        title: "an empty section",
        wrote: "",
        instead_of: r#""web": { "listen": "0.0.0.0:8080" },
    "tls": { "listen": "0.0.0.0:8443", "tls": { "certificates": [ { "cert": "api.pem", "key": "api.key" } ] } }"#,
        report: "gateway.json:6:16: /listeners: found an empty object, expected at least one entry",
    },
    Mistake {
        title: "a wrong type",
        wrote: r#""workers": "two""#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:14: /workers: found "two", expected a whole number from 1 to 1024"#,
    },
    Mistake {
        title: "a number out of range",
        wrote: r#""workers": 0"#,
        instead_of: r#""workers": 2"#,
        report: "gateway.json:3:14: /workers: found 0, expected a whole number from 1 to 1024",
    },
    Mistake {
        title: "a fraction for a count",
        wrote: r#""workers": 2.5"#,
        instead_of: r#""workers": 2"#,
        report: "gateway.json:3:14: /workers: found 2.5, expected a whole number from 1 to 1024",
    },
    Mistake {
        title: "a list for an object",
        wrote: r#""plugins": {
    "keys": [ "auth" ],"#,
        instead_of: r#""plugins": {
    "keys": { "module": "auth", "config": { "kind": "key" } },"#,
        report: "gateway.json:17:13: /plugins/keys: found an array, expected an object",
    },
    Mistake {
        title: "a bare number for a duration",
        wrote: r#""timeout": 5"#,
        instead_of: r#""timeout": "5s""#,
        report: r#"gateway.json:26:60: /routes/0/timeout: found 5, expected a duration with its unit, like "250ms", "5s" or "3m"
  help: write "5s" for seconds, "5ms" for milliseconds"#,
    },
    Mistake {
        title: "an unknown unit",
        wrote: r#""timeout": "5sec""#,
        instead_of: r#""timeout": "5s""#,
        report: r#"gateway.json:26:60: /routes/0/timeout: found "5sec", expected a duration with its unit, like "250ms", "5s" or "3m""#,
    },
    Mistake {
        title: "a bare number for a size",
        wrote: r#""memory": 33554432"#,
        instead_of: r#""memory": "32MiB""#,
        report: r#"gateway.json:19:57: /plugins/rate/limits/memory: found 33554432, expected a size with its unit, like "64KiB", "1MiB" or "10MB"
  help: write "33554432B" for bytes, "33554432KiB" for units of 1024 bytes"#,
    },
    Mistake {
        title: "a duration of nothing",
        wrote: r#""deadline": "0ms""#,
        instead_of: r#""deadline": "20ms""#,
        report: r#"gateway.json:19:39: /plugins/rate/limits/deadline: found "0ms", expected a duration above zero"#,
    },
    Mistake {
        title: "a size out of range",
        wrote: r#""memory": "1KiB""#,
        instead_of: r#""memory": "32MiB""#,
        report: r#"gateway.json:19:57: /plugins/rate/limits/memory: found "1KiB", expected a size from 64KiB to 4GiB"#,
    },
    Mistake {
        title: "a name that is none of those known",
        wrote: r#""balance": "round-robin""#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:18: /upstreams/orders/balance: found "round-robin", expected one of "round_robin", "random", "least_request", "peak_ewma"
  help: did you mean "round_robin"?"#,
    },
    Mistake {
        title: "another such name",
        wrote: r#""on_error": "ignore""#,
        instead_of: r#""on_error": "bypass""#,
        report: r#"gateway.json:18:73: /plugins/rate/on_error: found "ignore", expected one of "deny", "bypass""#,
    },
    Mistake {
        title: "a listener without an IP address",
        wrote: r#""listen": "localhost:8080""#,
        instead_of: r#""listen": "0.0.0.0:8080""#,
        report: r#"gateway.json:7:24: /listeners/web/listen: found "localhost:8080", expected an IP address and port, like "127.0.0.1:8080" or "[::]:8080"
  help: host names are not resolved here; write "127.0.0.1:8080""#,
    },
    Mistake {
        title: "a listener without a host",
        wrote: r#""listen": ":8080""#,
        instead_of: r#""listen": "0.0.0.0:8080""#,
        report: r#"gateway.json:7:24: /listeners/web/listen: found ":8080", expected an IP address and port, like "127.0.0.1:8080" or "[::]:8080"
  help: for all addresses of this machine, write "0.0.0.0:8080""#,
    },
    Mistake {
        title: "two listeners on one address",
        wrote: r#""listen": "127.0.0.1:8080""#,
        instead_of: r#""listen": "0.0.0.0:8443""#,
        report: r#"gateway.json:8:24: /listeners/tls/listen: found "127.0.0.1:8080", expected an address that no other listener uses
  help: it overlaps with /listeners/web/listen"#,
    },
    Mistake {
        title: "a listener on the admin's address",
        wrote: r#""listen": "0.0.0.0:9900""#,
        instead_of: r#""listen": "0.0.0.0:8080""#,
        report: r#"gateway.json:7:24: /listeners/web/listen: found "0.0.0.0:9900", expected an address that no other listener uses
  help: it overlaps with /admin/listen"#,
    },
    Mistake {
        title: "a TCP listener to an upstream that is not there",
        wrote: r#""web": { "listen": "0.0.0.0:1883", "protocol": "tcp", "upstream": "broker", "chain": [] }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:71: /listeners/web/upstream: found "broker", expected the name of an upstream: "orders""#,
    },
    Mistake {
        title: "a TCP listener that leads nowhere, to a plugin that is not there",
        wrote: r#""web": { "listen": "0.0.0.0:1883", "protocol": "tcp", "chain": [ "kyes" ] }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:12: /listeners/web: the key "upstream" is missing, expected the name of the upstream to connect to
gateway.json:7:70: /listeners/web/chain/0: found "kyes", expected the name of a plugin: "keys" or "rate"
  help: did you mean "keys"?"#,
    },
    Mistake {
        title: "knobs of requests on a TCP listener",
        wrote: r#""web": { "listen": "0.0.0.0:1883", "protocol": "tcp", "upstream": "orders", "trusted_proxies": [ "10.0.0.0/8" ], "limits": { "idle_timeout": "5m", "body": "1MiB", "headers": 5 } }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:81: /listeners/web/trusted_proxies: "trusted_proxies" is only for HTTP, and this listener's protocol is "tcp"
  help: remove it
gateway.json:7:152: /listeners/web/limits/body: "body" is only for HTTP, and this listener's protocol is "tcp"
  help: remove it
gateway.json:7:168: /listeners/web/limits/headers: "headers" is only for HTTP, and this listener's protocol is "tcp"
  help: remove it"#,
    },
    Mistake {
        title: "a chain on an HTTP listener",
        wrote: r#""web": { "listen": "0.0.0.0:8080", "chain": "default" }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:40: /listeners/web/chain: "chain" is only for listeners with protocol "tcp"
  help: for HTTP, set "chain" in a route"#,
    },
    Mistake {
        title: "trailers that would be believed",
        wrote: r#""web": { "listen": "0.0.0.0:8080", "trailers": [ "x-sum", "X-User-*", "content-length", "a b", "*" ] }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:63: /listeners/web/trailers/1: found "X-User-*", expected a name like "x-checksum" or "x-*" that may be a request's trailer
  help: what frames, routes or authenticates a message, or says who the client is, belongs in its headers
gateway.json:7:75: /listeners/web/trailers/2: found "content-length", expected a name like "x-checksum" or "x-*" that may be a request's trailer
  help: what frames, routes or authenticates a message, or says who the client is, belongs in its headers
gateway.json:7:93: /listeners/web/trailers/3: found "a b", expected a name like "x-checksum" or "x-*" that may be a request's trailer
  help: what frames, routes or authenticates a message, or says who the client is, belongs in its headers"#,
    },
    Mistake {
        title: "a bad network",
        wrote: r#""web": { "listen": "0.0.0.0:8080", "trusted_proxies": [ "10.0.0.0/8", "10.0.0.0/40", "lan" ] }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:75: /listeners/web/trusted_proxies/1: found "10.0.0.0/40", expected a network like "10.0.0.0/8" or "fd00::/8", or an IP address
  help: a prefix length is 0 to 32
gateway.json:7:90: /listeners/web/trusted_proxies/2: found "lan", expected a network like "10.0.0.0/8" or "fd00::/8", or an IP address"#,
    },
    Mistake {
        title: "a certificate file that is not there",
        wrote: r#""cert": "api.pme""#,
        instead_of: r#""cert": "api.pem""#,
        report: r#"gateway.json:8:77: /listeners/tls/tls/certificates/0/cert: found "api.pme", expected a readable PEM file: No such file or directory (os error 2)
  help: relative paths start at the folder of the configuration file"#,
    },
    Mistake {
        title: "no certificates",
        wrote: "[]",
        instead_of: r#"[ { "cert": "api.pem", "key": "api.key" } ]"#,
        report: "gateway.json:8:65: /listeners/tls/tls/certificates: found an empty array, expected at least one item",
    },
    Mistake {
        title: "a certificate without its key",
        wrote: r#""cert": "api.pem""#,
        instead_of: r#""cert": "api.pem", "key": "api.key""#,
        report: r#"gateway.json:8:67: /listeners/tls/tls/certificates/0: the key "key" is missing, expected a text like "api.key"
  help: "key": Private key of the certificate"#,
    },
    Mistake {
        title: "an authority of clients that is not there",
        wrote: r#""key": "api.key" } ], "client_ca": "clients.pem""#,
        instead_of: r#""key": "api.key" } ]"#,
        report: r#"gateway.json:8:123: /listeners/tls/tls/client_ca: found "clients.pem", expected a readable PEM file: No such file or directory (os error 2)
  help: relative paths start at the folder of the configuration file"#,
    },
    Mistake {
        title: "certificates of clients without an authority",
        wrote: r#""key": "api.key" } ], "client_certificates": "optional""#,
        instead_of: r#""key": "api.key" } ]"#,
        report: r#"gateway.json:8:110: /listeners/tls/tls/client_certificates: "client_certificates" has no effect without "client_ca"
  help: "client_ca" names the PEM file of the authorities whose certificates are accepted"#,
    },
    Mistake {
        title: "endpoints that are no addresses",
        wrote: r#""http://127.0.0.1:9001", "orders", "127.0.0.1:99999", {"#,
        instead_of: r#""127.0.0.1:9001", {"#,
        report: r#"gateway.json:12:22: /upstreams/orders/endpoints/0: found "http://127.0.0.1:9001", expected a text like "127.0.0.1:9001", "[::1]:9001" or "orders.internal:8080"
gateway.json:12:47: /upstreams/orders/endpoints/1: found "orders", expected a text like "127.0.0.1:9001", "[::1]:9001" or "orders.internal:8080"
gateway.json:12:57: /upstreams/orders/endpoints/2: "127.0.0.1:99999" has no port from 1 to 65535; an endpoint is HOST:PORT, such as "127.0.0.1:9001""#,
    },
    Mistake {
        title: "an endpoint with a wrong weight",
        wrote: r#""weight": 2000"#,
        instead_of: r#""weight": 2"#,
        report: "gateway.json:12:81: /upstreams/orders/endpoints/1/weight: found 2000, expected a whole number from 0 to 1000",
    },
    Mistake {
        title: "an endpoint with an unknown key",
        wrote: r#""wieght": 2"#,
        instead_of: r#""weight": 2"#,
        report: r#"gateway.json:12:71: /upstreams/orders/endpoints/1/wieght: unknown key "wieght", expected "address", "labels" or "weight"
  help: did you mean "weight"?"#,
    },
    Mistake {
        title: "an endpoint of a wrong type",
        wrote: "9001, {",
        instead_of: r#""127.0.0.1:9001", {"#,
        report: r#"gateway.json:12:22: /upstreams/orders/endpoints/0: found 9001, expected a text like "127.0.0.1:9001", "[::1]:9001" or "orders.internal:8080" or an object"#,
    },
    Mistake {
        title: "no endpoints",
        wrote: "[]",
        instead_of: r#"[ "127.0.0.1:9001", { "address": "127.0.0.1:9002", "weight": 2, "labels": { "version": "v2" } } ]"#,
        report: "gateway.json:12:20: /upstreams/orders/endpoints: found an empty array, expected at least one item",
    },
    Mistake {
        title: "an unknown upstream",
        wrote: r#""chain": "default", "upstream": "order""#,
        instead_of: r#""chain": "default", "upstream": "orders""#,
        report: r#"gateway.json:26:39: /routes/0/upstream: found "order", expected the name of an upstream: "orders"
  help: did you mean "orders"?"#,
    },
    Mistake {
        title: "a route without a destination",
        wrote: r#""chain": "default""#,
        instead_of: r#""chain": "default", "upstream": "orders""#,
        report: r#"gateway.json:24:5: /routes/0: the key "upstream" is missing, expected a destination: exactly one of "upstream", "split", "redirect" and "respond"
  help: "upstream": Name of the upstream"#,
    },
    Mistake {
        title: "an unknown chain",
        wrote: r#""chain": "defualt""#,
        instead_of: r#""chain": "default""#,
        report: r#"gateway.json:26:16: /routes/0/chain: found "defualt", expected the name of a chain: "default" or "public"
  help: did you mean "default"?"#,
    },
    Mistake {
        title: "a plugin where a chain's name belongs",
        wrote: r#""chain": "rate""#,
        instead_of: r#""chain": "default""#,
        report: r#"gateway.json:26:16: /routes/0/chain: found "rate", expected the name of a chain: "default" or "public"
  help: "rate" is a plugin; as a chain of one plugin, write ["rate"]"#,
    },
    Mistake {
        title: "an unknown plugin",
        wrote: r#""chain": [ "raet", {"#,
        instead_of: r#""chain": [ "rate", {"#,
        report: r#"gateway.json:28:18: /routes/1/chain/0: found "raet", expected the name of a plugin: "keys" or "rate"
  help: did you mean "rate"?"#,
    },
    Mistake {
        title: "a chain inside a chain",
        wrote: r#""chain": [ "public", {"#,
        instead_of: r#""chain": [ "rate", {"#,
        report: r#"gateway.json:28:18: /routes/1/chain/0: found "public", expected the name of a plugin: "keys" or "rate"
  help: "public" is a chain, and chains cannot be nested: known chains are "default" or "public""#,
    },
    Mistake {
        title: "an inline plugin with an unknown key",
        wrote: r#""module": "cors", "confg""#,
        instead_of: r#""module": "cors", "config""#,
        report: r#"gateway.json:28:46: /routes/1/chain/1/confg: unknown key "confg", expected "capabilities", "config", "env", "isolation", "limits", "module", "on_error", "root_id", "sha256", "signed_by", "vm_config" or "vm_id"
  help: did you mean "config"?"#,
    },
    Mistake {
        title: "a chain that is neither a name nor a list",
        wrote: r#""chain": { "module": "auth" }"#,
        instead_of: r#""chain": "default""#,
        report: "gateway.json:26:16: /routes/0/chain: found an object, expected a string or an array",
    },
    Mistake {
        title: "a module with its file's ending",
        wrote: r#""module": "auth.wasm""#,
        instead_of: r#""module": "auth""#,
        report: r#"gateway.json:17:25: /plugins/keys/module: found "auth.wasm", expected the name of a module: a file name in "plugin_dir" without ".wasm"
  help: write "auth""#,
    },
    Mistake {
        title: "a module outside of the folder",
        wrote: r#""module": "../auth""#,
        instead_of: r#""module": "auth""#,
        report: r#"gateway.json:17:25: /plugins/keys/module: found "../auth", expected the name of a module: a file name in "plugin_dir" without ".wasm"
  help: 1 to 128 letters, digits, "-", "_" and ".", no "." first"#,
    },
    Mistake {
        title: "a digest that is none",
        wrote: r#""module": "auth", "sha256": "abc""#,
        instead_of: r#""module": "auth""#,
        report: r#"gateway.json:17:43: /plugins/keys/sha256: found "abc", expected a SHA-256 digest of 64 hex digits
  help: sha256sum NAME.wasm prints it"#,
    },
    Mistake {
        title: "an unknown upstream in a capability",
        wrote: r#""module": "auth", "capabilities": { "upstreams": [ "ordres" ], "headers": [ "X-A", "x-*" ] }"#,
        instead_of: r#""module": "auth""#,
        report: r#"gateway.json:17:66: /plugins/keys/capabilities/upstreams/0: found "ordres", expected the name of an upstream: "orders"
  help: did you mean "orders"?
gateway.json:17:91: /plugins/keys/capabilities/headers/0: found "X-A", expected a header name in lower case, or a prefix followed by "*"
  help: write "x-a""#,
    },
    Mistake {
        title: "no plugin folder",
        wrote: "",
        instead_of: r#""plugin_dir": "plugins","#,
        report: r#"gateway.json:1:1: the key "plugin_dir" is missing, expected the folder that holds the plugins' modules
  help: /plugins/keys needs it: "plugin_dir": "plugins""#,
    },
    Mistake {
        title: "a plugin folder that is not there",
        wrote: r#""plugin_dir": "plugin""#,
        instead_of: r#""plugin_dir": "plugins""#,
        report: r#"gateway.json:4:17: /plugin_dir: found "plugin", expected a readable folder: No such file or directory (os error 2)
  help: relative paths start at the folder of the configuration file"#,
    },
    Mistake {
        title: "two routes of one name",
        wrote: r#""name": "orders""#,
        instead_of: r#""name": "rest""#,
        report: r#"gateway.json:27:15: /routes/1/name: found "orders", expected a unique name
  help: /routes/0 has the same name"#,
    },
    Mistake {
        title: "a host with a port",
        wrote: r#""api.example.com:8080", "*""#,
        instead_of: r#""api.example.com""#,
        report: r#"gateway.json:25:29: /routes/0/match/hosts/0: found "api.example.com:8080", expected a host name like "api.example.com" or "*.example.com"
  help: remove the port: "api.example.com"
gateway.json:25:53: /routes/0/match/hosts/1: found "*", expected a host name like "api.example.com" or "*.example.com"
  help: a route without "hosts" matches every host"#,
    },
    Mistake {
        title: "two conditions on the path",
        wrote: r#""path_prefix": "/orders", "path_regex": "/o.*""#,
        instead_of: r#""path_prefix": "/orders""#,
        report: r#"gateway.json:25:76: /routes/0/match/path_regex: "path_regex" excludes "path_prefix", expected at most one of "path", "path_prefix" and "path_regex""#,
    },
    Mistake {
        title: "a path without its slash",
        wrote: r#""path_prefix": "orders""#,
        instead_of: r#""path_prefix": "/orders""#,
        report: r#"gateway.json:25:65: /routes/0/match/path_prefix: found "orders", expected a path that starts with "/"
  help: write "/orders""#,
    },
    Mistake {
        title: "a path that is not normal",
        wrote: r#""path": "/a/../orders""#,
        instead_of: r#""path_prefix": "/orders""#,
        report: r#"gateway.json:25:58: /routes/0/match/path: found "/a/../orders", expected a normalised path: request paths are normalised before matching
  help: write "/orders""#,
    },
    Mistake {
        title: "a broken expression",
        wrote: r#""path_regex": "/orders/(a""#,
        instead_of: r#""path_prefix": "/orders""#,
        report: r#"gateway.json:25:64: /routes/0/match/path_regex: found "/orders/(a", expected a regular expression: unclosed group"#,
    },
    Mistake {
        title: "a method in lower case",
        wrote: r#""get", "P T""#,
        instead_of: r#""GET", "POST""#,
        report: r#"gateway.json:25:89: /routes/0/match/methods/0: found "get", expected an HTTP method like "GET"
  help: did you mean "GET"?
gateway.json:25:96: /routes/0/match/methods/1: found "P T", expected an HTTP method like "GET"
  help: did you mean "PUT"?"#,
    },
    Mistake {
        title: "bad header conditions",
        wrote: r#""headers": { "x y": "1", "host": "a", "x-a": 1, "x-b": { "regex": "a", "present": true }, "x-c": { "regexp": "a" } }"#,
        instead_of: r#""path_prefix": "/orders""#,
        report: r#"gateway.json:25:63: /routes/0/match/headers/x y: found an invalid header name, expected letters, digits and "-", like "x-version"
gateway.json:25:75: /routes/0/match/headers/host: the Host header cannot be matched here
  help: match the host with "hosts"
gateway.json:25:95: /routes/0/match/headers/x-a: found 1, expected a string or an object
gateway.json:25:105: /routes/0/match/headers/x-b: found an object, expected a text, { "regex": … } or { "present": true }
gateway.json:25:149: /routes/0/match/headers/x-c/regexp: unknown key "regexp", expected "present" or "regex"
  help: did you mean "regex"?"#,
    },
    Mistake {
        title: "a rewrite without a prefix to replace",
        wrote: r#""match": { "path": "/a" }"#,
        instead_of: r#""match": { "path_prefix": "/" }"#,
        report: r#"gateway.json:28:109: /routes/1/rewrite/prefix: this route has no path prefix to replace, expected "path_prefix" in "match", or no condition on the path"#,
    },
    Mistake {
        title: "a variable that is not set",
        wrote: "${env:LOCKGATE_TOKEN}",
        instead_of: "${env:LOCKGATE_ADMIN_TOKEN}",
        report: "gateway.json:5:51: /admin/token: the environment variable LOCKGATE_TOKEN is not set
  help: set LOCKGATE_TOKEN in the gateway's environment",
    },
    Mistake {
        title: "an empty secret",
        wrote: "${env:EMPTY}",
        instead_of: "${env:LOCKGATE_ADMIN_TOKEN}",
        report: "gateway.json:5:51: /admin/token: the token is empty, expected a secret",
    },
    Mistake {
        title: "a file that is not there",
        wrote: r#""kind": "$${file:key} ${file:}""#,
        instead_of: r#""kind": "key""#,
        report: r#"gateway.json:17:53: /plugins/keys/config/kind: found "$${file:key} ${file:}", expected a file path after "file:""#,
    },
    Mistake {
        title: "a secret where something else belongs",
        wrote: r#""balance": "${env:LOCKGATE_ADMIN_TOKEN}""#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:18: /upstreams/orders/balance: found "${env:LOCKGATE_ADMIN_TOKEN}" (its value is not shown), expected one of "round_robin", "random", "least_request", "peak_ewma""#,
    },
    Mistake {
        title: "a secret in an address",
        wrote: r#""listen": "${env:LOCKGATE_ADMIN_TOKEN}""#,
        instead_of: r#""listen": "0.0.0.0:8080""#,
        report: r#"gateway.json:7:24: /listeners/web/listen: found "${env:LOCKGATE_ADMIN_TOKEN}" (its value is not shown), expected an IP address and port, like "127.0.0.1:8080" or "[::]:8080""#,
    },
    Mistake {
        title: "a secret in an endpoint",
        wrote: r#""${env:LOCKGATE_ADMIN_TOKEN}:99999", {"#,
        instead_of: r#""127.0.0.1:9001", {"#,
        report: r#"gateway.json:12:22: /upstreams/orders/endpoints/0: found "${env:LOCKGATE_ADMIN_TOKEN}:99999" (its value is not shown), expected another value"#,
    },
    Mistake {
        title: "a secret as a name",
        wrote: r#""chain": "${env:LOCKGATE_ADMIN_TOKEN}""#,
        instead_of: r#""chain": "default""#,
        report: r#"gateway.json:26:16: /routes/0/chain: found "${env:LOCKGATE_ADMIN_TOKEN}" (its value is not shown), expected the name of a chain: "default" or "public""#,
    },
    Mistake {
        title: "a key that stands twice",
        wrote: r#""workers": 2, "workers": 3"#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:17: /workers: duplicate key "workers"
  help: remove one of the two"#,
    },
    Mistake {
        title: "a comma too many",
        wrote: r#""workers": 2,,"#,
        instead_of: r#""workers": 2,"#,
        report: "gateway.json:3:16: not JSON: found ',', expected a key in double quotes",
    },
    Mistake {
        title: "a comma before the end",
        wrote: r#""prefix": "/v1", }"#,
        instead_of: r#""prefix": "/v1" }"#,
        report: "gateway.json:28:116: not JSON: found '}', expected a key in double quotes
  help: remove the comma before the closing bracket",
    },
    Mistake {
        title: "a comma too few",
        wrote: r#""workers": 2"#,
        instead_of: r#""workers": 2,"#,
        report: r#"gateway.json:4:3: not JSON: found '"', expected a comma or "}""#,
    },
    Mistake {
        title: "a comment",
        wrote: r#""workers": 2, // two"#,
        instead_of: r#""workers": 2,"#,
        report: "gateway.json:3:17: not JSON: found '/', expected a key in double quotes
  help: JSON has no comments",
    },
    Mistake {
        title: "an end too early",
        wrote: r#""rewrite": { "prefix": "/v1" } }"#,
        instead_of: r#""rewrite": { "prefix": "/v1" } }
  ]
}"#,
        report: r#"gateway.json:29:1: not JSON: found the end of the file, expected a comma or "]"
  help: the "[" in line 23 is not closed"#,
    },
    Mistake {
        title: "bad names",
        wrote: r#""we b": {"#,
        instead_of: r#""web": {"#,
        report: r#"gateway.json:7:5: /listeners/we b: found an invalid name, expected 1 to 64 letters, digits, "-", "_" and ".""#,
    },
    Mistake {
        title: "a name that is a secret and not right",
        wrote: r#""${env:LOCKGATE_ADMIN_TOKEN}:80""#,
        instead_of: r#""api.example.com""#,
        report: r#"gateway.json:25:29: /routes/0/match/hosts/0: found "${env:LOCKGATE_ADMIN_TOKEN}:80" (its value is not shown), expected a host name like "api.example.com" or "*.example.com""#,
    },
    Mistake {
        title: "an upstream without weights",
        wrote: r#"{ "address": "127.0.0.1:9002", "weight": 0,"#,
        instead_of: r#""127.0.0.1:9001", { "address": "127.0.0.1:9002", "weight": 2,"#,
        report: "gateway.json:12:20: /upstreams/orders/endpoints: every endpoint has weight 0, expected at least one weight above 0",
    },
    Mistake {
        title: "policies that cannot be",
        wrote: r#""balance": "round_robin", "retry": { "on": [ "503", "6xx" ], "max_backoff": "1ms" }, "circuit_breaker": { "mode": "latency", "threshold": 0.5, "fallback": "stale" }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:59: /upstreams/orders/retry/on/1: found "6xx", expected a text like "connect", "reset", "refused-stream", "timeout", "gateway-error", "5xx" or "503"
gateway.json:13:83: /upstreams/orders/retry/max_backoff: found "1ms", expected at least "backoff", which is 25ms
gateway.json:13:145: /upstreams/orders/circuit_breaker/threshold: found 0.5, expected a duration above zero, as the mode is "latency"
gateway.json:13:162: /upstreams/orders/circuit_breaker/fallback: found "stale", which is not available yet, expected an answer like { "status": 503, "body": "…" }, or { "upstream": "NAME" }
  help: the response cache serves no stale responses so far"#,
    },
    Mistake {
        title: "an upstream that stands in for itself",
        wrote: r#""balance": "round_robin", "outlier_detection": { "consecutive_5xx": 0 }, "circuit_breaker": { "mode": "volume", "threshold": 10.5, "fallback": { "upstream": "orders" } }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:54: /upstreams/orders/outlier_detection: nothing is counted: every number of failures is 0, expected at least one of "consecutive_5xx", "consecutive_gateway_errors" and "consecutive_local_origin_failures" above 0
gateway.json:13:132: /upstreams/orders/circuit_breaker/threshold: found 10.5, expected a whole number of requests, as the mode is "volume"
gateway.json:13:164: /upstreams/orders/circuit_breaker/fallback/upstream: the fallbacks form a circle, expected an upstream whose own fallbacks do not lead back to this one"#,
    },
    Mistake {
        title: "a wrong limit",
        wrote: r#""web": { "listen": "0.0.0.0:8080", "limits": { "headers": 0, "header_timeout": "0s", "header_bytes": "1B" } }"#,
        instead_of: r#""web": { "listen": "0.0.0.0:8080" }"#,
        report: r#"gateway.json:7:63: /listeners/web/limits/headers: found 0, expected a whole number from 1 to 10000
gateway.json:7:84: /listeners/web/limits/header_timeout: found "0s", expected a duration above zero
gateway.json:7:106: /listeners/web/limits/header_bytes: found "1B", expected a size from 1KiB to 16MiB"#,
    },
    Mistake {
        title: "an environment variable that cannot be",
        wrote: r#""module": "auth", "env": { "A=B": "1", "C": "\u0000" }"#,
        instead_of: r#""module": "auth""#,
        report: "gateway.json:17:42: /plugins/keys/env/A=B: found an invalid environment variable name
gateway.json:17:59: /plugins/keys/env/C: the value contains a NUL byte, expected a text without one",
    },
    Mistake {
        title: "a broken substitution",
        wrote: r#""kind": "${KEY}", "key": "${env:KEY""#,
        instead_of: r#""kind": "key""#,
        report: r#"gateway.json:17:53: /plugins/keys/config/kind: found "${KEY}", expected ${env:NAME} or ${file:PATH}
  help: for a literal "${", write "$${"
gateway.json:17:70: /plugins/keys/config/key: found "${env:KEY", expected "}" after "${"
  help: for a literal "${", write "$${""#,
    },
    Mistake {
        title: "a resolver with a DNS server by name, and an unknown key",
        wrote: r#""resolver": { "servers": ["dns.internal"], "serach": [] }"#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:29: /resolver/servers/0: "dns.internal" is not the address of a DNS server; expected an IP address, or IP:PORT
gateway.json:3:46: /resolver/serach: unknown key "serach", expected "attempts", "families", "hosts", "max_ttl", "min_ttl", "ndots", "search", "servers" or "timeout"
  help: did you mean "search"?"#,
    },
    Mistake {
        title: "a resolver whose times do not fit, and whose search list has no domains",
        wrote: r#""resolver": { "min_ttl": "10s", "max_ttl": "5s", "timeout": "0s", "search": ["a b"] }"#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:46: /resolver/max_ttl: "5s" is shorter than "min_ttl", "10s", expected a duration of "min_ttl" or more
gateway.json:3:63: /resolver/timeout: found "0s", expected a duration above zero
gateway.json:3:80: /resolver/search/0: found "a b", expected a domain, such as "svc.cluster.local""#,
    },
    Mistake {
        title: "an upstream without endpoints, and one whose source is unknown",
        wrote: r#""upstreams": { "a": {}, "b": { "discovery": { "type": "etcd" } },"#,
        instead_of: r#""upstreams": {"#,
        report: r#"gateway.json:10:23: /upstreams/a: the key "endpoints" is missing, expected a list of endpoints, or "discovery", which says where they come from
gateway.json:10:57: /upstreams/b/discovery/type: found "etcd", expected one of "file", "dns", "srv", "consul", "kubernetes", "nacos", "registration""#,
    },
    Mistake {
        title: "sources with unknown keys, without required ones, and with values that do not fit",
        wrote: r#""upstreams": { "a": { "discovery": { "type": "consul", "servcie": "x" } },
    "b": { "discovery": { "type": "dns", "name": "10.0.0.1:80", "refresh": "1ms" } },
    "c": { "discovery": { "type": "srv", "name": "a b" } },
    "d": { "discovery": { "type": "consul", "service": "x", "url": "127.0.0.1:8500", "wait": "5" } },
    "e": { "discovery": { "type": "consul", "service": "x", "token": "t", "token_file": "f", "wait": "0s" } },
    "f": { "discovery": { "type": "nacos", "service": "x", "username": "u", "api": 4 } },
    "g": { "discovery": { "type": "nacos", "service": "x", "username": "u" } },
    "h": { "discovery": { "type": "registration", "ttl": "3s" } },
    "i": { "discovery": { "type": "kubernetes", "service": "x", "url": "https://10.0.0.1:6443" } },"#,
        instead_of: r#""upstreams": {"#,
        report: r#"gateway.json:10:58: /upstreams/a/discovery/servcie: unknown key "servcie", expected "datacenter", "namespace", "service", "tags", "token", "token_file", "type", "url", "wait" or "warning"
  help: did you mean "service"?
gateway.json:11:50: /upstreams/b/discovery/name: "10.0.0.1:80" is an IP address, expected a host name and a port, such as "orders.internal:9001"
  help: an IP address belongs to "endpoints"
gateway.json:11:76: /upstreams/b/discovery/refresh: found "1ms", expected a duration of "100ms" or more
gateway.json:12:50: /upstreams/c/discovery/name: found "a b", expected the name of SRV records, such as "_http._tcp.orders.internal"
gateway.json:13:68: /upstreams/d/discovery/url: found "127.0.0.1:8500", expected a text like "http://127.0.0.1:8500" or "https://consul.internal:8501"
gateway.json:13:94: /upstreams/d/discovery/wait: found "5", expected a duration with its unit, like "250ms", "5s" or "3m"
gateway.json:14:89: /upstreams/e/discovery/token_file: there is a "token", too, expected either "token" or "token_file"
gateway.json:14:102: /upstreams/e/discovery/wait: found "0s", expected a duration above zero, at most "10m"
gateway.json:15:25: /upstreams/f/discovery: the key "password" is missing, expected both "username" and "password", or none
gateway.json:15:84: /upstreams/f/discovery/api: found 4, expected a whole number from 1 to 3
gateway.json:16:25: /upstreams/g/discovery: the key "password" is missing, expected both "username" and "password", or none
gateway.json:17:51: /upstreams/h/discovery/ttl: unknown key "ttl", expected "type"
gateway.json:18:72: /upstreams/i/discovery/url: "https://10.0.0.1:6443" asks for TLS, which sources do not speak yet, expected http://HOST:PORT
  help: a proxy beside the gateway can speak TLS, such as "kubectl proxy" or a Consul agent"#,
    },
    Mistake {
        title: "an access log in no folder",
        wrote: r#""access_log": { "path": "logs/access.log" }"#,
        instead_of: r#""workers": 2"#,
        report: r#"gateway.json:3:27: /access_log/path: found "logs/access.log", expected "stdout", "stderr" or a file in a folder that exists"#,
    },
    Mistake {
        title: "a health check of an unknown type",
        wrote: r#""balance": "round_robin", "health_check": { "type": "htpp" }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:59: /upstreams/orders/health_check/type: found "htpp", expected one of "http", "tcp", "grpc"
  help: did you mean "http"?"#,
    },
    Mistake {
        title: "keys of a health check that its type has no use for",
        wrote: r#""balance": "round_robin", "health_check": { "type": "tcp", "path": "/", "expect": [ "2xx" ], "service": "a" }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:66: /upstreams/orders/health_check/path: a check of type "tcp" has no "path", expected the key only with type "http"
gateway.json:13:79: /upstreams/orders/health_check/expect: a check of type "tcp" has no "expect", expected the key only with type "http"
gateway.json:13:100: /upstreams/orders/health_check/service: a check of type "tcp" has no "service", expected the key only with type "grpc""#,
    },
    Mistake {
        title: "statuses that are none",
        wrote: r#""balance": "round_robin", "health_check": { "type": "http", "expect": [ "2xx", 99, "2x" ] }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:86: /upstreams/orders/health_check/expect/1: found 99, expected a whole number from 100 to 599
gateway.json:13:90: /upstreams/orders/health_check/expect/2: found "2x", expected a text like "2xx" or "200-399""#,
    },
    Mistake {
        title: "a health check without time",
        wrote: r#""balance": "round_robin", "health_check": { "type": "http", "interval": "1ms", "timeout": "0s", "healthy": 0 }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:79: /upstreams/orders/health_check/interval: found "1ms", expected a duration from 10ms
gateway.json:13:97: /upstreams/orders/health_check/timeout: found "0s", expected a duration above zero
gateway.json:13:114: /upstreams/orders/health_check/healthy: found 0, expected a whole number of at least 1"#,
    },
    Mistake {
        title: "a health check's request that cannot be sent",
        wrote: r#""balance": "round_robin", "health_check": { "type": "http", "path": "healthz", "method": "PUT", "host": "a b", "headers": { "content-length": "1" } }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:75: /upstreams/orders/health_check/path: found "healthz", expected a text like "/healthz"
gateway.json:13:96: /upstreams/orders/health_check/method: found "PUT", expected one of "GET", "HEAD", "OPTIONS", "POST"
  help: did you mean "POST"?
gateway.json:13:111: /upstreams/orders/health_check/host: "a b" is not a host name; expected a name or an address, such as "orders.internal"
gateway.json:13:129: /upstreams/orders/health_check/headers: a probe writes "content-length" itself"#,
    },
    Mistake {
        title: "a misspelt key of a health check",
        wrote: r#""balance": "round_robin", "health_check": { "type": "grpc", "servise": "orders" }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:67: /upstreams/orders/health_check/servise: unknown key "servise", expected "expect", "headers", "healthy", "host", "initial", "interval", "method", "path", "port", "service", "timeout", "type" or "unhealthy"
  help: did you mean "service"?"#,
    },
    Mistake {
        title: "a server name with a port, and half of a pair",
        wrote: r#""tls": { "server_name": "orders:443", "cert": "api.pem" }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:14: /upstreams/orders/tls: the key "key" is missing, expected the PEM file that belongs to "cert"
gateway.json:13:31: /upstreams/orders/tls/server_name: found "orders:443", expected a host name such as "orders.internal", or an IP address, without a port"#,
    },
    Mistake {
        title: "TLS that is neither a switch nor settings",
        wrote: r#""tls": "yes""#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:14: /upstreams/orders/tls: found "yes", expected true or false or an object"#,
    },
    Mistake {
        title: "an unknown setting of TLS, and a file that is not there",
        wrote: r#""tls": { "ca": "nobody.pem", "verfy": false }"#,
        instead_of: r#""balance": "round_robin""#,
        report: r#"gateway.json:13:22: /upstreams/orders/tls/ca: found "nobody.pem", expected a readable PEM file: No such file or directory (os error 2)
  help: relative paths start at the folder of the configuration file
gateway.json:13:36: /upstreams/orders/tls/verfy: unknown key "verfy", expected "ca", "cert", "key", "server_name" or "verify"
  help: did you mean "verify"?"#,
    },
];
