"""The table's rows: which figures stand in each, and what Lockgate is aimed at."""

import sys
from dataclasses import dataclass, field
from typing import Callable

import probes
from machine import Unmeasurable
from server import NotServing

PEERS = ["nginx", "haproxy", "envoy", "lockgate"]


@dataclass
class Row:
    """One line of the table. `needs` names the subjects that must have been measured for it."""

    key: str
    title: str
    target: str
    needs: list
    # (measured, setting) -> {peer: text}
    cells: Callable = field(repr=False)


def cost(shape, **others):
    """Cells of CPU cost, as multiples of nginx's plain proxying. `others` names a peer's own shape."""

    def cells(measured, setting):
        base = measured["nginx plain"]
        found = {}
        for peer in PEERS:
            subject = measured.get(f"{peer} {others.get(peer, shape)}")
            if subject:
                found[peer] = f"{subject.ratio(base):.2f} ({subject.median:.1f} µs)"
        return found

    return cells


def each(probe, shape):
    """Cells of one figure taken from every peer that runs in that shape."""

    def cells(measured, setting):
        return {p: attempt(lambda: probe(measured[f"{p} {shape}"], setting)) for p in PEERS if f"{p} {shape}" in measured}

    return cells


def attempt(figure):
    try:
        return figure()
    except (Unmeasurable, NotServing, OSError) as reason:
        print(f"!! {reason}", file=sys.stderr)
        return "–"


def shapes(shape, *peers):
    return [f"{peer} {shape}" for peer in peers or PEERS]


def stream_cells(measured, setting):
    own, shared = measured.get("lockgate stream"), measured.get("lockgate idle")
    if not (own and shared):
        return {}
    return {"lockgate": f"{(own.median - shared.median) / 5:.1f} µs"}


def routes_cells(measured, setting):
    few, many = measured.get("lockgate 10 routes"), measured.get("lockgate 10000 routes")
    if not (few and many):
        return {}
    return {"lockgate": f"{100 * (many.ratio(few) - 1):+.1f} %"}


def guards_cells(measured, setting):
    guarded, free = measured.get("lockgate guards"), measured.get("lockgate headers-sdk")
    if not (guarded and free):
        return {}
    return {"lockgate": f"{100 * (guarded.ratio(free) - 1):+.1f} %"}


def start_cells(measured, setting):
    return {"lockgate": attempt(lambda: f"{1000 * probes.start_to_ready(setting):.0f} ms")}


def swap_cells(measured, setting):
    def text():
        fresh, cached = probes.swap(setting)
        return f"{1000 * fresh:.0f} ms, {1000 * cached:.0f} ms"

    return {"lockgate": attempt(text)}


def system_calls(measured, setting):
    return f"{probes.system_calls(measured, setting):.2f}"


def memory(measured, setting):
    return f"{probes.memory(measured) / 1e6:.0f} MB"


def idle_connection(measured, setting):
    return f"{probes.idle_connection(measured, setting.descriptors) / 1024:.1f} KiB"


ROWS = [
    Row("plain", "plain proxying", "≤ 1.00", shapes("plain"), cost("plain")),
    Row("idle", "+ 5 plugins that do nothing, on the SDK", "≤ 1.10",
        shapes("idle-sdk", "envoy", "lockgate"), cost("idle-sdk")),
    Row("idle-plain", "the same, written with the proxy-wasm crate", "≤ 1.10",
        shapes("idle", "envoy", "lockgate"), cost("idle")),
    Row("headers", "+ 5 plugins that read and set a header in both directions, on the SDK", "≤ 1.30",
        shapes("headers-sdk", "envoy", "lockgate"), cost("headers-sdk")),
    Row("headers-plain", "the same, written with the proxy-wasm crate", "≤ 1.30",
        shapes("headers", "envoy", "lockgate"), cost("headers")),
    Row("guards", "those on the SDK, with all limits, allow lists, pins, and a trace waiting", "noise",
        ["lockgate guards", "lockgate headers-sdk"], guards_cells),
    Row("hook", "+ 5 plugins with one header hook and a configuration, on the SDK", "≤ plain crate",
        shapes("hook-sdk", "envoy", "lockgate"), cost("hook-sdk")),
    Row("hook-async", "the same, as an `async` hook", "≤ plain crate",
        shapes("hook-async", "envoy", "lockgate"), cost("hook-async")),
    Row("hook-plain", "the same, written with the proxy-wasm crate", "",
        shapes("hook", "envoy", "lockgate"), cost("hook")),
    Row("chain", "real chain: API key, ACL, quota, canary, header (Envoy: its native filters)", "≤ 1.60",
        shapes("chain", "envoy", "lockgate"), cost("chain")),
    Row("cache", "cache hit", "≤ 0.70", shapes("cache", "nginx", "lockgate"), cost("cache")),
    Row("stream", "a plugin isolated per stream, on top of shared", "< 15 µs",
        ["lockgate stream", "lockgate idle"], stream_cells),
    Row("routes", "10 → 10,000 routes", "< 5 %", ["lockgate 10 routes", "lockgate 10000 routes"], routes_cells),
    Row("calls", "system calls per plain request", "≤ 5.0", shapes("plain"), each(system_calls, "plain")),
    Row("memory", "memory with 5 plugins, one worker", "≤ 35 MB",
        shapes("headers", "envoy", "lockgate"), each(memory, "headers")),
    Row("connections", "one of 10,000 idle connections", "≤ 4 KiB",
        shapes("plain"), each(idle_connection, "plain")),
    Row("start", "start to first answer, 5 cached plugins", "< 100 ms", [], start_cells),
    Row("swap", "a new 200 KB module to its first answer; from the compile cache", "< 1 s; < 50 ms", [], swap_cells),
]
