"""Writes the dashboards that Grafana reads from panels.yml: `make dashboards`. A test keeps the two together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import yaml

HERE = Path(__file__).parent
PANELS = HERE / "panels.yml"
FOLDER = HERE / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 8


def rendered() -> dict[str, str]:
    """The text of each dashboard by the name of its file."""
    declared = yaml.safe_load(PANELS.read_text())
    return {f"{each['uid']}.json": json.dumps(_dashboard(each), indent=2) + "\n" for each in declared}


def _dashboard(declared: Mapping[str, Any]) -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    x = y = 0
    for number, each in enumerate(declared["panels"], 1):
        width = each.get("width", _WIDTH)
        if x + width > _COLUMNS:
            x, y = 0, y + _HEIGHT
        panels.append(_panel(number, each, {"h": _HEIGHT, "w": width, "x": x, "y": y}))
        x += width
    return {
        "uid": declared["uid"],
        "title": declared["title"],
        "tags": ["headstart"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["headstart"], "title": "Headstart", "asDropdown": False}],
        "panels": panels,
    }


def _panel(number: int, declared: Mapping[str, Any], place: Mapping[str, int]) -> dict[str, Any]:
    notes = [declared.get("description", "")]
    if "rare" in declared:
        notes.append(f"Empty where {declared['rare']}.")
    least = {} if declared.get("signed") else {"min": 0}
    drawn = {"lineWidth": 2, "fillOpacity": 10, "showPoints": "never"}
    return {
        "id": number,
        "type": "timeseries",
        "title": declared["title"],
        "description": " ".join(filter(None, notes)),
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": declared["unit"], **least, "custom": drawn}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": reference, "datasource": _SOURCE, "expr": query["expr"], "legendFormat": query["legend"]}
            for reference, query in zip(ascii_uppercase, declared["queries"], strict=False)
        ],
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
