"""Open311 GeoReport v2: each row of the specification in XML and in JSON, on a real database."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import NullPool, create_engine
from sqlalchemy import text as sql
from werkzeug.test import Client

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import pages
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.contracts.envelope import make
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.intake import keys
from jiayuan.intake.channels.open311 import api_keys, places
from jiayuan.intake.channels.open311.cli import open311 as open311_commands
from jiayuan.intake.store import open311 as listed
from jiayuan.intake.store import people as people_rows

pytestmark = pytest.mark.store

V2 = "/open311/v2"
BOTH = pytest.mark.parametrize("form", ["xml", "json"])
TYPES = {"xml": "text/xml; charset=utf-8", "json": "application/json; charset=utf-8"}
LAMP = {
    "service_code": "0102",
    "lat": "26.88803",
    "long": "119.99812",
    "description": "龙津社区听雨街的路灯坏了，电话13800138000",
    "email": "li@example.org",
    "first_name": "例四",
    "last_name": "李",
    "phone": "13900139000",
    "device_id": "tt222111",
    "account_id": "123456",
}
MakeKey = Callable[..., str]


def parsed(response: Any) -> Any:
    """What is in an answer, whichever its format: lists as lists, elements as dicts of texts."""
    kind = response.content_type
    assert kind in TYPES.values(), response.data
    if kind == TYPES["json"]:
        return json.loads(response.data)
    assert response.data.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n')
    assert b"xmlns" not in response.data
    return _tree(ElementTree.fromstring(response.data))


LISTS = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
    "notes": "note",
}


def _tree(element: ElementTree.Element) -> Any:
    if element.tag in LISTS:
        assert all(child.tag == LISTS[element.tag] for child in element)
        return [_tree(child) for child in element]
    if len(element):
        return {child.tag: _tree(child) for child in element}
    return element.text or ""


def errors(response: Any) -> list[tuple[int, str]]:
    """Status and descriptions of a refusal, which must have the specification's form."""
    said = parsed(response)
    assert isinstance(said, list)
    assert said
    for error in said:
        assert set(error) == {"code", "description"}
        assert error["description"]
    return [(int(e["code"]), e["description"]) for e in said]


def truth(value: Any) -> bool:
    """A boolean of either format."""
    assert value in (True, False, "true", "false")
    return value in (True, "true")


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Opened]:
    """A database that the tests here use one after the other: many of them need next to nothing of it."""
    url = databases.fresh("intake")
    opened = Opened("intake", url)
    yield opened
    opened.close()
    databases.forget(url)


@pytest.fixture
def intake(shared: Opened, databases: Databases) -> Iterator[Opened]:
    """The database, empty, with intake's keys in force; the clock stands at 09:00 of 2 March 2026."""
    keys.use(shared.settings)
    shared.clock.time = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    yield shared
    # The service's own role may not empty its tables. TRUNCATE would make new files, which takes the disk's time.
    admin = create_engine(driver_url(databases.admin(shared.url)), poolclass=NullPool)
    with admin.begin() as conn:
        for table in reversed(shared.metadata.sorted_tables):
            conn.execute(sql(f'DELETE FROM "{table.name}"'))
    admin.dispose()


@pytest.fixture
def client(intake: Opened) -> Client:
    """Intake's HTTP interface."""
    return pages.client(intake)


@pytest.fixture
def make_key(intake: Opened) -> MakeKey:
    def make(*jurisdictions: str, per_minute: int = 100, per_day: int = 1000) -> str:
        id_, key, hash_ = api_keys.new_key()
        with intake() as work:
            row = {
                "id": id_,
                "hash": hash_,
                "name": "测试应用",
                "jurisdictions": list(jurisdictions),
                "per_minute": per_minute,
                "per_day": per_day,
                "created_at": iso(work.now),
                "created_by": "test",
            }
            listed.add_key(work, row)
        return key

    return make


@pytest.fixture
def key(make_key: MakeKey) -> str:
    return make_key()


@pytest.fixture
def post(client: Client, key: str) -> Callable[..., Any]:
    def post(form: str = "json", **fields: Any) -> Any:
        data = {"api_key": key, **LAMP, **fields}
        return client.post(f"{V2}/requests.{form}", data={k: v for k, v in data.items() if v is not None})

    return post


def _case(report: str, **changed: Any) -> dict[str, Any]:
    at = "2026-03-02T01:00:00.000000Z"
    return {
        "id": "0198c6bb-fcd4-7160-a1e8-674dac62292a",
        "number": "XP-2026-000871",
        "state": "accepted",
        "kind": "problem",
        "title": "路灯",
        "category": {"code": "0102", "name": "路灯照明", "confidence": 0.9, "method": "given"},
        "livelihood": True,
        "colour": "yellow",
        "level": "grid",
        "street": "350921001",
        "decision": {"policy": "1", "rule": "r", "reason": "x"},
        "reports": [{"id": report, "reporter": None, "channel": "open311", "received_at": at}],
        "legs": [
            {
                "id": new_id(),
                "kind": "handle",
                "level": "grid",
                "step": 0,
                "assignee": {"type": "person", "id": "p1"},
                "state": "accepted",
                "offered_at": at,
                "accepted_at": "2026-03-02T01:05:00.000000Z",
            }
        ],
        "pauses": [],
        "extensions": [],
        "citizen_limit": 86400,
        "first_received_at": at,
        "opened_at": at,
        **changed,
    }


@pytest.fixture
def told(intake: Opened) -> Callable[..., None]:
    """Routing says what became of a case."""

    def told(name: str, report: str, sequence: int, at: str, reason: str = "", **changed: Any) -> None:
        data = {
            "case": _case(report, **changed),
            "change": {
                "action": {"case.resolved": "resolve", "case.answered": "answer"}.get(name, "do"),
                "actor": "p1",
                "at": at,
                "reason": reason or None,
            },
        }
        event = make(name, "/jiayuan/routing", data, at=datetime.now(UTC), subject="c", sequence=sequence)
        with intake() as work:
            for handler in intake.runtime.deliveries.handlers:
                if handler.pattern == "case.*":
                    assert handler.wants is None or handler.wants(event)
                    handler.run(work, [event])

    return told


# -- discovery ----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("where", ["/discovery", "/open311/discovery", f"{V2}/discovery"])
def test_discovery_names_the_endpoint(client: Client, form: str, where: str) -> None:
    response = client.get(f"{where}.{form}", base_url="https://open311.example.cn")
    assert (response.status_code, response.content_type) == (200, TYPES[form])
    said = parsed(response)
    assert all(said[name] for name in ("changeset", "contact", "key_service"))
    (endpoint,) = said["endpoints"]
    assert set(endpoint) == {"specification", "url", "changeset", "type", "formats"}
    assert endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2"
    assert endpoint["url"] == "https://open311.example.cn/open311/v2"
    assert endpoint["type"] in ("production", "test")
    assert endpoint["formats"] == ["text/xml", "application/json"]
    for changeset in (said["changeset"], endpoint["changeset"]):
        assert datetime.fromisoformat(changeset) < datetime.now(UTC)


# -- services -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "query", ["", "?jurisdiction_id=", "?jurisdiction_id=xiapu.gov.cn&lat=26.9&long=120"]
)
def test_services_are_the_leaves_of_the_catalogue(client: Client, form: str, query: str) -> None:
    response = client.get(f"{V2}/services.{form}{query}")
    assert (response.status_code, response.content_type) == (200, TYPES[form])
    said = {s["service_code"]: s for s in parsed(response)}
    assert len(said) > 50
    lamp = said["0102"]
    assert set(lamp) == {
        "service_code",
        "service_name",
        "description",
        "metadata",
        "type",
        "keywords",
        "group",
    }
    assert lamp["service_name"] == "路灯照明"
    assert lamp["type"] == "realtime"
    assert "照明" in lamp["keywords"].split(",")
    assert lamp["group"] == "市政设施与环卫"
    assert truth(lamp["metadata"])
    assert not truth(said["0101"]["metadata"])
    assert "01" not in said


@BOTH
def test_a_service_definition_has_its_attributes_in_order(client: Client, form: str) -> None:
    said = parsed(client.get(f"{V2}/services/0104.{form}"))
    assert said["service_code"] == "0104"
    first = said["attributes"][0]
    assert truth(first["variable"])
    assert not truth(first["required"])
    assert (first["code"], first["datatype"], str(first["order"])) == ("COVER", "singlevaluelist", "1")
    assert first["values"][0] == {"key": "MISSING", "name": "缺失"}
    assert first["datatype_description"]
    assert [str(a["order"]) for a in said["attributes"]] == ["1", "2"]
    assert parsed(client.get(f"{V2}/services/0101.{form}"))["attributes"] == []


# -- what is refused ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("services.{f}?jurisdiction_id=nowhere.cn", 404, "jurisdiction_id nowhere.cn"),
        ("services/9999.{f}", 404, "service_code 9999"),
        ("services/0102.{f}?jurisdiction_id=nowhere.cn", 404, "jurisdiction_id"),
        ("requests.{f}?jurisdiction_id=nowhere.cn", 404, "jurisdiction_id"),
        ("requests/nothing.{f}", 404, "service_request_id nothing"),
        ("requests/0198c684-5e91-7831-b19e-89c4d656bdb8.{f}", 404, "service_request_id"),
        ("requests/x.{f}?jurisdiction_id=nowhere.cn", 404, "jurisdiction_id"),
        ("tokens/XP0000000000.{f}", 404, "token XP0000000000"),
        ("tokens/x.{f}?jurisdiction_id=nowhere.cn", 404, "jurisdiction_id"),
        ("requests.{f}?start_date=yesterday", 400, "start_date"),
        ("requests.{f}?start_date=2026-02-30T00:00:00Z", 400, "start_date"),
        ("requests.{f}?start_date=2026-01-01T00:00:00Z&end_date=2026-05-01T00:00:00Z", 400, "end_date"),
        ("requests.{f}?start_date=2026-02-01T00:00:00Z&end_date=2026-01-01T00:00:00Z", 400, "end_date"),
        ("requests.{f}?status=done", 400, "status"),
        ("requests.{f}?page=0", 400, "page"),
        ("requests.{f}?page_size=1001", 400, "page_size"),
        ("requests.{f}?service_code=9999", 404, "service_code 9999"),
        ("requests.{f}?after=x", 400, "after"),
        ("requests.{f}?extensions=perhaps", 400, "extensions"),
        ("servicerequestupdates.{f}?start_date=x", 400, "start_date"),
        ("nothing.{f}", 404, "Not Found"),
    ],
)
def test_refusals_have_the_form_of_the_specification(
    client: Client, form: str, path: str, status: int, names: str
) -> None:
    response = client.get(f"{V2}/{path.format(f=form)}")
    assert response.status_code == status
    assert response.content_type == TYPES[form]
    assert any(code == status and names in said for code, said in errors(response))


def test_several_errors_are_told_at_once(post: Callable[..., Any]) -> None:
    response = post(service_code="9999", lat="91", long=None, email="nobody", description="x" * 4001)
    assert response.status_code == 404  # the gravest: something isn't there
    told = errors(response)
    assert {code for code, _ in told} == {404, 400}
    for name in ("service_code", "lat ", "long ", "email", "description"):
        assert any(said.startswith(name) for _, said in told), name


@BOTH
@pytest.mark.parametrize(
    ("path", "method", "how", "status"),
    [
        ("services.{f}", "post", {}, 405),
        ("requests.{f}", "delete", {}, 405),
        ("requests.{f}", "post", {"json": {"service_code": "0102"}}, 415),
        ("requests.{f}", "post", {"data": b"<!DOCTYPE a><a/>", "content_type": "text/xml"}, 415),
        (
            "requests.{f}",
            "post",
            {
                "data": b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><l>&b;</l>',
                "content_type": "application/xml",
            },
            415,
        ),
        (
            "requests.{f}",
            "post",
            {"data": b"api_key=%ff", "content_type": "application/x-www-form-urlencoded"},
            400,
        ),
        (
            "servicerequestupdates.{f}",
            "post",
            {"data": b"a=" + b"1" * (32 * 1024 * 1024), "content_type": "application/x-www-form-urlencoded"},
            413,
        ),
    ],
)
def test_everything_below_the_prefix_is_refused_in_its_form(
    client: Client, form: str, path: str, method: str, how: dict[str, Any], status: int
) -> None:
    response = getattr(client, method)(f"{V2}/{path.format(f=form)}", **how)
    assert response.status_code == status
    assert [code for code, _ in errors(response)] == [status]


def test_a_fault_of_ours_is_told_in_its_form_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("secret detail")

    monkeypatch.setattr("jiayuan.intake.channels.open311.requests.services", broken)
    response = client.get(f"{V2}/services.json")
    assert response.status_code == 500
    assert "secret" not in str(errors(response))


def test_no_suffix_and_unknown_suffixes_are_answered_in_xml(client: Client) -> None:
    for path in ("services", "services.yaml", "requests"):
        response = client.get(f"{V2}/{path}")
        assert response.status_code == 404
        assert response.content_type == TYPES["xml"]


# -- keys ---------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("given", [None, "", "wrong"])
def test_403_is_for_keys_only(client: Client, form: str, given: str | None) -> None:
    data = {**LAMP, **({} if given is None else {"api_key": given})}
    response = client.post(f"{V2}/requests.{form}", data=data)
    assert response.status_code == 403
    ((code, said),) = errors(response)
    assert code == 403
    assert "api_key" in said


def test_a_key_counts_for_its_jurisdictions_and_until_it_is_revoked(
    client: Client, make_key: MakeKey, intake: Opened
) -> None:
    key = make_key("songcheng.xiapu.gov.cn")

    def sent(where: str) -> int:
        data = {**LAMP, "api_key": key, "jurisdiction_id": where}
        return client.post(f"{V2}/requests.json", data=data).status_code

    assert sent("songcheng.xiapu.gov.cn") == 200
    assert sent("songgang.xiapu.gov.cn") == 403
    with intake() as work:
        assert listed.revoke_key(work, key.split("-")[1], "test", "lost")
        assert not listed.revoke_key(work, key.split("-")[1], "test", "again")
    assert sent("songcheng.xiapu.gov.cn") == 403


def test_a_key_is_limited_and_told_when_to_try_again(
    client: Client, make_key: MakeKey, intake: Opened
) -> None:
    key = make_key(per_minute=2)

    def sent(words: str) -> Any:
        return client.post(f"{V2}/requests.xml", data={**LAMP, "api_key": key, "description": words})

    assert [sent(w).status_code for w in ("路灯一", "路灯二")] == [200, 200]
    refused = sent("路灯三")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert errors(refused)[0][0] == 429
    intake.clock.time += timedelta(minutes=1)
    assert sent("路灯三").status_code == 200


def test_only_the_hash_of_a_key_is_kept(intake: Opened, key: str) -> None:
    with intake.engine.connect() as conn:
        kept = str(conn.execute(sql("SELECT * FROM open311_key")).all())
    assert key not in kept
    assert key.split("-", 2)[2] not in kept


# -- a request ----------------------------------------------------------------------------------------


@BOTH
def test_a_request_comes_in_and_is_shown_without_its_sender(
    client: Client, post: Callable[..., Any], intake: Opened, form: str
) -> None:
    response = post(form, address_string="龙津社区3号楼402室")
    assert (response.status_code, response.content_type) == (200, TYPES[form])
    (made,) = parsed(response)
    assert set(made) == {"service_request_id", "service_notice", "account_id"}
    assert made["account_id"] == "123456"
    with intake.engine.connect() as conn:
        row = conn.execute(sql("SELECT * FROM report")).one()
    assert str(row.id) == made["service_request_id"]
    assert row.tracking_code in made["service_notice"]
    assert (row.channel, row.category, row.category_method) == ("open311", "0102", "given")
    assert row.community == "350921001001"

    for path in (f"requests/{row.id}", "requests"):
        shown = client.get(f"{V2}/{path}.{form}")
        assert shown.content_type == TYPES[form]
        page = shown.get_data(as_text=True)
        for secret in (
            "1380013",
            "1390013",
            "li@example",
            "例四",
            "tt222111",
            "123456",
            "402",
            row.tracking_code,
        ):
            assert secret not in page, secret
        (record,) = parsed(shown)
        assert record["service_request_id"] == str(row.id)
        assert record["status"] == "open"
        assert record["service_code"] == "0102"
        assert record["service_name"] == "路灯照明"
        assert record["description"].startswith("龙津社区听雨街的路灯坏了")
        assert record["requested_datetime"] == "2026-03-02T01:00:00Z"
        assert record["updated_datetime"] == "2026-03-02T01:00:00Z"
        assert record["address"] == "龙津社区，松城街道，霞浦县"
        assert record["address_id"] == "350921001001"
        assert record["zipcode"] == "355100"
        # Coarse, as this jurisdiction's setting has it: a home isn't to be read off.
        assert (float(record["lat"]), float(record["long"])) == (26.888, 119.998)
        if form == "json":
            assert record["expected_datetime"] is None
            assert isinstance(record["lat"], float)
            assert set(record) == {
                "service_request_id",
                "status",
                "status_notes",
                "service_name",
                "service_code",
                "description",
                "agency_responsible",
                "service_notice",
                "requested_datetime",
                "updated_datetime",
                "expected_datetime",
                "address",
                "address_id",
                "zipcode",
                "lat",
                "long",
                "media_url",
            }
        else:
            assert "expected_datetime" not in record
            assert record["media_url"] == ""


def test_the_sender_is_sealed(post: Callable[..., Any], intake: Opened) -> None:
    assert post().status_code == 200
    with intake.engine.connect() as conn:
        kept = str(conn.execute(sql("SELECT * FROM report")).all())
        kept += str(conn.execute(sql("SELECT body FROM outbox_event")).all())
        kept += str(conn.execute(sql("SELECT * FROM open311_request")).all())
        kept += str(conn.execute(sql("SELECT * FROM idempotency_key")).all())
    for secret in (
        "13800138000",
        "13900139000",
        "li@example.org",
        "例四",
        "tt222111",
        "'123456'",
        '"123456"',
    ):
        assert secret not in kept


def test_a_token_is_the_tracking_code(client: Client, post: Callable[..., Any]) -> None:
    made = post().get_json()[0]
    code = re.search(r"XP[0-9A-Z]{10}", made["service_notice"])[0]  # type: ignore[index]
    for form in ("json", "xml"):
        (said,) = parsed(client.get(f"{V2}/tokens/{code.lower()}.{form}"))
        assert said == {"service_request_id": made["service_request_id"], "token": code.lower()}


@pytest.mark.parametrize(
    ("fields", "community"),
    [
        ({"lat": None, "long": None, "address_string": "西关社区枇杷街"}, "350921001002"),
        ({"lat": None, "long": None, "address_id": "350921001003"}, "350921001003"),
        ({"lat": "26.888", "long": "119.998", "description": "路灯坏了"}, None),
    ],
)
def test_a_place_is_coordinates_words_or_a_code(
    post: Callable[..., Any], intake: Opened, fields: dict[str, Any], community: str | None
) -> None:
    assert post(**{"description": "路灯坏了", **fields}).status_code == 200
    with intake.engine.connect() as conn:
        row = conn.execute(sql("SELECT street, community FROM report")).one()
    assert row.street == "350921001"
    if community:
        assert row.community == community


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"service_code": None}, "service_code was not provided"),
        ({"lat": None, "long": None}, "lat was not provided"),
        ({"lat": None}, "lat was not provided"),
        ({"long": ""}, "long was not provided"),
        ({"lat": "north"}, "lat is not a number"),
        ({"lat": "nan"}, "lat is not a number"),
        ({"long": "1e3"}, "long is not a number"),
        ({"lat": None, "long": None, "address_id": "#NOTPINPOINTED#"}, "address_id"),
        ({"phone": "call me"}, "phone"),
        ({"media_url": "javascript:alert(1)"}, "media_url"),
        ({"media_url": "http:///x"}, "media_url"),
        ({"service_code": "0104", "attribute[COVER]": "GONE"}, "attribute[COVER] is none of MISSING"),
        ({"service_code": "0204"}, "attribute[TRAPPED] was not provided"),
    ],
)
def test_a_wrong_field_is_400_and_nothing_is_taken(
    post: Callable[..., Any], intake: Opened, fields: dict[str, Any], names: str
) -> None:
    response = post("xml", **fields)
    assert response.status_code == 400
    assert any(names in said for _, said in errors(response))
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 0


def test_attributes_reach_whoever_handles_it(client: Client, post: Callable[..., Any]) -> None:
    made = post(
        **{
            "service_code": "0204",
            "attribute[TRAPPED]": "YES",
            "attribute[LIFT]": "L7",
            "attribute[x][]": "y",
        }
    )
    id_ = made.get_json()[0]["service_request_id"]
    said = client.get(f"{V2}/requests/{id_}.json").get_json()[0]["description"]
    assert "是否有人被困：有人被困" in said
    assert "电梯识别码：L7" in said
    assert "x：y" in said  # nothing that was sent is lost


def test_a_request_without_words_is_one_of_its_service(client: Client, post: Callable[..., Any]) -> None:
    id_ = post(description="").get_json()[0]["service_request_id"]
    assert client.get(f"{V2}/requests/{id_}.json").get_json()[0]["description"] == "路灯照明"


def test_danger_is_answered_at_once(post: Callable[..., Any]) -> None:
    notice = post(description="龙津社区有人家里煤气泄漏，味道很大").get_json()[0]["service_notice"]
    assert "119" in notice


def test_the_same_again_within_minutes_is_the_same_report(
    post: Callable[..., Any], intake: Opened, make_key: MakeKey
) -> None:
    first = post().get_json()
    assert post().get_json() == first
    assert post(device_id="another").get_json() != first
    assert post(description="另一盏路灯").get_json() != first
    assert post(api_key=make_key()).get_json() != first
    intake.clock.time += timedelta(minutes=11)
    later = post().get_json()
    assert later != first
    assert post().get_json() == later
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 5


def test_any_charset_and_multipart(client: Client, key: str) -> None:
    fields = {"api_key": key, "service_code": "0102", "lat": "26.888", "long": "119.998"}
    body = (
        "&".join(f"{k}={v}" for k, v in fields.items()).encode()
        + b"&description="
        + b"%C2%B7%B5%C6%BB%B5%C1%CB"
    )
    gbk = client.post(
        f"{V2}/requests.json", data=body, content_type="application/x-www-form-urlencoded; charset=gbk"
    )
    assert gbk.status_code == 200
    id_ = gbk.get_json()[0]["service_request_id"]
    assert client.get(f"{V2}/requests/{id_}.json").get_json()[0]["description"] == "路灯坏了"
    multipart = client.post(
        f"{V2}/requests.json",
        data={**fields, "description": "路灯又坏了"},
        content_type="multipart/form-data",
    )
    assert multipart.status_code == 200


def test_a_description_that_xml_cannot_carry_is_still_xml(client: Client, post: Callable[..., Any]) -> None:
    id_ = post(description="路灯\x01\x0b<b>坏</b>&amp;\ufffe]]>\U0001f4a1 &#0;").get_json()[0][
        "service_request_id"
    ]
    (said,) = parsed(client.get(f"{V2}/requests/{id_}.xml"))
    assert "坏" in said["description"]
    assert "\U0001f4a1" in said["description"]


def test_what_leads_to_a_person_is_listed_without_words(client: Client, post: Callable[..., Any]) -> None:
    id_ = post(description="我在向阳豪庭3号楼，不想活了").get_json()[0]["service_request_id"]
    (said,) = parsed(client.get(f"{V2}/requests/{id_}.json?extensions=true"))
    assert said["description"] is None
    assert said["extended_attributes"]["title"] is None
    assert said["address_id"] in (None, "350921001")
    assert said["notes"] == []


# -- what became of it ------------------------------------------------------------------------------------


def test_status_agency_and_times_follow_the_case(
    client: Client, post: Callable[..., Any], told: Callable[..., None]
) -> None:
    id_ = post().get_json()[0]["service_request_id"]

    def shown(query: str = "") -> Any:
        return parsed(client.get(f"{V2}/requests/{id_}.json{query}"))[0]

    told("case.accepted", id_, 3, "2026-03-02T01:05:00.000000Z")
    now = shown()
    assert now["status"] == "open"
    assert now["expected_datetime"] == "2026-03-03T01:00:00Z"
    assert now["updated_datetime"] == "2026-03-02T01:05:00Z"
    assert now["agency_responsible"] == "网格"
    told(
        "case.resolved",
        id_,
        5,
        "2026-03-02T02:00:00.000000Z",
        "灯头已更换，有问题打13800138000",
        state="resolved",
        resolved_at="2026-03-02T02:00:00.000000Z",
    )
    told("case.answered", id_, 4, "2026-03-02T01:30:00.000000Z", "今天来修", state="answered")  # late
    now = shown("?extensions=true")
    assert now["status"] == "closed"
    assert now["updated_datetime"] == "2026-03-02T02:00:00Z"
    assert "灯头已更换" in now["status_notes"]
    assert "13800138000" not in str(now)
    assert all(set(n) == {"datetime", "description", "type"} for n in now["notes"])
    assert now["notes"][0]["type"] == "opened"
    assert now["extended_attributes"]["case_number"] == "XP-2026-000871"
    assert now["extended_attributes"]["status_detail"] == "fixed"
    told(
        "case.closed",
        id_,
        6,
        "2026-03-05T02:00:00.000000Z",
        state="closed",
        resolved_at="2026-03-02T02:00:00.000000Z",
        closed_at="2026-03-05T02:00:00.000000Z",
    )
    assert shown()["updated_datetime"] == "2026-03-02T02:00:00Z"  # when the work was done
    for status, count in (("closed", 1), ("open", 0), ("open,closed", 1)):
        assert len(parsed(client.get(f"{V2}/requests.json?status={status}"))) == count
    told("case.reopened", id_, 7, "2026-03-05T03:00:00.000000Z", state="assigned")
    assert shown()["status"] == "open"
    assert len(parsed(client.get(f"{V2}/requests.json?status=open"))) == 1


# -- the list ---------------------------------------------------------------------------------------------


@pytest.fixture
def many(post: Callable[..., Any], intake: Opened) -> list[str]:
    """Twelve requests, one every ten days from 2026-01-01 to 2026-04-21, lamps and covers in turn."""
    made = []
    for n in range(12):
        intake.clock.time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=10 * n)
        fields = {"service_code": ("0102", "0104")[n % 2], "description": f"第{n}号"}
        made.append(post(**fields).get_json()[0]["service_request_id"])
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", range(2, 12)),  # the last 90 days, ends included
        ("start_date=&end_date=&status=&service_code=", range(2, 12)),
        ("start_date=2026-01-01T00:00:00Z", range(10)),
        ("end_date=2026-02-10T00:00:00Z", range(5)),
        ("end_date=2026-02-10", range(5)),
        ("start_date=2026-01-11T08:00:00%2B08:00&end_date=2026-01-31T08:00:00+08:00", range(1, 4)),
        ("start_date=2026-01-11&end_date=2026-01-31", range(1, 4)),
        ("start_date=2026-01&end_date=2026-01", range(4)),
        ("service_code=0104", range(3, 12, 2)),
        ("service_code=0102,0104&service_code=0101", range(2, 12)),
        ("updated_after=2026-04-11T00:00:00Z", range(10, 12)),
        ("status=closed", ()),
        ("jurisdiction_id=songcheng.xiapu.gov.cn", range(2, 12)),
        ("jurisdiction_id=songgang.xiapu.gov.cn", ()),
        ("page_size=4", range(8, 12)),
        ("page_size=4&page=2", range(4, 8)),
        ("page_size=4&page=9", ()),
    ],
)
def test_the_list_is_what_was_asked_for(client: Client, many: list[str], query: str, expected: Any) -> None:
    shown = parsed(client.get(f"{V2}/requests.json?{query}"))
    assert [r["service_request_id"] for r in shown] == [many[n] for n in reversed(list(expected))]


def test_ids_override_everything_else(client: Client, many: list[str]) -> None:
    query = f"service_request_id={many[0]},{many[1]},nobody&status=nonsense&start_date=x&service_code=9999"
    shown = parsed(client.get(f"{V2}/requests.xml?{query}"))
    assert [r["service_request_id"] for r in shown] == [many[1], many[0]]
    assert parsed(client.get(f"{V2}/requests.json?service_request_id=nobody")) == []


def test_pages_follow_each_other_by_the_header(client: Client, many: list[str]) -> None:
    path, seen = f"{V2}/requests.json?page_size=4&start_date=2026-01-21T00:00:00Z", []
    while path:
        response = client.get(path)
        seen += [r["service_request_id"] for r in parsed(response)]
        found = re.search('<([^>]*)>; rel="next"', response.headers.get("Link", ""))
        path = found[1] if found else ""
    # From 21 January for 90 days.
    assert seen == list(reversed(many[2:12]))


def test_requests_of_other_channels_are_not_shown(client: Client, intake: Opened) -> None:
    from jiayuan.intake import handlers, report

    with intake() as work:
        (receipt,) = handlers.receive(work, [report.Submission("mini_program", "龙津社区路灯坏了")])
    assert client.get(f"{V2}/requests/{receipt.report}.json").status_code == 404
    assert parsed(client.get(f"{V2}/requests.json")) == []


# -- updates ----------------------------------------------------------------------------------------------


@BOTH
def test_updates_are_told_as_mysocietys_clients_read_them(
    client: Client, post: Callable[..., Any], told: Callable[..., None], form: str
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    told(
        "case.resolved",
        id_,
        5,
        "2026-03-02T02:00:00.250000Z",
        "灯头已更换",
        state="resolved",
        resolved_at="2026-03-02T02:00:00.250000Z",
    )
    window = "start_date=2026-03-02T00:00:00Z&end_date=2026-03-02T02:00:00Z"
    said = parsed(client.get(f"{V2}/servicerequestupdates.{form}?{window}&api_key=x&jurisdiction_id="))
    assert [u["status"] for u in said][-1] == "fixed"
    assert said[-1]["updated_datetime"] == "2026-03-02T02:00:00Z"
    assert all(u["service_request_id"] == id_ for u in said)
    assert len({u["update_id"] for u in said}) == len(said)
    again = parsed(client.get(f"{V2}/servicerequestupdates.{form}?{window}"))
    assert again == said
    later = "start_date=2026-03-02T02:00:01Z&end_date=2026-03-02T05:00:00Z"
    assert parsed(client.get(f"{V2}/servicerequestupdates.{form}?{later}")) == []


@pytest.fixture
def update(client: Client, key: str) -> Callable[..., Any]:
    """As FixMyStreet's Open311.pm posts it (post_service_request_update)."""

    def update(request: str, form: str = "xml", **fields: Any) -> Any:
        data = {
            "api_key": key,
            "jurisdiction_id": "xiapu.gov.cn",
            "service_request_id": request,
            "update_id": "901",
            "status": "OPEN",
            "updated_datetime": "2026-03-02T09:30:00+08:00",
            "description": "还是不亮，电话13800138000",
            "email": "li@example.org",
            "first_name": "例四",
            "last_name": "-",
            **fields,
        }
        return client.post(f"{V2}/servicerequestupdates.{form}", data=data)

    return update


def _events(intake: Opened) -> list[Any]:
    with intake.engine.connect() as conn:
        rows = conn.execute(
            sql("SELECT body FROM outbox_event WHERE exchange = 'jiayuan.events' ORDER BY id")
        )
        return [r.body for r in rows if not r.body["type"].endswith("received.v1")]


@BOTH
def test_an_update_is_a_supplement_once(
    post: Callable[..., Any], update: Callable[..., Any], intake: Opened, form: str
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    first = update(id_, form)
    assert first.status_code == 200
    (said,) = parsed(first)
    assert said["update_id"]
    assert parsed(update(id_, form)) == [said]
    (event,) = _events(intake)
    assert event["type"] == "cn.jiayuan.report.supplemented.v1"
    assert "13800138000" not in event["data"]["text"]
    assert parsed(update(id_, form, update_id="902")) != [said]


@pytest.mark.parametrize(
    ("state", "status", "type_", "solved"),
    [
        (None, "CLOSED", "withdrawn", None),
        (None, "REOPEN", "supplemented", None),
        ("accepted", "FIXED", "withdrawn", None),
        ("accepted", "INVESTIGATING", "supplemented", None),
        ("resolved", "FIXED", "rated", True),
        ("resolved", "REOPEN", "rated", False),
        ("resolved", "OPEN", "rated", False),
        ("closed", "REOPEN", "supplemented", None),
        ("closed", "CLOSED", "supplemented", None),
    ],
)
def test_an_update_becomes_what_it_means(
    post: Callable[..., Any],
    update: Callable[..., Any],
    told: Callable[..., None],
    intake: Opened,
    state: str | None,
    status: str,
    type_: str,
    solved: bool | None,
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    if state:
        told("case.resolved", id_, 5, "2026-03-02T02:00:00.000000Z", state=state)
    assert update(id_, status=status).status_code == 200
    (event,) = _events(intake)
    assert event["type"] == f"cn.jiayuan.report.{type_}.v1"
    assert event["data"].get("solved") is solved


@pytest.mark.parametrize(
    ("fields", "status", "names"),
    [
        ({"api_key": ""}, 403, "api_key"),
        ({"service_request_id": ""}, 400, "service_request_id"),
        ({"service_request_id": "0198c684-5e91-7831-b19e-89c4d656bdb8"}, 404, "service_request_id"),
        ({"service_request_id": "x"}, 404, "service_request_id"),
        ({"update_id": ""}, 400, "update_id"),
        ({"status": "LOST"}, 400, "status"),
        ({"updated_datetime": "now"}, 400, "updated_datetime"),
        ({"jurisdiction_id": "nowhere.cn"}, 404, "jurisdiction_id"),
    ],
)
def test_a_wrong_update_is_refused(
    post: Callable[..., Any], update: Callable[..., Any], fields: dict[str, Any], status: int, names: str
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    response = update(id_, **fields)
    assert response.status_code == status
    assert any(names in said for _, said in errors(response))


def test_nobody_updates_what_another_key_sent(
    post: Callable[..., Any], update: Callable[..., Any], make_key: MakeKey
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    assert update(id_, api_key=make_key()).status_code == 403


def test_a_withdrawn_request_is_closed_when_it_was_withdrawn(
    client: Client, post: Callable[..., Any], update: Callable[..., Any], intake: Opened
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    intake.clock.time += timedelta(hours=1)
    update(id_, status="CANCELLED")
    (said,) = parsed(client.get(f"{V2}/requests/{id_}.json"))
    assert (said["status"], said["updated_datetime"]) == ("closed", "2026-03-02T02:00:00Z")
    assert update(id_, update_id="903").status_code == 400


# -- photos -------------------------------------------------------------------------------------------------


@pytest.fixture
def album(intake: Opened, tmp_path: Path) -> Iterator[Path]:
    """A store for files, and a jurisdiction that shows them."""
    document = yaml.safe_load((Path(places.__file__).parents[2] / "data/open311.yaml").read_text("utf-8"))
    for entry in document["jurisdictions"]:
        entry |= {"show_media": True, "location": "exact"}
    file = tmp_path / "open311.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    before = intake.runtime.settings
    intake.runtime.settings = replace(before, media=f"file://{tmp_path}/media", open311=str(file))
    yield tmp_path
    intake.runtime.settings = before


def _jpeg(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return out.getvalue()


def _with_photos(client: Client, key: str, *photos: bytes) -> Any:
    data = {"api_key": key, **LAMP, "media": [(io.BytesIO(p), "p.jpg") for p in photos]}
    return client.post(f"{V2}/requests.json", data=data, content_type="multipart/form-data")


def test_a_photo_is_kept_and_shown_where_photos_are_shown(
    client: Client, key: str, intake: Opened, album: Path
) -> None:
    made = _with_photos(client, key, _jpeg(), _jpeg("blue"))
    assert made.status_code == 200, made.data
    id_ = made.get_json()[0]["service_request_id"]
    assert _with_photos(client, key, _jpeg(), _jpeg("blue")).get_json()[0]["service_request_id"] == id_
    assert _with_photos(client, key, _jpeg("green")).get_json()[0]["service_request_id"] != id_
    (shown,) = parsed(client.get(f"{V2}/requests/{id_}.json", base_url="http://open311.example.cn"))
    assert shown["media_url"].startswith("http://open311.example.cn/media/")
    assert (shown["lat"], shown["long"]) == (26.88803, 119.99812)  # exact, as this jurisdiction has it
    with intake.engine.connect() as conn:
        assert (
            conn.execute(sql("SELECT count(*) FROM attachment WHERE report = :r"), {"r": id_}).scalar_one()
            == 2
        )
    assert list(album.glob("media/*/*/*"))


def test_a_linked_photo_is_shown_only_where_photos_are_shown(
    client: Client,
    post: Callable[..., Any],
    intake: Opened,
    album: Path,  # noqa: ARG001
) -> None:
    link = "https://photos.example.org/1.jpg"
    id_ = post(media_url=link).get_json()[0]["service_request_id"]
    assert parsed(client.get(f"{V2}/requests/{id_}.xml"))[0]["media_url"] == link
    intake.runtime.settings = replace(intake.runtime.settings, open311="")
    assert parsed(client.get(f"{V2}/requests/{id_}.json"))[0]["media_url"] is None
    other = post(media_url=link, description="另一处").get_json()[0]["service_request_id"]
    with intake.engine.connect() as conn:
        kept = conn.execute(sql("SELECT facts FROM report WHERE id = :r"), {"r": other}).scalar_one()
    assert link not in str(kept)  # nobody is to see it: it is sealed with the report


@pytest.mark.parametrize("photos", [[b"GIF89a"], [b"<svg/>"], [_jpeg()] * 10])
def test_a_wrong_file_is_told_and_nothing_is_taken(
    client: Client,
    key: str,
    intake: Opened,
    album: Path,  # noqa: ARG001
    photos: list[bytes],
) -> None:
    refused = _with_photos(client, key, *photos)
    assert refused.status_code == 400
    assert all("media" in said for _, said in errors(refused))
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 0


def test_without_a_store_a_file_is_refused_not_lost(client: Client, key: str) -> None:
    refused = _with_photos(client, key, _jpeg())
    assert refused.status_code == 400
    assert "keeps no files" in errors(refused)[0][1]


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_batch_jurisdiction_gives_a_token_and_no_id(
    client: Client, post: Callable[..., Any], intake: Opened, album: Path, form: str
) -> None:
    document = yaml.safe_load((album / "open311.yaml").read_text("utf-8"))
    document["jurisdictions"][0]["type"] = "batch"
    (album / "batch.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    intake.runtime.settings = replace(intake.runtime.settings, open311=str(album / "batch.yaml"))
    assert {s["type"] for s in parsed(client.get(f"{V2}/services.{form}"))} == {"batch"}
    (made,) = parsed(post(form))
    assert set(made) == {"token", "service_notice", "account_id"}
    (said,) = parsed(client.get(f"{V2}/tokens/{made['token']}.{form}"))
    assert parsed(client.get(f"{V2}/requests/{said['service_request_id']}.{form}"))


# -- the command line ---------------------------------------------------------------------------------------


def test_keys_are_made_listed_and_revoked_by_command(
    client: Client, intake: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", intake.url)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(open311_commands, ["keys", *arguments])

    assert "no keys" in run("list").output
    assert run("add", "应用", "--jurisdiction", "nowhere.cn").exit_code == 2
    made = run("add", "应用甲", "--jurisdiction", "xiapu.gov.cn", "--per-minute", "5")
    key = next(line for line in made.output.splitlines() if line.startswith("jy311-"))
    assert client.post(f"{V2}/requests.json", data={**LAMP, "api_key": key}).status_code == 200
    shown = run("list").output
    assert "应用甲" in shown
    assert "xiapu.gov.cn" in shown
    assert "today 0/" in shown or "today 1/" in shown
    assert key not in shown
    id_ = key.split("-")[1]
    assert run("revoke", id_, "--reason", "泄露").exit_code == 0
    assert run("revoke", id_, "--reason", "泄露").exit_code == 1
    assert "revoked" in run("list").output
    assert client.post(f"{V2}/requests.json", data={**LAMP, "api_key": key}).status_code == 403


def test_old_uses_are_forgotten(client: Client, key: str, intake: Opened) -> None:
    assert client.post(f"{V2}/requests.json", data={**LAMP, "api_key": key}).status_code == 200
    intake.clock.time += timedelta(days=41)
    with intake() as work:
        assert api_keys.forget(work) == 2


def test_an_erased_report_takes_nothing_more(
    client: Client, post: Callable[..., Any], update: Callable[..., Any], intake: Opened
) -> None:
    id_ = post().get_json()[0]["service_request_id"]
    with intake() as work:
        people_rows.erase_words(work, [id_], work.now)
    assert update(id_).status_code == 400
    (said,) = parsed(client.get(f"{V2}/requests/{id_}.json?extensions=true"))
    assert "路灯坏了" not in str(said)
