"""Catalogues as files: a CSV of levels becomes one, codes stay, and what is wrong is named with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from jiayuan.chassis.errors import StartError
from jiayuan.intake import catalogues, category, report
from jiayuan.intake.catalogues import BadCatalogue
from jiayuan.intake.cli import intake as commands
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.unit

LEVELS = (
    "一级分类,二级分类,三级分类\n城建,市政,路灯照明\n城建,市政,其他\n城建,房屋,漏水\n交通,出租车,拒载和绕路\n"
)


def _csv(tmp_path: Path, content: str = LEVELS) -> Path:
    path = tmp_path / "levels.csv"
    path.write_text(content, encoding="utf-8-sig")
    return path


@pytest.fixture
def _bundled_again() -> Iterator[None]:
    before = report.rules()
    yield
    report.use(catalogue=before.catalogue, classifier=before.classifier)


@pytest.mark.usefixtures("_bundled_again")
def test_a_table_of_levels_becomes_a_catalogue_in_force(tmp_path: Path) -> None:
    out = tmp_path / "own.yaml"
    done = CliRunner().invoke(
        commands, ["catalogue", "import", str(_csv(tmp_path)), "--out", str(out), "--version", "1"]
    )
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2/3/4 categories by level, 5 keywords, 9 danger signs")
    report.use_catalogue(str(out))
    clean = report.clean(Submission("hotline", "出租车司机绕路，还着火了"), report.rules())
    assert (clean.guess.category.code, clean.guess.category.name) == ("020101", "拒载和绕路")
    assert [s.code for s in clean.signs] == ["fire"]
    assert report.rules().catalogue.classify("", "漏水", given="01").category.code == "010201"
    assert report.rules().catalogue.classify("", "漏水", given="0101").method == "given"
    assert report.rules().catalogue.classify("", "什么").category.code == "99"
    with pytest.raises(report.BadSubmission):
        report.clean(Submission("hotline", "灯", category="0408"), report.rules())


def test_codes_stay_with_their_names(tmp_path: Path) -> None:
    signs = category.document()
    first = catalogues.made_of(catalogues.paths_of(_csv(tmp_path)), version="1", signs=signs)
    more = LEVELS.replace("城建,市政,路灯照明\n", "教育,学校,幼儿园\n城建,市政,井盖\n")
    again = catalogues.made_of(
        catalogues.paths_of(_csv(tmp_path, more)), version="2", signs=signs, before=first
    )
    old = {tuple(p): e["code"] for p, e in catalogues._paths_in(first).items()}
    new = {tuple(p): e["code"] for p, e in catalogues._paths_in(again).items()}
    assert all(new[p] == code for p, code in old.items() if p in new)
    assert new["城建", "市政", "井盖"] not in old.values()
    assert new["教育",] == "03"
    assert catalogues.wrong(again) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("a,b\n城建,市政\n城建,市政\n", "line 3: the same as line 2"),
        ("a,b\n,市政\n", "line 2: a level is empty"),
        ("a,b\n", "holds no row"),
        ("a\n" + "长" * 61 + "\n", "longer than 60"),
        ("a\n一,二,三,四,五,六\n", "has 6 levels; at most 5"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(BadCatalogue, match=why):
        catalogues.paths_of(_csv(tmp_path, content))
    done = CliRunner().invoke(commands, ["catalogue", "check", str(_csv(tmp_path, content))])
    assert done.exit_code == 2
    assert why.split(";")[0] in done.output


def test_what_is_wrong_with_a_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    for content, why in (
        ("a: [", "can't be read"),
        ("a: 1", "needs `version`"),
        ("version: 1\ncategories: [{code: 1}]", "code is missing or no text"),
        (
            "version: 1\ncategories:\n- {code: '01', name: '', livelihood: 3, importance: 4, urgency: 1, parent: '9'}\n"
            "- {code: '01', name: a, livelihood: true, importance: 1, urgency: 1, keywords: [路燈]}",
            "name must have.*importance must be|parent 9",
        ),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BadCatalogue, match=why):
            catalogues.read(path)
        with pytest.raises(StartError, match="the catalogue of intake can't be used"):
            report.use_catalogue(str(path))


def test_the_catalogue_that_comes_with_intake_is_sound() -> None:
    assert catalogues.wrong(category.document()) == []
    assert catalogues.levels(category.document()) == [15, 120]
