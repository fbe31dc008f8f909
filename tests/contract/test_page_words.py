"""Whatever a page says, it says in every language."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from jiayuan.chassis.pages import LANGUAGES, catalogues

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
FOUND = [p for member in ("chassis", "services/*") for p in ROOT.glob(f"{member}/jiayuan/*/data/pages.toml")]
SERVICES = sorted(p.parts[-3] for p in FOUND)


@pytest.mark.parametrize("service", SERVICES)
def test_both_languages_have_every_word_with_the_same_values(service: str) -> None:
    first, *others = (
        {
            key: {field for _, field, _, _ in string.Formatter().parse(text)} - {None}
            for key, text in words.items()
        }
        for words in (catalogues(service)[name] for name in LANGUAGES)
    )
    assert len(first) > 5
    for other in others:
        # English has names for what the county's data name in Chinese.
        assert {k: v for k, v in other.items() if not k.startswith("subject_")} == first
