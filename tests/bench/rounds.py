"""Interleaved rounds: A B B A …, so that a machine that drifts does so for everyone."""

import statistics
import sys
from dataclasses import dataclass, field
from typing import Callable

import load
from load import BadAnswers
from machine import cpu_microseconds
from server import NotServing, get


@dataclass
class Subject:
    """One gateway in one shape, and the requests that it is measured with."""

    name: str
    start: Callable  # setting -> (Server, port)
    path: str = "/"
    headers: dict = field(default_factory=dict)
    script: str | None = None
    # Looks at one answer and raises if it is not what this subject is supposed to do.
    verify: Callable = lambda answer: None


class Measured:
    """A subject that runs, with its figures: CPU microseconds per request, one a round."""

    def __init__(self, subject, setting):
        self.subject = subject
        self.setting = setting
        self.figures = []
        self.server, self.port = subject.start(setting)
        try:
            # Twice: the second answer of a cache is the one that counts.
            get(self.port, subject.path, subject.headers)
            subject.verify(get(self.port, subject.path, subject.headers))
            self.drive(setting.warm_up)
        except BaseException:
            self.server.stop()
            raise
        self.server.freeze()

    def round(self, seconds):
        self.server.thaw()
        # What was frozen wakes up: connections are made, caches filled.
        self.drive(1)
        before = cpu_microseconds(self.server.pid)
        requests = self.drive(seconds)
        self.figures.append((cpu_microseconds(self.server.pid) - before) / requests)
        self.server.freeze()

    def drive(self, seconds):
        """Loads this subject for that time; returns how many requests were answered."""
        subject = self.subject
        return load.drive(self.setting.load_core, self.port, seconds, subject.path, subject.headers, subject.script)

    @property
    def median(self):
        return statistics.median(self.figures)

    def ratio(self, base):
        """To another subject: the median of the rounds' own ratios."""
        return statistics.median(mine / its for mine, its in zip(self.figures, base.figures))

    @property
    def spread(self):
        """Half the distance between the quartiles, as a part of the median."""
        if len(self.figures) < 4:
            return 0.0
        low, _, high = statistics.quantiles(self.figures, n=4)
        return (high - low) / 2 / self.median


def measure(subjects, setting):
    """Starts all, runs the rounds, and returns those that could be measured, by name. Servers stay up, frozen."""
    running = {}
    for subject in subjects:
        try:
            running[subject.name] = Measured(subject, setting)
        except (NotServing, BadAnswers, AssertionError, OSError) as error:
            print(f"!! {subject.name} is left out: {error}", file=sys.stderr)
    for number in range(setting.rounds):
        order = list(running.values())
        if number % 2:
            order.reverse()
        for measured in order:
            measured.round(setting.seconds)
        line = "  ".join(f"{name} {m.figures[-1]:.1f}" for name, m in running.items())
        print(f"round {number + 1}/{setting.rounds}: {line}", file=sys.stderr)
    return running
