"""What every gateway here proxies to: nginx answering 100 bytes from memory, on the load's core."""

from machine import free_port
from server import Server

BODY = ("lockgate-bench " * 7)[:100]

CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/upstream.pid;
error_log {folder}/upstream.error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/upstream.body;
    proxy_temp_path {folder}/upstream.proxy;
    fastcgi_temp_path {folder}/upstream.fastcgi;
    uwsgi_temp_path {folder}/upstream.uwsgi;
    scgi_temp_path {folder}/upstream.scgi;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            default_type text/plain;
            add_header X-Seen $http_x_bench;
            return 200 "{body}";
        }}
        location /cacheable/ {{
            default_type text/plain;
            add_header Cache-Control max-age=3600;
            return 200 "{body}";
        }}
    }}
}}
"""


class Upstream:
    def __init__(self, core, folder):
        self.port = free_port()
        config = folder / "upstream.conf"
        config.write_text(CONFIG.format(folder=folder, port=self.port, body=BODY))
        self._server = Server("upstream", ["nginx", "-p", folder, "-c", config, "-e", "stderr"], core, folder)
        self._server.wait_until_ready(self.port)

    def stop(self):
        self._server.stop()
