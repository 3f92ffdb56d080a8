"""Early stopping of runs: the posterior stopping rule.

A run stops once the probability that its final result beats the incumbent falls below a threshold (Domhan et al.,
IJCAI 2015, section 3.2). Nothing is stopped without an incumbent, or on a forecast that rests on no other curve.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart_server.prediction.learning_curves.forecast import CurveForecasts

# A run is stopped below this probability.
LEAST_CHANCE = 0.01
_WORTH_SAYING = 0.005


@dataclass(frozen=True)
class StoppingAdvice:
    stop: bool
    reason: str


def advise(forecasts: CurveForecasts, incumbent: float | None, maximize: bool) -> list[StoppingAdvice]:
    """One advice for each curve."""
    chances = None if incumbent is None else forecasts.beats(incumbent, maximize)
    advice = []
    for row in range(len(forecasts.finals)):
        ruin = "" if forecasts.diverges is None else _of_ruin(float(forecasts.diverges[row]))
        if chances is None:
            advice.append(StoppingAdvice(False, f"no full training to compare with yet{ruin}"))
        elif forecasts.history == 0:
            advice.append(StoppingAdvice(False, "no full curves to learn from yet: nothing is stopped on a law alone"))
        else:
            chance = float(chances[row])
            least = f"{100 * LEAST_CHANCE:g} %"
            stop = chance < LEAST_CHANCE
            reason = f"chance to beat the incumbent {100 * chance:.2g} %, {'below' if stop else 'not below'} {least}"
            advice.append(StoppingAdvice(stop, reason + ruin))
    return advice


def _of_ruin(chance: float) -> str:
    return f"; chance to diverge {100 * chance:.2g} %" if chance >= _WORTH_SAYING else ""
