"""HAProxy as a gateway, plain."""

from machine import free_port
from server import Server

CONFIG = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 3600s
    timeout server 3600s
    timeout http-keep-alive 3600s
    http-reuse always
frontend web
    bind 127.0.0.1:{port}
    default_backend service
backend service
    server one 127.0.0.1:{upstream}
"""


def plain(setting):
    port = free_port()
    config = setting.folder / "haproxy.cfg"
    config.write_text(CONFIG.format(port=port, upstream=setting.upstream))
    server = Server("haproxy-plain", ["haproxy", "-db", "-f", config], setting.gateway_core, setting.folder)
    server.wait_until_ready(port)
    return server, port
