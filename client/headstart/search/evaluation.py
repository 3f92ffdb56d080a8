"""Tries one candidate, and decides what comes of it: an outcome to record, or an error that ends the search."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from headstart.outcomes import recordable
from headstart.spaces import Candidate
from headstart.values import ExperimentStatus, Outcome

# Programming errors, whatever the candidate is.
_PROGRAMMING_ERRORS = (NameError, ImportError, SyntaxError)

# A first evaluation that fails within this time has not begun to train.
_AT_ONCE_SECONDS = 5.0

_logger = logging.getLogger("headstart.search")

Evaluate = Callable[[Candidate], Outcome | float]
Catch = type[BaseException] | tuple[type[BaseException], ...]


class Evaluator:
    """Calls ``evaluate`` for one worker.

    ``catch`` are the exceptions that count as outcomes: the candidate failed. The default is all but programming
    errors: unknown names and modules, and any exception that ends the first evaluation within five seconds.
    """

    def __init__(self, evaluate: Evaluate, catch: Catch | None) -> None:
        self._evaluate = evaluate
        self._catch = catch
        self._is_first = True

    def outcome(self, candidate: Candidate) -> Outcome:
        """The outcome to record. Raises exceptions that are no outcome, and TypeError if ``evaluate`` returns no
        number.
        """
        begin = time.monotonic()
        is_first, self._is_first = self._is_first, False
        try:
            returned = self._evaluate(candidate)
        except Exception as error:
            seconds = time.monotonic() - begin
            if not self._is_outcome(error, is_first and seconds < _AT_ONCE_SECONDS):
                raise
            _logger.exception("evaluation failed: %s", dict(candidate.values))
            return Outcome(ExperimentStatus.FAILED, cost_seconds=seconds)
        seconds = time.monotonic() - begin
        outcome, notes = recordable(_as_outcome(returned))
        if notes:
            _logger.warning("outcome of %s: %s", dict(candidate.values), "; ".join(notes))
        return replace(outcome, cost_seconds=seconds) if outcome.cost_seconds is None else outcome

    def _is_outcome(self, error: Exception, at_once: bool) -> bool:
        if self._catch is not None:
            return isinstance(error, self._catch)
        return not (at_once or isinstance(error, _PROGRAMMING_ERRORS))


def _as_outcome(returned: object) -> Outcome:
    """Raises TypeError."""
    if isinstance(returned, Outcome):
        return returned
    try:
        return Outcome(ExperimentStatus.COMPLETED, float(returned))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        message = f"evaluate must return a number or an Outcome, it returned {returned!r:.200}"
        raise TypeError(message) from None
