"""Trials a second of an OSS Vizier server: suggest and complete by 32 callers, each a worker of its own.

For comparison with `python -m benchmarks.serving`; its packages fit no others, so in an environment of its own:

    python3.11 -m venv vizier
    vizier/bin/pip install "google-vizier[jax]==0.1.24" jax==0.5.3 jaxlib==0.5.3 flax==0.10.4 chex==0.1.89 optax==0.2.4
    vizier/bin/python benchmarks/serving/vizier_server.py [TRIALS]

The server runs in this process and keeps trials in SQLite, as it does by default.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from vizier.service import clients, servers
from vizier.service import pyvizier as vz

CALLERS = 32


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    server = servers.DefaultVizierServer()
    clients.environment_variables.server_endpoint = server.endpoint
    config = vz.StudyConfig(algorithm="RANDOM_SEARCH")
    for name in ("x", "y"):
        config.search_space.root.add_float_param(name, 0.0, 1.0)
    config.metric_information.append(vz.MetricInformation("value", goal=vz.ObjectiveMetricGoal.MAXIMIZE))
    study = clients.Study.from_study_config(config, owner="headstart", study_id="load")

    def run(index: int) -> None:
        for suggestion in study.suggest(count=1, client_id=f"worker-{index % CALLERS}"):
            suggestion.complete(vz.Measurement({"value": suggestion.parameters["x"] + suggestion.parameters["y"]}))

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(run, range(CALLERS)))
        start = time.perf_counter()
        list(callers.map(run, range(trials)))
        print(f"{trials / (time.perf_counter() - start):.1f} trials a second")


if __name__ == "__main__":
    main()
