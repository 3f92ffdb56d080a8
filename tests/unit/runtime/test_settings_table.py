"""The table of settings in docs/operations.md is the one that the code gives.

``python -m tests.unit.runtime.test_settings_table`` (`make settings`) writes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from headstart_server.runtime.settings import Settings

GUIDE = Path(__file__).parents[3] / "docs" / "operations.md"
BEGIN = "<!-- Written by `make settings` from runtime/settings.py. -->\n"
END = "<!-- The end of what is written. -->\n"
_BOUNDS = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}


def table() -> str:
    """In Markdown: a row for each setting, in the order of the code."""
    lines = ["| variable | values | default | meaning |", "|---|---|---|---|"]
    for name, schema in Settings.model_json_schema()["properties"].items():
        meaning = " ".join(schema["description"].split())
        lines.append(f"| `HEADSTART_{name.upper()}` | {_values(name, schema)} | {_default(schema)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _values(name: str, schema: dict[str, Any]) -> str:
    (kind,) = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind["type"] == "boolean":
        return "`true`, `false`"
    if kind["type"] in ("integer", "number"):
        bounds = [f"{word} {kind[key]}" for key, word in _BOUNDS.items() if key in kind]
        return " ".join([kind["type"], *bounds])
    if kind.get("format") == "password":
        return "secret"
    if kind.get("format") == "path":
        return "path"
    ending = name.rpartition("_")[2]
    return {"address": "HOST:PORT", "target": "HOST:PORT", "url": "URL"}.get(ending, "text")


def _default(schema: dict[str, Any]) -> str:
    default = schema["default"]
    if default is None:
        return "none"
    # With or without the driver, which is there for SQLAlchemy.
    shown = str(default).lower() if isinstance(default, bool) else str(default).replace("+psycopg2", "")
    return f"`{shown}`"


def guide_with(written: str) -> str:
    before, begin, rest = GUIDE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{GUIDE} has no place for the table"
    return f"{before}{begin}\n{written}\n{end}{after}"


def test_table_in_the_guide_is_that_of_the_code() -> None:
    assert GUIDE.read_text() == guide_with(table()), "the table of settings is stale: run make settings"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


if __name__ == "__main__":
    GUIDE.write_text(guide_with(table()))
    sys.stdout.write(f"Written: the table of settings in {GUIDE}\n")
