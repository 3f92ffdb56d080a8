"""The shortest use of Headstart: tune a random forest, and leave the results for the next search to start from.

Needs a service (`make run`) and scikit-learn. Run it twice: the second search knows the first.

    python examples/quickstart.py [--address 127.0.0.1:50051]
"""

from __future__ import annotations

import argparse

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import headstart
from headstart import Candidate, Categorical, Float, Integer, Objective, Parameter, SearchSpace, Task

ROWS, LABELS = load_breast_cancer(return_X_y=True)


def evaluate(candidate: Candidate) -> float:
    """Mean accuracy of three folds: what the search is to make as large as it can."""
    forest = RandomForestClassifier(n_estimators=30, random_state=0, **candidate.values)
    return float(cross_val_score(forest, ROWS, LABELS, cv=3).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Tune a random forest with the help of a Headstart service.")
    parser.add_argument("--address", default="127.0.0.1:50051", help="the service (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=20, help="how many more to try (%(default)s)")
    options = parser.parse_args()

    space = SearchSpace(
        "random-forest",
        parameters=(
            Parameter("max_depth", Integer(1, 16)),
            Parameter("max_features", Float(0.05, 1.0)),
            Parameter("min_samples_leaf", Integer(1, 32, logarithmic=True)),
            Parameter("criterion", Categorical(("gini", "entropy"))),
        ),
    )
    task = Task(
        "breast-cancer",
        Objective("accuracy"),
        descriptor={"modality": "table", "domain": "medicine"},
        meta_features={"instances": len(ROWS), "features": len(ROWS[0]), "classes": 2},
    )
    with headstart.connect(options.address) as client:
        client.create_search_space(space)
        client.create_task(task)
        result = headstart.search(client, task.task_id, space, evaluate, evaluations=options.evaluations)
    for step in result.steps:
        print(f"{step.outcome.objective_value:.4f}  by {step.proposed_by:<26} {dict(step.candidate.values)}")
    assert result.best is not None
    print(f"\nBest of all {result.evaluations}: {result.best_value:.4f} with {dict(result.best.candidate.values)}")


if __name__ == "__main__":
    main()
