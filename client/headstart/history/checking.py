"""Decides whether a run can be recorded: makes it a record of a search space, or says what is wrong with it.

The rules are those of the service, applied before anything is sent, so that one wrong run keeps no other from going in.
What is only beside the point (a metric that is not a number) is left out, and told.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

from headstart.history.model import Run
from headstart.history.space_derivation import fitted, with_indicators
from headstart.outcomes import MAX_NAME, MAX_VALUE, recordable
from headstart.spaces.declaration import Candidate, SearchSpace, Value
from headstart.spaces.validation import MAX_TEXT_LENGTH, candidate_violations
from headstart.text import PROBLEM, broken_text, unicode_text
from headstart.values import ExperimentStatus, Outcome, Record

_NAMESPACE = uuid.UUID("7f4c2a56-5a0b-5d6e-9a55-2f0c1f5c7d11")


class Unfit(ValueError):
    """A run that cannot be recorded; the message is the reason."""


def request_id(task_id: str, *identity: str) -> str:
    """The request id of an entry, the same in every import of its source into a task."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join((task_id, *identity))))


def value_problems(values: Mapping[str, Value]) -> str:
    """Reasons why values fit no search space at all; empty without any."""
    problems = []
    for name, value in values.items():
        if isinstance(value, str) and (len(value) > MAX_TEXT_LENGTH or "\0" in value):
            problems.append(f"values[{name}]: a text of at most {MAX_TEXT_LENGTH} characters, none of them NUL")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            problems.append(f"values[{name}]: {value} has more than 64 bits")
        elif isinstance(value, float) and not math.isfinite(value):
            problems.append(f"values[{name}]: {value} is not finite")
    return "; ".join(problems)


def run_problem(run: Run) -> str:
    """The reason why a run cannot be recorded in any search space; empty without any."""
    if not run.values:
        return "it has no parameters"
    broken = broken_text({"values": run.values, "id": run.identity, "task": run.task_name}, "")
    if broken is not None:
        return f"{broken} {PROBLEM}"
    if problem := value_problems(run.values):
        return problem
    if run.status is not ExperimentStatus.COMPLETED:
        return ""
    if run.objective_value is None:
        return "it has no value of the objective"
    if not abs(run.objective_value) <= MAX_VALUE:
        return f"it is completed with the value {run.objective_value}: that must be a finite number"
    return ""


def fits(run: Run, space: SearchSpace) -> bool:
    """Whether a run can be recorded in a space."""
    try:
        _candidate(run.values, space)
    except Unfit:
        return False
    return not run_problem(run)


def to_record(run: Run, space: SearchSpace, task_id: str) -> tuple[Record, tuple[str, ...]]:
    """The record of a run, and a description of what was left out. Raises Unfit."""
    notes = list(run.notes)
    if problem := run_problem(run):
        raise Unfit(problem)
    candidate = _candidate(run.values, space)
    outcome, left_out = recordable(
        Outcome(
            run.status,
            run.objective_value,
            run.metrics,
            run.learning_curve,
            run.fidelity,
            run.cost_seconds,
            run.proxies,
            run.seed,
        )
    )
    notes += left_out
    record = Record(
        task_id,
        space.search_space_id,
        candidate,
        outcome,
        worker_id=unicode_text(run.worker_id).replace("\0", "")[:MAX_NAME],
        request_id=request_id(task_id, run.identity),
    )
    return record, tuple(notes)


def _candidate(values: Mapping[str, Value], space: SearchSpace) -> Candidate:
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    filled = {
        name: fitted(value, domains[name]) if name in domains else value
        for name, value in with_indicators(space, values).items()
    }
    candidate = Candidate(filled)
    problems = [
        f"{violation.field.removeprefix('candidate.')}: {violation.description}"
        for violation in candidate_violations(space, candidate)
    ]
    if problems:
        raise Unfit("; ".join(problems))
    return candidate
