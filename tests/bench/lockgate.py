"""Lockgate as a gateway, in every shape that a row of the table needs."""

import hashlib
import json

from machine import free_port
from server import Server, put


def plain(setting):
    return start(setting, "plain")


def wasm(setting, module, isolation="shared", config=None):
    """A chain of five plugins made of one module, each in a VM of its own."""
    plugin = {"module": module, "isolation": isolation, **({"config": config} if config else {})}
    plugins = {f"{module}-{n}": plugin for n in range(5)}
    return start(setting, f"{module}-{isolation}", plugins=plugins, chain=list(plugins), plugin_dir=setting.guests)


# Whatever a plugin that reads and sets `x-bench` may be restricted to, none of it the default.
GUARDS = {
    "limits": {
        "deadline": "5ms", "request_deadline": "50ms", "memory": "16MiB", "soft_memory": "8MiB", "body": "64KiB",
        "body_growth": "64KiB", "header_growth": "64KiB", "local_response": "64KiB", "callouts": 4,
        "callouts_per_request": 1, "log_lines": 10, "log_bytes": "16KiB", "tick": "100ms",
    },
    "capabilities": {
        "host_calls": ["get_header_map_value", "replace_header_map_value"], "headers": ["x-bench"],
        "write_headers": ["x-bench"], "write_properties": [], "upstreams": [], "foreign_functions": [],
    },
}

# The trace switch is on for as long as it can be, and matches no request.
TRACE = {"path_prefix": "/nobody-asks-for-this", "listener": "web", "requests": 1000, "duration": "1h"}


def guarded(setting, module):
    """The same chain with every guard set."""
    digest = hashlib.sha256((setting.guests / f"{module}.wasm").read_bytes()).hexdigest()
    plugins = {f"{module}-{n}": {"module": module, "sha256": digest, **GUARDS} for n in range(5)}
    admin = free_port()
    started = start(setting, f"{module}-guarded", plugins=plugins, chain=list(plugins), plugin_dir=setting.guests,
                    admin={"listen": f"127.0.0.1:{admin}"})
    told = put(admin, "/api/trace", json.dumps(TRACE))
    assert told.status == 200, f"the trace switch answers {told.status}: {told.body[:200]!r}"
    return started


def routes(setting, number):
    """A table of that many routes, over ten hosts; the load asks for a thousand of them in turn."""
    table = [
        {
            "name": f"service-{n}",
            "match": {"hosts": [f"h{n % 10}.example.com"], "path_prefix": f"/service-{n}"},
            "upstream": "one",
        }
        for n in range(number)
    ]
    return start(setting, f"routes-{number}", routes=table)


def real_chain(setting):
    """Who, may they, how often, where to, headers: the chain that most gateways are bought for."""
    key = hashlib.sha256(setting.key.encode()).hexdigest()
    plugins = {
        "auth": {
            "module": "auth",
            "config": {"kind": "key", "consumers": [{"name": "alice", "groups": ["staff"], "keys": [f"sha256:{key}"]}]},
        },
        "acl": {"module": "acl", "config": {"allow": [{"groups": ["staff"]}]}},
        "quota": {"module": "quota", "config": {"rules": [{"limit": 100000000, "window": "1s"}]}},
        "canary": {"module": "canary", "config": {"stable": "one", "canary": "two", "weight": 10}},
        "headers": {"module": "headers", "config": {
            "request": {"set": {"x-gateway": "bench"}}, "response": {"set": {"x-gateway": "bench"}},
        }},
    }
    return start(setting, "chain", plugins=plugins, chain=list(plugins), plugin_dir=setting.plugins)


def cache(setting):
    return start(setting, "cache", plugins={"cache": {"module": "cache", "config": {}}}, chain=["cache"],
                 plugin_dir=setting.plugins)


def start(setting, name, plugins=None, chain=(), routes=None, plugin_dir=None, wait=True, admin=None):
    """Starts it on a free port with one worker; what it compiles is kept in the bench's own cache folder."""
    port = free_port()
    config = {
        "workers": 1,
        "listeners": {"web": {"listen": f"127.0.0.1:{port}", "limits": {"connections": 20000}}},
        "upstreams": {
            "one": {"endpoints": [f"127.0.0.1:{setting.upstream}"]},
            "two": {"endpoints": [f"127.0.0.1:{setting.upstream}"]},
        },
        "plugins": plugins or {},
        "routes": routes or [{"name": "all", "upstream": "one", "chain": list(chain)}],
    }
    if admin:
        config["admin"] = admin
    if plugin_dir:
        config["plugin_dir"] = str(plugin_dir)
    file = setting.folder / f"lockgate-{name}.json"
    file.write_text(json.dumps(config, indent=1))
    command = [setting.lockgate, "run", "--config", file]
    server = Server(f"lockgate-{name}", command, setting.gateway_core, setting.folder, env=setting.environment)
    if wait:
        path, headers = ("/service-0/", {"Host": "h0.example.com"}) if routes else ("/", setting.key_header)
        server.wait_until_ready(port, path, headers)
    return server, port
