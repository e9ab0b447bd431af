"""Envoy as a gateway: plain, with Wasm plugins, and with its native filters for the same work."""

import json

from machine import free_port
from server import Server

STRING = "type.googleapis.com/google.protobuf.StringValue"
HTTP = "type.googleapis.com/envoy.extensions.filters.http"


def plain(setting):
    return _start(setting, "plain", [])


def wasm(setting, module, config=None):
    """The chain of five plugins, each in a VM of its own, as five different plugins would be."""
    return _start(setting, module, [
        _plugin(setting.guests / f"{module}.wasm", f"{module}-{n}", config) for n in range(5)
    ])


def native(setting, key):
    """Envoy's own C++ filters for what the real chain does: who, may they, how often, where to, headers."""
    filters = [
        _filter("api_key_auth", "api_key_auth.v3.ApiKeyAuth", {
            "credentials": [{"key": key, "client": "alice"}],
            "key_sources": [{"header": "x-api-key"}],
            "forwarding": {"header": "x-consumer", "hide_credentials": True},
        }),
        _filter("rbac", "rbac.v3.RBAC", {
            "rules": {"action": "ALLOW", "policies": {"group": {
                "permissions": [{"any": True}],
                "principals": [{"header": {"name": "x-consumer", "string_match": {"exact": "alice"}}}],
            }}},
        }),
        _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", {
            "stat_prefix": "quota",
            "token_bucket": {"max_tokens": 100000000, "tokens_per_fill": 100000000, "fill_interval": "1s"},
            "filter_enabled": {"default_value": {"numerator": 100}},
            "filter_enforced": {"default_value": {"numerator": 100}},
        }),
        _filter("header_mutation", "header_mutation.v3.HeaderMutation", {
            "mutations": {
                "request_mutations": [{"append": _header("x-gateway", "bench")}],
                "response_mutations": [{"append": _header("x-gateway", "bench")}],
            },
        }),
    ]
    split = {"weighted_clusters": {"clusters": [{"name": "one", "weight": 90}, {"name": "two", "weight": 10}]}}
    return _start(setting, "native", filters, split)


def _header(name, value):
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _filter(name, kind, config):
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{HTTP}.{kind}", **config}}


def _plugin(path, name, config):
    return _filter("wasm", "wasm.v3.Wasm", {
        "config": {
            "name": name,
            "root_id": name,
            "vm_config": {
                "vm_id": name,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": str(path)}},
            },
            **({"configuration": {"@type": STRING, "value": json.dumps(config)}} if config else {}),
        },
    })


def _start(setting, name, filters, action=None):
    port = free_port()
    config = setting.folder / f"envoy-{name}.json"
    config.write_text(json.dumps(_config(port, setting.upstream, filters, action or {"cluster": "one"})))
    command = [setting.envoy, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    server = Server(f"envoy-{name}", command, setting.gateway_core, setting.folder)
    server.wait_until_ready(port, headers=setting.key_header)
    return server, port


def _config(port, upstream, filters, action):
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{HTTP}.router.v3.Router"}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "use_remote_address": True,
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": action},
            ]}],
        },
        "http_filters": [*filters, router],
    }
    return {
        "static_resources": {
            "listeners": [{
                "name": "web",
                "address": _address(port),
                "filter_chains": [{"filters": [
                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                ]}],
            }],
            "clusters": [_cluster("one", upstream), _cluster("two", upstream)],
        },
    }


def _cluster(name, port):
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
