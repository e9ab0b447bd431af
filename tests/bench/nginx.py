"""nginx as a gateway: plain, and with its response cache."""

from machine import free_port
from server import Server

CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/{name}.body;
    proxy_temp_path {folder}/{name}.proxy;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
    proxy_cache_path {folder}/{name}.cache keys_zone=answers:10m use_temp_path=off;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    upstream service {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
        keepalive_timeout 3600s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://service;
            {location}
        }}
    }}
}}
"""


def plain(setting):
    return _start(setting, "nginx-plain", "")


def cache(setting):
    return _start(setting, "nginx-cache", "proxy_cache answers; add_header X-Cache $upstream_cache_status;")


def _start(setting, name, location):
    port = free_port()
    config = setting.folder / f"{name}.conf"
    config.write_text(
        CONFIG.format(folder=setting.folder, name=name, port=port, upstream=setting.upstream, location=location)
    )
    command = ["nginx", "-p", setting.folder, "-c", config, "-e", "stderr"]
    server = Server(name, command, setting.gateway_core, setting.folder)
    server.wait_until_ready(port)
    return server, port
