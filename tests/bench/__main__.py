"""`make bench`: what a request costs in Lockgate, beside nginx, HAProxy and Envoy.

Cost is CPU time of the gateway process per request, divided by nginx's for plain proxying in the same round. The
gateway has one core and one worker; load and upstream have the other core.
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import machine
from rounds import measure
from rows import ROWS
from subjects import subjects
from table import render
from upstream import Upstream

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Setting:
    """All that subjects and rows need to know about this run."""

    folder: Path
    gateway_core: int
    load_core: int
    rounds: int
    seconds: int
    warm_up: int
    descriptors: int
    envoy: str | None
    lockgate: Path = ROOT / "target/release/lockgate"
    plugins: Path = ROOT / "target/plugins"
    guests: Path = ROOT / "target/bench/guests"
    upstream: int = 0
    key: str = "bench-key"

    @property
    def key_header(self):
        return {"X-Api-Key": self.key}

    @property
    def environment(self):
        """The compile cache of the bench is its own: a cached start must not depend on what ran before it."""
        return {"XDG_CACHE_HOME": str(self.folder / "cache"), "RUST_LOG": "warn"}


def arguments():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: 7)")
    parser.add_argument("--seconds", type=int, default=2, help="of load in a round (default: 2)")
    keys = ",".join(row.key for row in ROWS)
    parser.add_argument("--rows", default=keys, help=f"some of {keys}")
    chosen = parser.parse_args()
    unknown = set(chosen.rows.split(",")) - set(keys.split(","))
    if unknown:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {keys}")
    return chosen


def envoy_binary():
    found = subprocess.run([ROOT / "scripts/setup-envoy"], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def head(setting):
    day = datetime.date.today().isoformat()
    return (
        f"{day}, {machine.description()}; medians of {setting.rounds} rounds. Cells with a time are multiples of\n"
        "nginx's CPU time per request for plain proxying, with the time itself behind.\n\n"
    )


def main():
    chosen = arguments()
    rows = [row for row in ROWS if row.key in chosen.rows.split(",")]
    gateway_core, load_core = machine.two_cores()
    descriptors = machine.raise_descriptor_limit()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
        os.chmod(folder, 0o755)
        setting = Setting(
            Path(folder), gateway_core, load_core, chosen.rounds, chosen.seconds, 3, descriptors, envoy_binary()
        )
        table = run(setting, rows)
    print("\n" + table)
    kept = ROOT / "target/bench/table.md"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(table)


def run(setting, rows):
    upstream = Upstream(setting.load_core, setting.folder)
    setting.upstream = upstream.port
    needed = {"nginx plain"}.union(*(row.needs for row in rows))
    running = {}
    try:
        running = measure([s for s in subjects(setting) if s.name in needed], setting)
        lines = [(row.title, row.cells(running, setting), row.target) for row in rows]
        for name, measured in running.items():
            print(f"{name}: {measured.median:.2f} µs ± {100 * measured.spread:.1f} %", file=sys.stderr)
        return head(setting) + render(lines)
    finally:
        for measured in running.values():
            measured.server.stop()
        upstream.stop()


if __name__ == "__main__":
    try:
        main()
    except machine.Unmeasurable as reason:
        sys.exit(f"error: {reason}")
