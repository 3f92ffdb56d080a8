"""Documents name files and pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
# Where a path in a document may begin, beside the repository and the page's own folder.
_ROOTS = ("server/headstart_server", "client/headstart")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in _anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_source_files_that_are_named_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    for named in re.findall(r"`([\w./-]+\.(?:py|proto|sh|yml|toml))`", page.read_text()):
        if "/" in named:
            assert any((place / named).exists() for place in (ROOT, page.parent, *(ROOT / root for root in _ROOTS))), (
                named
            )
        elif named.endswith(".py"):
            assert any(ROOT.glob(f"[!.]*/**/{named}")), named


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
