"""The predictor of one task, fitted to its results in milliseconds; the model version itself is not trained again.

The members are the learners of ``prediction.learners.members``. Their predictions of held-out results set their weights
(see ``stacking``) and the width of the intervals (see ``conformal``). A member that fails, or lacks its inputs for a
candidate, is left out. Everything is computed in normal scores; estimates are mapped back to the unit of the task.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart_server.prediction.features.proxies import LearnedPatterns, Pattern, ProxyColumns
from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.conformal import ConformalErrors
from headstart_server.prediction.learners.ensemble import Ensemble, EnsemblePrediction, Member
from headstart_server.prediction.learners.gaussian_process import Hyperparameters, Numbers
from headstart_server.prediction.learners.members import FittedLearner, Learner, Training, learners
from headstart_server.prediction.learners.members.task_heads import GRAPH_NETWORK, TREE_ENSEMBLE
from headstart_server.prediction.learners.nearest_neighbours import NearestNeighbours
from headstart_server.prediction.learners.normal_scores import Scale, normal_scores
from headstart_server.prediction.learners.weighted_heads import WeightedHeads
from headstart_server.prediction.task.replicates import NO_REPLICATES, ReplicateNoise, Replicates
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.runtime.lru import Lru

_log = logging.getLogger(__name__)

AnyFloats = NDArray[np.floating]

# Number of cached combinations of proxies; the members of each hold a matrix or two of the results.
_CACHED_ENSEMBLES = 4


@dataclass(frozen=True)
class MemberEstimates:
    """Estimates of one member [m], in the task's unit; NaN with weight 0 where it has none.

    The weights of all members sum to 1 for every candidate.
    """

    member: str
    means: Numbers
    deviations: Numbers
    weights: Numbers


@dataclass(frozen=True)
class Estimates:
    """Arrays [m] in the task's unit. ``improvement`` is the probability to beat the incumbent; None without one."""

    means: Numbers
    deviations: Numbers
    lower: Numbers
    upper: Numbers
    improvement: Numbers | None
    members: tuple[MemberEstimates, ...]
    out_of_distribution: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Estimates]) -> Estimates:
        """Estimates of candidates that were predicted in parts; NaN for a member that is missing in a part."""
        if len(parts) == 1:
            return parts[0]
        by_member = [{each.member: each for each in part.members} for part in parts]
        names = list(dict.fromkeys(name for members in by_member for name in members))
        nothing = [np.full(len(part.means), np.nan) for part in parts]
        members = []
        for name in names:
            own = [
                own_members.get(name, MemberEstimates(name, none, none, np.zeros(len(none))))
                for own_members, none in zip(by_member, nothing, strict=True)
            ]
            columns = ([each.means for each in own], [each.deviations for each in own], [each.weights for each in own])
            members.append(MemberEstimates(name, *map(np.concatenate, columns)))
        improvements = [part.improvement for part in parts if part.improvement is not None]
        return cls(
            np.concatenate([part.means for part in parts]),
            np.concatenate([part.deviations for part in parts]),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
            np.concatenate(improvements) if improvements else None,
            tuple(members),
            np.concatenate([part.out_of_distribution for part in parts]),
        )


@dataclass(frozen=True)
class LabelledArchitectures:
    """The labelled architectures of one task: structural features [n, d] and values [n], NaN for a failed run.

    scores [n, heads] come from learners that were trained without the task's value of that architecture, those of the
    graph network first and those of ``tree_heads`` trees last; None without such learners. proxies [n, p] are NaN
    where one was not measured.
    """

    features: AnyFloats
    values: Numbers
    maximize: bool
    scores: Numbers | None = None
    tree_heads: int = 0
    proxies: Numbers | None = None
    replicates: Replicates = NO_REPLICATES


@dataclass(frozen=True)
class Queries:
    """Candidates: features [m, d], scores [m, heads] and proxies [m, p] as in ``LabelledArchitectures``.

    ``label_indices`` [m] are the indices of the candidates among the labelled architectures, -1 for others.
    """

    features: AnyFloats
    scores: Numbers | None = None
    proxies: Numbers | None = None
    label_indices: NDArray[np.int64] | None = None


class AdaptedPredictor:
    """A predictor fitted to ``known``, at least two of whose values are finite.

    Hyperparameters are those of an ``earlier`` predictor of fewer results of the task, or searched; ``members``
    restricts the members. Raises FailedPrecondition if no member can be fitted.
    """

    def __init__(
        self,
        known: LabelledArchitectures,
        earlier: AdaptedPredictor | None = None,
        members: Collection[str] | None = None,
    ) -> None:
        self._learners = [each for each in learners() if members is None or each.name in members]
        self._earlier = earlier
        self._hyperparameters: dict[tuple[str, Pattern], Hyperparameters | None] = {}
        self._scale = Scale.of(known.values, known.maximize)
        self._best = float(self._scale.scores[-1])
        self._targets = normal_scores(known.values, known.maximize)
        features: Numbers = np.asarray(known.features, np.float64)
        self._nearest = NearestNeighbours(features, self._targets)
        self._heads: list[tuple[str, slice, WeightedHeads]] = []
        if known.scores is not None:
            self._weigh_heads(known.scores, known.tree_heads)
        self._proxies = ProxyColumns(np.zeros((len(features), 0)) if known.proxies is None else known.proxies)
        proxy_scores = np.zeros((len(features), 0)) if known.proxies is None else self._proxies.scores_of(known.proxies)
        own = self._nearest.leave_one_out()
        self._known = Columns(
            features,
            self._leave_one_out_prior(len(features)),
            np.nan_to_num(proxy_scores),
            np.column_stack([own.means, own.deviations]),
        )
        self._no_proxies: Pattern = ()
        self._base = Ensemble(self._base_members(), self._targets)
        self._patterns = LearnedPatterns(proxy_scores)
        self._ensembles: Lru[Pattern, Ensemble] = Lru(_CACHED_ENSEMBLES)
        self._replicates = ReplicateNoise(known.replicates, self._scale, self._noise(), len(features))

    @property
    def agreement(self) -> Numbers:
        """Agreement of each head, trees aside, with the task's own results, 0 to 1."""
        return next((heads.weights for name, _, heads in self._heads if name != TREE_ENSEMBLE), np.zeros(0))

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the members that need no proxies."""
        return dict(zip([each.name for each in self._base.members], self._base.weights.tolist(), strict=True))

    def predict(self, queries: Queries, level: float) -> Estimates:
        """Estimates with intervals that cover ``level`` of the values.

        A candidate with a result gets the members' leave-one-out predictions, combined with that result.
        """
        features: Numbers = np.asarray(queries.features, np.float64)
        count = len(features)
        indices = np.full(count, -1) if queries.label_indices is None else queries.label_indices
        measured = np.zeros((count, self._proxies.count))
        if queries.proxies is not None and self._proxies.count:
            measured = self._proxies.scores_of(queries.proxies)
        elif self._proxies.count:
            measured[:] = np.nan
        means, deviations, out_of_distribution = self._nearest.predict(features)
        columns = Columns(
            features, self._prior(queries.scores, count), np.nan_to_num(measured), np.column_stack([means, deviations])
        )
        predictions = _ScorePredictions(count)
        for ensemble, rows in self._ensembles_of(measured):
            labelled = rows & (indices >= 0)
            for chosen in (rows & ~labelled, labelled):
                if chosen.any():
                    predicted = ensemble.predict(columns.rows(chosen), indices[chosen])
                    predictions.keep_members(chosen, ensemble, predicted)
                    if chosen is labelled:
                        predictions.put(chosen, level, *self._joined(ensemble, predicted, indices[chosen]))
                    else:
                        predictions.put(chosen, level, predicted.mean, predicted.deviation, ensemble.errors)
        return self._in_unit(predictions, out_of_distribution)

    def _joined(
        self, ensemble: Ensemble, predicted: EnsemblePrediction, indices: NDArray[np.int64]
    ) -> tuple[Numbers, Numbers, ConformalErrors]:
        return self._replicates.join(
            predicted.mean, predicted.deviation, self._targets[indices], indices, ensemble.errors
        )

    def _in_unit(self, predictions: _ScorePredictions, out_of_distribution: NDArray[np.bool_]) -> Estimates:
        lower = self._scale.to_unit(predictions.mean - predictions.half)
        upper = self._scale.to_unit(predictions.mean + predictions.half)
        bounds = np.sort([lower, upper], axis=0)
        mean, deviation = self._scale.moments(predictions.mean, predictions.deviation)
        members = []
        for name in [each.name for each in self._learners if each.name in predictions.members]:
            means, deviations, weights = predictions.members[name]
            members.append(MemberEstimates(name, *self._scale.moments(means, deviations), weights))
        return Estimates(
            means=np.clip(mean, bounds[0], bounds[1]),
            deviations=deviation,
            lower=bounds[0],
            upper=bounds[1],
            improvement=ndtr((predictions.mean - self._best) / predictions.deviation),
            members=tuple(members),
            out_of_distribution=out_of_distribution,
        )

    # Members

    def _weigh_heads(self, scores: Numbers, tree_heads: int) -> None:
        split = scores.shape[1] - tree_heads
        for name, columns in ((GRAPH_NETWORK, slice(0, split)), (TREE_ENSEMBLE, slice(split, split + tree_heads))):
            own = scores[:, columns]
            if name not in {each.name for each in self._learners} or not own.shape[1]:
                continue
            if not np.isfinite(own).all():
                _log.warning("member %s left out: its scores are not finite", name)
                continue
            heads = WeightedHeads(own, self._targets)
            # Without any head that agrees with the task, this member would predict the same for every candidate.
            if heads.weights.any():
                self._heads.append((name, columns, heads))

    def _prior(self, scores: Numbers | None, count: int) -> Numbers:
        """One prior mean column for each kind of head, [count, kinds]."""
        if not self._heads or scores is None:
            return np.zeros((count, len(self._heads)))
        return np.stack([heads.combine(scores[:, columns]) for _, columns, heads in self._heads], axis=1)

    def _leave_one_out_prior(self, count: int) -> Numbers:
        """The same columns for the task's own results, each by heads weighted without its label."""
        if not self._heads:
            return np.zeros((count, 0))
        return np.stack([heads.left_out for _, _, heads in self._heads], axis=1)

    def _base_members(self) -> list[Member]:
        members = self._members(needs_proxies=False, pattern=self._no_proxies)
        if not members:
            raise FailedPrecondition(
                f"no learner can be fitted to the {len(self._targets)} results of this task", reason="NO_EVIDENCE"
            )
        return members

    def _members(self, needs_proxies: bool, pattern: Pattern) -> list[Member]:
        chosen = [each for each in self._learners if each.needs_proxies == needs_proxies]
        return [member for learner in chosen if (member := self._member(learner, pattern)) is not None]

    def _member(self, learner: Learner, pattern: Pattern) -> Member | None:
        """The fitted member, or None if its inputs are missing or it cannot be fitted."""
        try:
            fitted = self._fitted(learner, pattern)
            predictions = None if fitted is None else fitted.leave_one_out()
        except (np.linalg.LinAlgError, FloatingPointError, ValueError) as problem:
            _log.warning("member %s left out: %s", learner.name, problem)
            return None
        if fitted is None or predictions is None:
            return None
        if not (np.isfinite(predictions.means).all() and np.isfinite(predictions.deviations).all()):
            _log.warning("member %s left out: its predictions of known results are not finite", learner.name)
            return None
        return Member(learner.name, fitted, predictions)

    def _fitted(self, learner: Learner, pattern: Pattern) -> FittedLearner | None:
        given = None if self._earlier is None else self._earlier.hyperparameters(learner, pattern)
        kinds = [name for name, _, _ in self._heads]
        fitted = learner.fit(Training(self._known, self._targets, kinds, np.array(pattern, bool), given))
        if fitted is not None:
            self._hyperparameters[learner.name, pattern] = fitted.hyperparameters
        return fitted

    def hyperparameters(self, learner: Learner, pattern: Pattern) -> Hyperparameters | None:
        """The hyperparameters of a learner for a combination of proxies; None if it has none or cannot be fitted."""
        if (learner.name, pattern) not in self._hyperparameters:
            try:
                self._fitted(learner, pattern)
            except (np.linalg.LinAlgError, FloatingPointError, ValueError, IndexError):
                # Proxies that were measured only later.
                return None
        return self._hyperparameters.get((learner.name, pattern))

    def _noise(self) -> float:
        """Standard deviation between replicates, before any is known."""
        estimates = [member.learner.noise_deviation for member in self._base.members]
        return max(next((each for each in estimates if each is not None), self._nearest.noise_deviation), 1e-3)

    # Proxies

    def _ensembles_of(self, measured: Numbers) -> list[tuple[Ensemble, NDArray[np.bool_]]]:
        """The ensemble for each combination of measured proxies, with its rows."""
        if not self._proxies.count:
            return [(self._base, np.ones(len(measured), bool))]
        patterns, of_row = ProxyColumns.patterns(measured)
        # Queries are mapped to combinations that the task's own results determine, so an answer depends neither on
        # earlier queries nor on the others in its call.
        learned = [self._patterns.nearest(tuple(pattern.tolist())) for pattern in patterns]
        return [
            (self._ensemble(pattern), np.isin(of_row, [index for index, each in enumerate(learned) if each == pattern]))
            for pattern in dict.fromkeys(learned)
        ]

    def _ensemble(self, pattern: Pattern) -> Ensemble:
        if not any(pattern):
            return self._base
        ensemble = self._ensembles.get(pattern)
        if ensemble is None:
            members = self._base.members + self._members(needs_proxies=True, pattern=pattern)
            ensemble = Ensemble(members, self._targets)
            self._ensembles.put(pattern, ensemble)
        return ensemble


class _ScorePredictions:
    """Predictions [m] in normal scores, filled for groups of rows."""

    def __init__(self, count: int) -> None:
        self.mean: Numbers = np.zeros(count)
        self.deviation: Numbers = np.zeros(count)
        self.half: Numbers = np.zeros(count)
        self.members: dict[str, tuple[Numbers, Numbers, Numbers]] = {}

    def put(
        self, rows: NDArray[np.bool_], level: float, mean: Numbers, deviation: Numbers, errors: ConformalErrors
    ) -> None:
        """Fill rows; ``deviation`` is calibrated here to the reference level's intervals."""
        self.mean[rows] = mean
        self.deviation[rows] = deviation * errors.widening
        self.half[rows] = deviation * errors.half_width(level)

    def keep_members(self, rows: NDArray[np.bool_], ensemble: Ensemble, predicted: EnsemblePrediction) -> None:
        for index, member in enumerate(ensemble.members):
            if member.name not in self.members:
                nothing = np.full(len(self.mean), np.nan)
                self.members[member.name] = (nothing, nothing.copy(), np.zeros(len(self.mean)))
            arrays = self.members[member.name]
            for array, values in zip(arrays, (predicted.means, predicted.deviations, predicted.weights), strict=True):
                array[rows] = values[index]
