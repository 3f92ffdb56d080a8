"""The worked example of docs/importing.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import headstart
from headstart.history import run_import

PAGE = Path(__file__).parents[4] / "docs" / "importing.md"


def test_the_table_of_the_page_is_imported_as_it_says(client: headstart.Client, tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```(csv|toml)\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "runs.csv").write_text(next(text for kind, text in blocks if kind == "csv"))
    (tmp_path / "mapping.toml").write_text(next(text for kind, text in blocks if kind == "toml"))
    told: list[str] = []
    report = run_import(
        client, "csv", str(tmp_path / "runs.csv"), mapping=tmp_path / "mapping.toml", dry_run=True, say=told.append
    )
    for line in told:
        assert f"    headstart: {line.strip()}\n" in page
    for note in report.skipped:
        assert f"    {note.locator}  {note.reason}\n" in page
    assert "6 read: 3 would be recorded, 0 known before, 3 skipped" in page
    assert (report.read_count, report.recorded_count, report.skipped_count) == (6, 3, 3)
