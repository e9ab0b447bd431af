"""Every gateway in every shape that is measured by rounds, and the proof that each does its work."""

from functools import partial

import envoy
import haproxy
import lockgate
import nginx
from rounds import Subject
from upstream import BODY

# Asks for a thousand of the routes in turn, spread over the whole table.
ROUTES_SCRIPT = """
local requests = {{}}
local next = 0
for i = 1, 1000 do
  local n = i * 7919 % {number}
  requests[i] = "GET /service-" .. n .. "/items HTTP/1.1\\r\\nHost: h" .. (n % 10) .. ".example.com\\r\\n\\r\\n"
end
request = function()
  next = next % 1000 + 1
  return requests[next]
end
"""


# One header hook with a configuration: with the plain crate, on the SDK, and on the SDK as a hook that may wait.
HOOKS = ["hook", "hook-sdk", "hook-async"]
HOOK = {"header": "x-bench"}


def subjects(setting):
    """All of them, those of absent programs left out."""
    listed = [
        Subject("nginx plain", nginx.plain, verify=plain),
        Subject("haproxy plain", haproxy.plain, verify=plain),
        Subject("lockgate plain", lockgate.plain, verify=plain),
        Subject("lockgate idle-sdk", partial(lockgate.wasm, module="idle-sdk"), verify=plain),
        Subject("lockgate headers-sdk", partial(lockgate.wasm, module="headers-sdk"), verify=counted),
        Subject("lockgate guards", partial(lockgate.guarded, module="headers-sdk"), verify=counted),
        Subject("lockgate idle", partial(lockgate.wasm, module="idle"), verify=plain),
        Subject("lockgate headers", partial(lockgate.wasm, module="headers"), verify=counted),
        *(Subject(f"lockgate {hook}", partial(lockgate.wasm, module=hook, config=HOOK), verify=counted_up)
          for hook in HOOKS),
        Subject("lockgate stream", partial(lockgate.wasm, module="idle", isolation="stream"), verify=plain),
        Subject("lockgate chain", lockgate.real_chain, headers=setting.key_header, verify=stamped),
        Subject("nginx cache", nginx.cache, path="/cacheable/", verify=nginx_hit),
        Subject("lockgate cache", lockgate.cache, path="/cacheable/", verify=lockgate_hit),
        Subject("lockgate 10 routes", partial(lockgate.routes, number=10), **routed(setting, 10)),
        Subject("lockgate 10000 routes", partial(lockgate.routes, number=10000), **routed(setting, 10000)),
    ]
    if setting.envoy:
        listed[2:2] = [
            Subject("envoy plain", envoy.plain, verify=plain),
            Subject("envoy idle-sdk", partial(envoy.wasm, module="idle-sdk"), verify=plain),
            Subject("envoy headers-sdk", partial(envoy.wasm, module="headers-sdk"), verify=counted),
            Subject("envoy idle", partial(envoy.wasm, module="idle"), verify=plain),
            Subject("envoy headers", partial(envoy.wasm, module="headers"), verify=counted),
            *(Subject(f"envoy {hook}", partial(envoy.wasm, module=hook, config=HOOK), verify=counted_up)
              for hook in HOOKS),
            Subject("envoy chain", partial(envoy.native, key=setting.key), headers=setting.key_header, verify=stamped),
        ]
    return listed


def routed(setting, number):
    script = setting.folder / f"routes-{number}.lua"
    script.write_text(ROUTES_SCRIPT.format(number=number))
    return {"path": "/service-0/items", "headers": {"Host": "h0.example.com"}, "script": script, "verify": plain}


def plain(answer):
    assert answer.status == 200, f"status {answer.status}"
    assert answer.body == BODY.encode(), f"body {answer.body[:200]!r}"


def counted(answer):
    plain(answer)
    assert answer.headers.get("x-bench") == "5", f"x-bench {answer.headers.get('x-bench')}: not five plugins"


def counted_up(answer):
    plain(answer)
    assert answer.headers.get("x-seen") == "5", f"upstream saw {answer.headers.get('x-seen')}: not five plugins"


def stamped(answer):
    plain(answer)
    assert answer.headers.get("x-gateway") == "bench", "the last plugin of the chain set no header"


def nginx_hit(answer):
    plain(answer)
    assert answer.headers.get("x-cache") == "HIT", f"x-cache {answer.headers.get('x-cache')}"


def lockgate_hit(answer):
    plain(answer)
    status = answer.headers.get("cache-status", "none")
    assert "hit" in status, f"cache-status {status}"
