"""Notices a program that runs and does not work: its probe is made in a thread, its failures in a row are counted.

What is to be done about it is the supervisor's part. A program that has not worked since it was started is left alone:
it may be reading a long log. One that hangs again soon after it was ended for hanging is given twice as many tries, so
that a slow disk does not turn into a circle of restarts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from headstart_server.threads import WATCHDOG

# Returns what is wrong; None if it works.
Probe = Callable[[], str | None]

PROBE_SECONDS = 10.0
RETRY_SECONDS = 3.0
FAILURES = 3
MOST_FAILURES = 48
# The program is healthy after this number of successes in a row.
WELL_AFTER = 30

logger = logging.getLogger(__name__)


class Watchdog:
    """Watches a program by probes. Thread-safe. By the numbers above, a hanging program is ``hung`` within 35 s."""

    def __init__(
        self, name: str, probe: Probe, probe_seconds: float = PROBE_SECONDS, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._name = name
        self._probe = probe
        self._probe_seconds = probe_seconds
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._has_worked = False
        self._failures = self._successes = 0
        self._needed = FAILURES
        self._reason: str | None = None
        self._run = 0

    def start(self) -> None:
        WATCHDOG.start(self._keep, about=self._name)

    def stop(self) -> None:
        self._stopped.set()

    @property
    def hung(self) -> str | None:
        """The message of the last of enough failed probes; None while the program works or may recover."""
        with self._lock:
            return self._reason

    def restarted(self, because_hung: bool) -> None:
        """Start over with a program that was just started, or ended for that."""
        with self._lock:
            # A probe of the process before says nothing about this one.
            self._run += 1
            self._has_worked, self._reason = False, None
            self._failures = self._successes = 0
            if because_hung:
                self._needed = min(2 * self._needed, MOST_FAILURES)

    def look(self) -> bool:
        """Probe once; returns whether the program works."""
        with self._lock:
            run = self._run
        problem = self._probe()
        with self._lock:
            if run == self._run:
                self._note(problem)
        return problem is None

    def _note(self, problem: str | None) -> None:
        if problem is None:
            self._has_worked, self._failures, self._reason = True, 0, None
            self._successes += 1
            if self._successes >= WELL_AFTER:
                self._needed = FAILURES
            return
        self._successes = 0
        if not self._has_worked:
            return
        self._failures += 1
        logger.warning("%s does not work (%d of %d): %s", self._name, self._failures, self._needed, problem)
        if self._failures >= self._needed:
            self._reason = problem

    def _keep(self) -> None:
        pause = self._probe_seconds
        while not self._stopped.wait(pause):
            pause = self._probe_seconds if self.look() else self._retry_seconds
