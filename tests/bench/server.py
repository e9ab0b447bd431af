"""A process that serves while it is measured, and stands still while another one is."""

import http.client
import os
import signal
import subprocess
import time
from pathlib import Path


class NotServing(Exception):
    """The process ended, or never answered; the text holds the end of its log."""


class Server:
    """One process, pinned to one core. `command` must stay in the foreground as a single process."""

    def __init__(self, name, command, core, folder, env=None):
        self.name = name
        self.folder = Path(folder)
        self._log = self.folder / f"{name}.log"
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
        )

    @property
    def pid(self):
        return self._process.pid

    def wait_until_ready(self, port, path="/", headers=None, seconds=60, pause=0.02):
        """Polls until the path answers with 200; returns the seconds that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if self._process.poll() is not None:
                raise NotServing(f"{self.name} ended with {self._process.returncode}:\n{self._last_words()}")
            try:
                if get(port, path, headers).status == 200:
                    return time.monotonic() - begun
            except OSError:
                pass
            time.sleep(pause)
        raise NotServing(f"{self.name} does not answer:\n{self._last_words()}")

    def freeze(self):
        """Stops all its threads: what ticks in it costs the one being measured nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self):
        return self._log.read_text(errors="replace")[-3000:]


class Answer:
    """A whole answer to one request."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


def get(port, path="/", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def put(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("PUT", path, body=body)
        return Answer(connection.getresponse())
    finally:
        connection.close()
