"""Figures that are not CPU time by rounds: system calls, memory, idle connections, starts and swaps."""

import os
import socket
import statistics
import threading
import time

import lockgate
from machine import Unmeasurable, anonymous_bytes, count_system_calls, resident_bytes
from server import get

IDLE_CONNECTIONS = 10000
SWAP_BYTES = 200 * 1024


def system_calls(measured, setting):
    """System calls a request under full load. The tracer brackets the load; what idles around it is noise."""
    measured.server.thaw()
    counted = []
    tracer = threading.Thread(target=lambda: counted.append(_or_reason(measured.server.pid, setting.seconds + 1)))
    tracer.start()
    time.sleep(0.5)
    requests = measured.drive(setting.seconds)
    tracer.join()
    measured.server.freeze()
    if isinstance(counted[0], Unmeasurable):
        raise counted[0]
    return counted[0] / requests


def _or_reason(pid, seconds):
    try:
        return count_system_calls(pid, seconds)
    except Unmeasurable as reason:
        return reason


def memory(measured):
    """Resident bytes after all the rounds."""
    return resident_bytes(measured.server.pid)


def idle_connection(measured, descriptors):
    """Bytes that the process grows by for each idle keep-alive connection that has had one request."""
    number = min(IDLE_CONNECTIONS, descriptors - 500)
    measured.server.thaw()
    before = anonymous_bytes(measured.server.pid)
    connections = []
    try:
        for _ in range(number):
            connection = socket.create_connection(("127.0.0.1", measured.port), timeout=5)
            connections.append(connection)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise Unmeasurable("an idle connection got no answer")
        time.sleep(1)
        return (anonymous_bytes(measured.server.pid) - before) / number
    except OSError as error:
        raise Unmeasurable(f"connection {len(connections)} of {number}: {error}") from error
    finally:
        for connection in connections:
            connection.close()
        measured.server.freeze()


def start_to_ready(setting):
    """Seconds from exec to the first answer through five plugins that were compiled before; a median."""

    def once():
        begun = time.monotonic()
        plugins = {f"headers-{n}": {"module": "headers"} for n in range(5)}
        server, port = lockgate.start(
            setting, "start", plugins=plugins, chain=list(plugins), plugin_dir=setting.guests, wait=False
        )
        try:
            server.wait_until_ready(port, pause=0.001)
            return time.monotonic() - begun
        finally:
            server.stop()

    once()
    return statistics.median(once() for _ in range(max(3, setting.rounds)))


def swap(setting):
    """Seconds from replacing a module's file to the first answer through it: compiled anew, and from the cache."""
    folder = setting.folder / "swap"
    folder.mkdir(exist_ok=True)
    idle, headers = ((setting.guests / f"{name}.wasm").read_bytes() for name in ("idle", "headers"))
    _replace(folder, idle)
    server, port = lockgate.start(
        setting, "swap", plugins={"swapped": {"module": "swapped"}}, chain=["swapped"], plugin_dir=folder
    )
    try:
        fresh, cached = [], []
        for _ in range(max(3, setting.rounds)):
            module = _padded(headers)
            for figures in (fresh, cached):
                figures.append(_until(port, folder, module, present=True))
                _until(port, folder, idle, present=False)
        return statistics.median(fresh), statistics.median(cached)
    finally:
        server.stop()


def _until(port, folder, module, present, seconds=10):
    begun = time.monotonic()
    _replace(folder, module)
    while time.monotonic() - begun < seconds:
        if ("x-bench" in get(port).headers) == present:
            return time.monotonic() - begun
        time.sleep(0.001)
    raise Unmeasurable("a replaced module never took effect")


def _replace(folder, module):
    new = folder / "swapped.new"
    new.write_bytes(module)
    new.rename(folder / "swapped.wasm")


def _padded(module):
    """The same code at 200 KB that no compile cache has seen: a custom section of random bytes at the end."""
    content = b"\x03pad" + os.urandom(max(16, SWAP_BYTES - len(module) - 8))
    return module + b"\x00" + _leb128(len(content)) + content


def _leb128(number):
    encoded = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        encoded.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
