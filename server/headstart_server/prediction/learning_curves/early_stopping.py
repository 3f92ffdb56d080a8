"""Early stopping of runs by the posterior stopping rule.

A run should stop once the probability that its final result beats the incumbent falls below a threshold (Domhan et al.,
IJCAI 2015, section 3.2). Without an incumbent, or without other curves behind the forecast, no run should stop.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart_server.prediction.learning_curves.forecast import CurveForecasts

# The probability below which a run should stop.
LEAST_CHANCE = 0.01
# The least probability of divergence that a reason mentions.
_LEAST_MENTIONED = 0.005


@dataclass(frozen=True)
class StoppingAdvice:
    """Advice on one run, with the reason for people."""

    stop: bool
    reason: str


def advise(forecasts: CurveForecasts, incumbent: float | None, maximize: bool) -> list[StoppingAdvice]:
    """Advice for each forecast curve; ``incumbent`` is the best result of a full training, None without one."""
    chances = None if incumbent is None else forecasts.beats(incumbent, maximize)
    advice = []
    for row in range(len(forecasts.finals)):
        divergence = "" if forecasts.diverges is None else _divergence(float(forecasts.diverges[row]))
        if chances is None:
            advice.append(StoppingAdvice(False, f"no full training to compare with yet{divergence}"))
        elif forecasts.history == 0:
            advice.append(StoppingAdvice(False, "no full curves to learn from yet: nothing is stopped on a law alone"))
        else:
            chance = float(chances[row])
            least = f"{100 * LEAST_CHANCE:g} %"
            stop = chance < LEAST_CHANCE
            reason = f"chance to beat the incumbent {100 * chance:.2g} %, {'below' if stop else 'not below'} {least}"
            advice.append(StoppingAdvice(stop, reason + divergence))
    return advice


def _divergence(chance: float) -> str:
    return f"; chance to diverge {100 * chance:.2g} %" if chance >= _LEAST_MENTIONED else ""
