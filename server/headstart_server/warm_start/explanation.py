"""Explanations in sentences: similar tasks, why they are similar, whether they take part, and what comes first."""

from __future__ import annotations

from collections.abc import Sequence

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.tasks import Basis, SimilarityEvidence, SimilarTask
from headstart_server.warm_start.gate import Gate
from headstart_server.warm_start.ranked_results import SourceEvidence
from headstart_server.warm_start.suggestions import Origin, Suggestion

_NAMED_TASKS = 3


def explain(
    target: Observations,
    sources: Sequence[Observations],
    similar: Sequence[SimilarTask],
    gate: Gate,
    first: Suggestion | None,
) -> str:
    """Explain a task in one paragraph; ``first`` is the next suggestion, None if it would be drawn at random."""
    sentences = [_own_results(target), _sources(target, sources)]
    sentences += [_similarity(task) for task in similar[:_NAMED_TASKS] if task.weight > 0]
    sentences.append(_transfer(gate, len(similar)))
    sentences.append(_first(first, target.task.metric))
    return " ".join(sentence for sentence in sentences if sentence)


def _own_results(target: Observations) -> str:
    task, done = target.task, len(target.means.codes)
    where = f"in {target.search_space_id}"
    if not done:
        recorded = _number(target.count, "experiment")
        return f"{task.task_id} has no completed experiment {where} yet ({recorded} recorded)."
    values = target.values[target.completed]
    best = float(values.max() if task.maximize else values.min())
    completed = _number(done, "completed architecture")
    return f"{task.task_id} has {completed} {where}; the best {task.metric} is {best:.6g}."


def _sources(target: Observations, sources: Sequence[Observations]) -> str:
    if not sources:
        return "No other task has completed experiments there, so there is nothing to transfer."
    total = sum(len(source.means.codes) for source in sources)
    return f"{_number(len(sources), 'other task')} tried {_number(total, 'architecture')} there."


def _similarity(task: SimilarTask) -> str:
    reasons = "; ".join(_reason(evidence) for evidence in task.evidence)
    return f"{task.task_id} counts {task.weight:.2f}: {reasons or 'nothing is known of how alike they are'}."


def _reason(evidence: SimilarityEvidence) -> str:
    if evidence.basis is Basis.DESCRIPTOR:
        shared = f" ({', '.join(evidence.details)})" if evidence.details else ""
        return f"{evidence.value:.0%} of {_number(evidence.count, 'word')} of their descriptors agree{shared}"
    if evidence.basis is Basis.META_FEATURES:
        names = f" ({', '.join(evidence.details)})" if evidence.details else ""
        return f"{_number(evidence.count, 'number')} of their data are {evidence.value:.0%} close{names}"
    if evidence.basis is Basis.PERFORMANCE_PROFILE:
        return f"their predicted ranks of the same probes agree by a Kendall tau of {evidence.value:.2f}"
    judged = ", as a model judges" if len(evidence.details) > 1 else ""
    measured = _number(evidence.count, "architecture")
    return f"on {measured} their results agree by a Kendall tau of {evidence.value:.2f}{judged}"


def _transfer(gate: Gate, count: int) -> str:
    if not count:
        return ""
    if gate.open:
        return f"The past takes part: {gate.reason}."
    return f"The past takes no part: {gate.reason}."


def _first(first: Suggestion | None, metric: str) -> str:
    if first is None:
        return "Candidates are drawn at random."
    if first.origin is Origin.DEFAULT:
        sentence = "To be tried first: the default configuration of the search space"
    elif first.evidence:
        sentence = f"To be tried first: {_best_evidence(first.evidence)}"
    else:
        sentence = f"To be tried first: a new candidate, {first.reason}"
    if first.prediction is not None:
        sentence += f"; here it is expected to reach a {metric} of {first.prediction.mean:.6g}"
    return sentence + "."


def _best_evidence(evidence: Sequence[SourceEvidence]) -> str:
    best = max(evidence, key=lambda each: each.quantile)
    sentence = (
        f"the architecture that reached {best.objective_value:.6g} on {best.task_id}, "
        f"better than {best.quantile:.0%} of what was tried there"
    )
    if len(evidence) > 1:
        sentence += f", and that stands above the median of {_number(len(evidence) - 1, 'more task')}"
    return sentence


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
