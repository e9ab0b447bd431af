"""The load: wrk on its own core, keep-alive, as many requests as come back."""

import re
import subprocess

CONNECTIONS = 32


class BadAnswers(Exception):
    """The load met errors, so its figure would be the price of something else."""


def drive(core, port, seconds, path="/", headers=None, script=None):
    """Runs the load for that time; returns how many requests were answered."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    if script:
        command += ["-s", str(script)]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    faults = re.findall(r"(?:Socket errors|Non-2xx).*", done.stdout)
    if faults:
        raise BadAnswers("; ".join(faults))
    return int(re.search(r"(\d+) requests in", done.stdout).group(1))
