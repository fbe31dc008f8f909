"""The pages lead to each other: no link into nothing, no page that nobody finds from the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    p.resolve()
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "bench/**/*.md", "services/*/*.md")
    for p in ROOT.glob(pattern)
)


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    heads = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h) for h in re.findall(r"^#+ (.*)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in heads}


def _links(page: Path) -> list[tuple[str, Path, str]]:
    """Links to files here: as written, where to, and the anchor."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            found.append((link, (page.parent / path).resolve() if path else page, anchor))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = [
        link
        for link, to, anchor in _links(page)
        if not to.exists() or (anchor and to.suffix == ".md" and anchor not in _anchors(to))
    ]
    assert wrong == []


def test_every_page_is_found_from_the_readme() -> None:
    found, look = set(), [ROOT / "README.md"]
    while look:
        page = look.pop()
        if page in found:
            continue
        found.add(page)
        for _, to, _ in _links(page):
            look += (
                sorted(to.glob("*.md")) if to.is_dir() else [to] if to.suffix == ".md" and to.exists() else []
            )
    assert [str(p.relative_to(ROOT)) for p in PAGES if "docs" in p.parts and p not in found] == []
