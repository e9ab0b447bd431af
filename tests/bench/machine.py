"""What the kernel knows: cores, CPU time, memory, system calls. Nothing here knows what is being compared."""

import os
import re
import resource
import shutil
import socket
import subprocess
import time
from pathlib import Path


class Unmeasurable(Exception):
    """This machine cannot give the figure; the text says why."""


def two_cores():
    """The core for the gateway and the core for all else."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Unmeasurable("two cores are needed: one for the gateway, one for the load and the upstream")
    return cores[0], cores[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptor_limit():
    """As many open files as wanted, or as this user may have; returns that number. Child processes inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(most, 65536), most):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, PermissionError):
            continue
    raise Unmeasurable("the limit of open files cannot be set")


def cpu_microseconds(pid):
    """CPU time that all threads of a process have used, by the scheduler's own clock."""
    nanoseconds = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        nanoseconds += int(schedstat.read_text().split()[0])
    return nanoseconds / 1000


def resident_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024


def anonymous_bytes(pid):
    """Memory that the process owns alone, without pages of files."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.M).group(1)) * 1024


def count_system_calls(pid, seconds):
    """System calls that a process makes in that time: by perf, else by strace, which slows it down."""
    if shutil.which("perf"):
        command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(pid), "sleep", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"^(\d+),.*raw_syscalls:sys_enter", done.stderr, re.M)
        if found:
            return int(found.group(1))
    if shutil.which("strace"):
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-q", "-p", str(pid)], stderr=subprocess.PIPE, text=True
        )
        time.sleep(seconds)
        tracer.terminate()
        _, report = tracer.communicate()
        found = re.search(r"^100\.00\s.*?(\d+)(?:\s+\d+)?\s+total$", report, re.M)
        if found:
            return int(found.group(1))
    raise Unmeasurable("neither perf nor strace can count system calls here")


def description():
    """One line about this machine."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    kernel = os.uname().release
    return f"{cpu.group(1) if cpu else os.uname().machine}, {os.cpu_count()} cores, Linux {kernel}"
