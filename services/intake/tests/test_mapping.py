"""Mapping files: somebody else's columns as our fields, and what is wrong with a mapping."""

from __future__ import annotations

import csv
import os
import warnings
from pathlib import Path

import pytest

from jiayuan.intake import files, mapping
from jiayuan.intake.files import Line
from jiayuan.intake.mapping import BadMapping, load

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[3]
MAPPINGS = ROOT / "services/intake/jiayuan/intake/data/mappings"
KNOWN = tuple(files.COLUMNS)

FULL = """
name: city
source: city-311
time_zone: America/New_York
dates: ["%m/%d/%Y %I:%M:%S %p"]
crs: gcj02
fields:
  external_id: ID
  kind: {value: problem}
  channel: {column: Source, values: {Phone: hotline, 7: open311}, otherwise: file_import}
  text: {template: "{Type}.[ At {Street} {House}][ ({Area})]"}
  place.lat: Lat
  place.long: Long
  occurred_at: Opened
only:
  - {column: Status, is: [Open, ""]}
  - {column: Type, not: Test}
"""
CSV = """ID,Source,Type,Street,House,Area,Lat,Long,Opened,Status
1,Phone,Hole,Main St,5,,26.9,120.0,06/01/2015 12:28:00 AM,Open
2,7,Hole,Main St,,East,,,07/04/2015 01:00:00 PM,
3,Twitter,Test,,,,,,,Open
4,Phone,Hole,,,,,,,Closed
5,Phone,,,,,,,1/2/x,Open
"""


def _lines(tmp_path: Path, said: str = FULL, text: str = CSV, name: str = "a.csv") -> list[Line]:
    (tmp_path / "m.yaml").write_text(said, encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8")
    return list(files.reader(tmp_path / name, plan=load(tmp_path / "m.yaml", KNOWN)))


def test_columns_become_fields(tmp_path: Path) -> None:
    one, two, three, four, five = _lines(tmp_path)
    assert one.document == {
        "external_id": "1",
        "kind": "problem",
        "channel": "hotline",
        "text": "Hole. At Main St 5",
        "place": {"lat": 26.9, "long": 120.0, "crs": "gcj02"},
        "occurred_at": "2015-06-01T04:28:00.000000Z",
    }
    assert two.document["channel"] == "open311"
    assert two.document["text"] == "Hole. (East)"
    assert (three.left_out, four.left_out) == (True, True)
    assert [(p.field, p.allowed != "") for p in five.problems] == [("Opened", True)]


def test_json_lines_are_mapped_too(tmp_path: Path) -> None:
    rows = (
        '{"ID": 7, "Source": 7, "Type": "Hole", "Street": "", "House": null, "Area": "", "Status": "Open"}\n'
    )
    rows += '{"ID": 8, "Type": ["a"]}\n'
    first, second = _lines(tmp_path, text=rows, name="a.jsonl")
    assert (first.document["external_id"], first.document["channel"]) == ("7", "open311")
    assert second.problems[0].field == "Type"


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(files.Unreadable, match=r"columns that are not there: Area, House"):
        _lines(tmp_path, text="ID,Source,Type,Street,Lat,Long,Opened,Status\n1,,,,,,,\n")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "must be a mapping"),
        ("- a", "must be a mapping"),
        ("fields: {text: A}\nfieldz: 1", "fieldz is unknown"),
        ("fields: {}", "fields: must be a mapping"),
        ("fields: {title: A}", "text is missing"),
        ("fields: {text: A, colour: B}", "there is no field colour"),
        ("fields: {text: {column: A, value: B}}", "one of column, template, value"),
        ("fields: {text: {template: 'no column'}}", "is no template"),
        ("fields: {text: {template: '{A'}}", "is no template"),
        ("fields: {text: {template: '{A}[x]'}}", "is no template"),
        ("fields: {text: {value: [1]}}", "a text or a number"),
        ("fields: {text: A}\ntime_zone: Mars/Olympus", "time_zone"),
        ("fields: {text: A}\ntime_zone: ../../etc/passwd", "time_zone"),
        ("fields: {text: A}\ncrs: moon", "crs"),
        ("fields: {text: A}\ndates: [yesterday]", "dates"),
        ("fields: {text: A}\nonly: [{column: B}]", "only.0"),
        ("fields: {text: A}\nonly: 5", "only"),
        ("a: &a [*a, *a]\nfields: {text: A}", "unknown"),
        ("{", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said(tmp_path: Path, said: str, problem: str) -> None:
    (tmp_path / "m.yaml").write_text(said, encoding="utf-8")
    with pytest.raises(BadMapping, match=problem):
        load(tmp_path / "m.yaml", KNOWN)
    with pytest.raises(BadMapping, match="No such file"):
        load(tmp_path / "none.yaml", KNOWN)


def test_the_mappings_that_are_shipped_are_whole() -> None:
    for path in sorted(MAPPINGS.glob("*.yaml")):
        plan = load(path, KNOWN)
        assert plan.source
        assert "external_id" in plan.fields
    assert len(list(MAPPINGS.glob("*.yaml"))) >= 2
    assert mapping.Rule(value="x").read(lambda _: None) == "x"


def _invented(path: Path, plan: mapping.Plan) -> Path:
    columns = sorted(plan.columns)
    times = {plan.fields["occurred_at"].column, plan.fields["received_at"].column}
    numbers = {plan.fields["place.lat"].column, plan.fields["place.long"].column}
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        for n in range(3):
            writer.writerow(
                "06/01/2015 12:28:00 AM" if c in times else "40.5" if c in numbers else f"{c} {n}"
                for c in columns
            )
    return path


@pytest.mark.parametrize(
    ("name", "data", "rows"),
    [("boston-311", "boston_311_2015-06.csv", 5042), ("baltimore-311", "baltimore_311.csv", 5737)],
)
def test_two_cities_cases_go_in_with_nothing_but_a_mapping(
    tmp_path: Path, name: str, data: str, rows: int
) -> None:
    path = Path(os.environ.get("JIAYUAN_SHARED", str(ROOT.parent / "shared"))) / "data" / data
    plan = load(MAPPINGS / f"{name}.yaml", KNOWN)
    if not path.exists():
        warnings.warn(f"{path.name} is not here: checked on invented lines", stacklevel=1)
        path, rows = _invented(tmp_path / "a.csv", plan), 3
    lines = list(files.reader(path, plan=plan))
    assert len(lines) == rows
    assert [line.problems for line in lines if line.problems] == []
    assert len({line.document["external_id"] for line in lines}) == rows
    assert all(line.document["occurred_at"] < "2020" for line in lines)
