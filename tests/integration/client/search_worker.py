"""One search worker as a process: ADDRESS TASK BUDGET SEED [PAUSE]. Prints its steps as JSON; run by the tests."""

from __future__ import annotations

import json
import sys
import time

import headstart
from headstart.search import Advice
from headstart.spaces import Candidate, nas_bench_201


def quality(candidate: Candidate) -> float:
    """Best with a 3x3 convolution on every edge: 6."""
    worth = {"nor_conv_3x3": 1.0, "nor_conv_1x1": 0.6, "skip_connect": 0.5, "avg_pool_3x3": 0.2, "none": 0.0}
    return sum(worth[str(op)] for op in candidate.values.values())


def main(address: str, task_id: str, budget: str, seed: str, pause: str = "0") -> None:
    def evaluate(candidate: Candidate) -> float:
        time.sleep(float(pause))
        return quality(candidate)

    with headstart.connect(address) as client:
        result = headstart.search(
            client,
            task_id,
            nas_bench_201(),
            evaluate,
            int(budget),
            # Half of it, so that strategies have their turn too.
            advice=Advice(warm_start_share=0.5),
            seed=int(seed),
            worker_id=f"worker-{seed}",
        )
    steps = [
        {"proposed_by": step.proposed_by, "decision_id": step.decision_id, "value": step.outcome.objective_value}
        for step in result.steps
    ]
    told = {"best": result.best_value, "evaluations": result.evaluations, "steps": steps}
    print(json.dumps({**told, "unrecorded": len(result.unrecorded)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
