"""The ``headstart`` command: looks into a running service from a terminal. Plain tables, one line for an error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from headstart.client import DEFAULT_ADDRESS, Client, connect
from headstart.errors import HeadstartError, Unavailable
from headstart.spaces import Candidate, Categorical, Parameter
from headstart.values import Estimate, Incumbent, Task

Row = Sequence[str]
Command = Callable[[Client, argparse.Namespace], Iterator[str]]

# Somebody waits at the terminal: a service that is restarting is waited for, one that is not there is told soon.
_PATIENCE_SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        with connect(options.address, token=options.token, timeout=options.timeout) as client:
            for line in command(client.with_patience(_PATIENCE_SECONDS), options):
                print(line)
    except Unavailable as error:
        # With a reason it is the service that speaks; without, nobody does.
        told = str(error) if error.reason else "no service there; `headstart-server up` starts one"
        print(f"headstart: {options.address}: {told}", file=sys.stderr)
        return 1
    except HeadstartError as error:
        print(f"headstart: {options.address}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headstart", description="Look into a running Headstart service.")
    parser.add_argument(
        "--address",
        default=os.environ.get("HEADSTART_ADDRESS", DEFAULT_ADDRESS),
        help="of the service (HEADSTART_ADDRESS; %(default)s)",
    )
    token = os.environ.get("HEADSTART_TOKEN")
    parser.add_argument("--token", default=token, help="of your namespace (HEADSTART_TOKEN)")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for each call (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, told: str, *positional: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=told, description=told)
        added.set_defaults(command=command)
        for argument in positional:
            added.add_argument(argument.lower(), metavar=argument)
        return added

    add("tasks", _tasks, "All tasks and how far they are.")
    add("task", _task, "One task: description, results, and the tasks most like it.", "TASK")
    add("spaces", _spaces, "All search spaces.")
    experiments = add("experiments", _experiments, "Results in the order of recording.", "TASK", "SPACE")
    experiments.add_argument("--limit", type=_positive, default=50, help="how many (%(default)s)")
    add("predictor", _predictor, "The newest model of a search space and its held-out figures.", "SPACE")
    suggest = add("suggest", _suggest, "What to try next on a task.", "TASK", "SPACE")
    suggest.add_argument("-n", "--count", type=_positive, default=5, help="how many (%(default)s)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return int(text)


def _tasks(client: Client, options: argparse.Namespace) -> Iterator[str]:
    rows = []
    for task in client.list_tasks():
        goal = f"{task.objective.direction.name.lower()} {task.objective.metric}"
        count = sum(summary.experiment_count for summary in task.summaries)
        rows.append((task.task_id, goal, str(count), _best(task), task.description))
    yield from _table(("TASK", "OBJECTIVE", "EXPERIMENTS", "BEST", "DESCRIPTION"), rows)


def _task(client: Client, options: argparse.Namespace) -> Iterator[str]:
    task = client.get_task(options.task)
    facts = [
        ("task", task.task_id),
        ("description", task.description),
        ("objective", f"{task.objective.direction.name.lower()} {task.objective.metric}"),
        ("descriptor", ", ".join(f"{name}={word}" for name, word in sorted(task.descriptor.items()))),
        ("meta-features", ", ".join(f"{name}={number:g}" for name, number in sorted(task.meta_features.items()))),
        ("full training", f"{task.max_fidelity:g} {task.fidelity_unit}" if task.max_fidelity else ""),
    ]
    for name, fact in facts:
        if fact:
            yield f"{name + ':':<15}{fact}"
    yield ""
    rows = [
        (
            summary.search_space_id,
            str(summary.experiment_count),
            str(summary.completed_count),
            _value(summary.incumbent),
            summary.incumbent.experiment_id if summary.incumbent else "",
        )
        for summary in task.summaries
    ]
    yield from _table(("SPACE", "EXPERIMENTS", "COMPLETED", "BEST", "EXPERIMENT"), rows)
    similar = [
        (
            match.task_id,
            f"{match.weight:.3f}",
            ", ".join(f"{basis.kind.name.lower()} {basis.value:.2f} ({basis.count})" for basis in match.basis),
        )
        for match in client.search_tasks(options.task)
    ]
    if similar:
        yield ""
        yield from _table(("SIMILAR TASK", "WEIGHT", "BASIS"), similar)


def _spaces(client: Client, options: argparse.Namespace) -> Iterator[str]:
    rows = []
    for space in client.list_search_spaces():
        graph = "explicit" if space.explicit_graphs else "template" if space.graph_template else "none"
        parameters = ", ".join(map(_parameter, space.parameters))
        rows.append((space.search_space_id, str(len(space.parameters)), graph, space.description, _cut(parameters)))
    yield from _table(("SPACE", "PARAMETERS", "GRAPH", "DESCRIPTION", "DOMAINS"), rows)


def _experiments(client: Client, options: argparse.Namespace) -> Iterator[str]:
    experiments = client.list_experiments(options.task, options.space, page_size=min(options.limit, 500))
    rows = []
    for experiment in islice(experiments, options.limit):
        value = experiment.outcome.objective_value
        rows.append(
            (
                str(experiment.sequence),
                experiment.outcome.status.name.lower(),
                "" if value is None else f"{value:.6g}",
                experiment.worker_id,
                f"{experiment.record_time:%Y-%m-%d %H:%M:%S}" if experiment.record_time else "",
                _cut(_candidate(experiment.candidate)),
            )
        )
    yield from _table(("SEQUENCE", "STATUS", "VALUE", "WORKER", "RECORDED (UTC)", "CANDIDATE"), rows)


def _predictor(client: Client, options: argparse.Namespace) -> Iterator[str]:
    predictor = client.get_predictor(options.space)
    yield (
        f"{predictor.model_version}: {predictor.kind}, {predictor.parameter_count} parameters, trained on "
        f"{predictor.training_size} experiments in {predictor.training_seconds:.1f} s"
    )
    yield ""
    rows = [
        (
            figures.task_id,
            str(figures.held_out_count),
            f"{figures.kendall_tau:.3f}",
            "" if figures.interval_coverage is None else f"{figures.interval_coverage:.3f}",
        )
        for figures in predictor.validation
    ]
    yield from _table(("TASK", "HELD OUT", "KENDALL TAU", "COVERAGE AT 90 %"), rows)


def _suggest(client: Client, options: argparse.Namespace) -> Iterator[str]:
    answer = client.warm_start(options.task, options.space, options.count)
    rows = [
        (
            suggestion.origin.name.lower(),
            _estimate(suggestion.prediction),
            _cut(_candidate(suggestion.candidate)),
            suggestion.reason,
        )
        for suggestion in answer.suggestions
    ]
    yield from _table(("ORIGIN", "PREDICTION", "CANDIDATE", "REASON"), rows)
    if answer.gate is not None:
        yield ""
        yield f"transfer {answer.gate.state.name.lower()}: {answer.gate.reason}"


def _table(heading: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Columns as wide as their widest cell; columns that look like numbers are set to the right."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    numeric = [
        bool(rows) and all(row[column].replace(".", "").lstrip("-").isdecimal() or not row[column] for row in rows)
        for column in range(len(heading))
    ]
    for row in (heading, *rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _candidate(candidate: Candidate) -> str:
    told = [
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(candidate.values.items())
    ]
    if candidate.graph is not None:
        told.append(f"graph of {len(candidate.graph.nodes)} nodes, {len(candidate.graph.edges)} edges")
    return " ".join(told)


def _parameter(parameter: Parameter) -> str:
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return f"{parameter.name} ({len(domain.choices)})"
    return f"{parameter.name} {domain.lower:g}..{domain.upper:g}"


def _best(task: Task) -> str:
    incumbents = [summary.incumbent for summary in task.summaries if summary.incumbent is not None]
    if not incumbents:
        return ""
    choose = max if task.objective.direction.name == "MAXIMIZE" else min
    return _value(choose(incumbents, key=lambda incumbent: incumbent.objective_value))


def _value(incumbent: Incumbent | None) -> str:
    return "" if incumbent is None else f"{incumbent.objective_value:.6g}"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.mean:.4g} [{estimate.interval.lower:.4g}, {estimate.interval.upper:.4g}]"


def _cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


if __name__ == "__main__":
    sys.exit(main())
