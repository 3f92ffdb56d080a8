"""Reads the Dockerfiles: stages, and their instructions with continued lines joined."""

from __future__ import annotations

import io
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from dockerfile_parse import DockerfileParser

TOP = Path(__file__).parents[3]
DOCKERFILES = sorted((TOP / "docker").glob("Dockerfile.*"))


@dataclass(frozen=True)
class Instruction:
    name: str
    value: str

    def words(self) -> list[str]:
        """Of the JSON form, such as that of CMD and ENTRYPOINT."""
        return [str(word) for word in json.loads(self.value)]

    def variables(self) -> dict[str, str]:
        """Of ENV and ARG."""
        return dict(word.partition("=")[::2] for word in shlex.split(self.value))


def stages(path: Path) -> list[list[Instruction]]:
    """Each stage from its FROM on, without comments."""
    found: list[list[Instruction]] = []
    for item in DockerfileParser(fileobj=io.BytesIO(path.read_bytes())).structure:
        if item["instruction"] == "FROM":
            found.append([])
        if item["instruction"] != "COMMENT":
            found[-1].append(Instruction(item["instruction"], item["value"]))
    return found


def of(stage: list[Instruction], name: str) -> list[Instruction]:
    return [instruction for instruction in stage if instruction.name == name]


def environment(stage: list[Instruction]) -> dict[str, str]:
    return {name: value for item in of(stage, "ENV") for name, value in item.variables().items()}


def health_command(stage: list[Instruction]) -> list[str] | None:
    """Of HEALTHCHECK in the JSON form; None where there is none."""
    checks = of(stage, "HEALTHCHECK")
    return json.loads(re.sub(r"^.*?CMD ", "", checks[-1].value)) if checks else None
