"""Open311 without a database: parameters, answers, configuration. Property tests for what strangers send."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.chassis.errors import Problem, StartError
from jiayuan.intake.channels import open311
from jiayuan.intake.channels.open311 import answers, asked, places
from jiayuan.intake.channels.open311.answers import Refused
from jiayuan.intake.channels.open311.asked import Parameters

NOW = datetime(2026, 4, 21, tzinfo=UTC)
DIRECTORY = places.load()
XIAPU = DIRECTORY.jurisdictions["xiapu.gov.cn"]
NAMES = st.sampled_from(
    [
        *("service_code", "lat", "long", "address_string", "address_id", "email", "device_id", "account_id"),
        *(
            "first_name",
            "last_name",
            "phone",
            "description",
            "media_url",
            "jurisdiction_id",
            "api_key",
            "title",
        ),
        *(
            "start_date",
            "end_date",
            "status",
            "page",
            "page_size",
            "after",
            "updated_after",
            "service_request_id",
        ),
        *(
            "update_id",
            "updated_datetime",
            "attribute[COVER]",
            "attribute[TRAPPED]",
            "attribute[x][]",
            "attribute[",
        ),
    ]
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            *(
                "0102",
                "0204",
                "26.888",
                "119.998",
                "-0",
                "1e5",
                "nan",
                "Infinity",
                "٣",
                "open,closed",
                "CLOSED",
            ),
            *("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00 08:00", "9999-12-31T23:59:59-14:00"),
            *("http://a/b", "http://[", "x" * 5000, "1", "0", "1001", "YES", "," * 50, "a@b"),
        ]
    ),
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=25)


@given(PAIRS)
def test_whatever_is_sent_is_read_or_refused_with_names(pairs: list[tuple[str, str]]) -> None:
    for read in (
        lambda p: asked.new_request(p, DIRECTORY, XIAPU),
        lambda p: asked.query(p, NOW),
        asked.new_update,
    ):
        parameters = Parameters(pairs)
        found = read(parameters)
        assert (found is not None) or parameters.errors
        for code, said in parameters.errors:
            assert code in (400, 404)
            assert said.split(" ")[0]
        if isinstance(found, asked.NewRequest):
            assert found.text.strip()
            assert len(found.description) <= asked.MAX_DESCRIPTION
            assert (found.lat is None) == (found.long is None)
        if isinstance(found, asked.Query) and not parameters.errors and not found.ids:
            assert 1 <= found.page_size <= asked.MOST
            if found.start and found.end:
                assert timedelta() <= found.end - found.start <= asked.SPAN + timedelta(days=1)


@given(PAIRS)
def test_an_empty_parameter_is_an_absent_one(pairs: list[tuple[str, str]]) -> None:
    padded = [*pairs, *((name, blank) for name, _ in pairs for blank in ("", " "))]
    plain, other = Parameters(pairs), Parameters(padded)
    assert asked.query(plain, NOW) == asked.query(other, NOW)
    assert plain.errors == other.errors
    assert asked.new_request(Parameters(pairs), DIRECTORY, XIAPU) == asked.new_request(
        Parameters(padded), DIRECTORY, XIAPU
    )


@given(st.datetimes(datetime(1950, 1, 1), datetime(2900, 1, 1), timezones=st.timezones()))
def test_w3c_times_come_back(at: datetime) -> None:
    at = at.replace(microsecond=0)
    text = at.isoformat()
    offset = at.utcoffset()
    if offset is None or offset.total_seconds() % 60 or abs(offset) > timedelta(hours=14):
        return
    assert asked.w3c_time(text) == at.astimezone(UTC)
    # An unescaped plus sign is a blank when it arrives.
    assert asked.w3c_time(text.replace("+", " ")) == at.astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "late", "expected"),
    [
        ("2026", False, "2026-01-01T00:00:00+00:00"),
        ("2026", True, "2026-12-31T23:59:59.999999+00:00"),
        ("2026-02", True, "2026-02-28T23:59:59.999999+00:00"),
        ("2026-12", True, "2026-12-31T23:59:59.999999+00:00"),
        ("2026-02-03", True, "2026-02-03T23:59:59.999999+00:00"),
        ("2026-02-03T04:05Z", False, "2026-02-03T04:05:00+00:00"),
        ("2026-02-03T04:05:06.7891234z", False, "2026-02-03T04:05:06.789123+00:00"),
        ("2026-02-03T04:05:06+0800", False, "2026-02-02T20:05:06+00:00"),
        ("2026-02-03T04:05:06", False, "2026-02-03T04:05:06+00:00"),
    ],
)
def test_w3c_times_of_every_precision(text: str, late: bool, expected: str) -> None:
    assert asked.w3c_time(text, late=late).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01", "2026-01-01T25:00:00Z", "0001-01-01T00:00:00+14:00", "٢٠٢٦"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        asked.w3c_time(text)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text()),
        lambda inner: st.one_of(
            st.fixed_dictionaries({"description": inner, "title": inner}),
            st.fixed_dictionaries({"notes": st.lists(inner, max_size=3)}),
        ),
        max_leaves=8,
    )
)
def test_any_document_is_well_formed_xml_with_the_same_texts(document: Any) -> None:
    body = answers.answer("xml", "service_requests", [{"description": document}]).get_data()
    root = ElementTree.fromstring(body)
    assert root.tag == "service_requests"
    assert [child.tag for child in root] == ["request"]


@given(st.text())
def test_text_survives_xml_as_far_as_xml_can_carry_it(text: str) -> None:
    body = answers.answer("xml", "errors", [{"code": 400, "description": text}]).get_data()
    said = ElementTree.fromstring(body).findtext("error/description") or ""
    # A parser reads every kind of line end as one; what XML has no form for is marked.
    expected = answers._NOT_XML.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")
    assert said == expected


def test_refusals_of_every_kind_have_one_form() -> None:
    refused = Refused([(400, "lat is not a number"), (403, "api_key was not provided")])
    assert refused.status == 403
    for form in ("json", "xml"):
        response = answers.refusal(f"/open311/v2/requests.{form}", refused)
        assert response.status_code == 403
    assert json.loads(answers.refusal("/x.json", refused).get_data()) == [
        {"code": 400, "description": "lat is not a number"},
        {"code": 403, "description": "api_key was not provided"},
    ]
    busy = answers.refusal("/open311/v2/requests.xml", Problem(503, "Not available right now", "again"))
    assert busy.headers["Retry-After"]
    assert ElementTree.fromstring(busy.get_data()).findtext("error/code") == "503"


# -- configuration ----------------------------------------------------------------------------------------

BUNDLED = Path(places.__file__).parents[2] / "data" / "open311.yaml"


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        (("default",), "nowhere.cn", "default"),
        (("contact",), "", "contact"),
        (("changeset",), "yesterday", "yesterday"),
        (("endpoint_type",), "live", "endpoint_type"),
        (("jurisdictions",), [], "jurisdictions"),
        (("jurisdictions", 0, "location"), "fuzzy", "location"),
        (("jurisdictions", 0, "channels"), ["fax"], "channels"),
        (("jurisdictions", 0, "show_media"), "no", "show_media"),
        (("jurisdictions", 1, "streets"), ["350921999"], "350921999"),
        (("attributes", "0102", 0, "datatype"), "colour", "datatype"),
        (("attributes", "0102", 0, "datatype"), "singlevaluelist", "values"),
        (("attributes", "9999"), [], "9999"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, path: tuple[Any, ...], value: Any, names: str) -> None:
    document = copy.deepcopy(yaml.safe_load(BUNDLED.read_text(encoding="utf-8")))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    file = tmp_path / "open311.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with pytest.raises(StartError, match=names):
        open311.check(str(file))


def test_a_missing_file_and_no_yaml_are_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="open311"):
        open311.check(str(tmp_path / "nothing.yaml"))
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(StartError, match="YAML"):
        open311.check(str(tmp_path / "bad.yaml"))


def test_every_leaf_of_the_catalogue_is_a_service_with_keywords() -> None:
    assert len(DIRECTORY.services) > 50
    for service in DIRECTORY.services.values():
        assert service.name in service.keywords.split(",")
        assert service.group
    assert DIRECTORY.channels == {"open311"}
