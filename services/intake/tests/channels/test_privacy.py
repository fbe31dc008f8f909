"""A person's own data, and seeing what is masked with two persons, through the service's routes on a real database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text as sql
from sqlalchemy.exc import ProgrammingError
from werkzeug.routing import Map, Rule
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.contracts.check import problems
from jiayuan.contracts.registry import EVENTS
from jiayuan.intake import consent, handlers, keys, people, persons
from jiayuan.intake.cli import intake as commands
from jiayuan.intake.report import Submission
from jiayuan.intake.service import IntakeService
from jiayuan.intake.store import people as stored

pytestmark = pytest.mark.store

PHONE = "13800138000"
SECRETS = (PHONE, "例张三", "三单元的秘密", "回拨号码000")
STREET = "350921001"


class Client:
    """Calls the service's routes, as the web server would."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.service = IntakeService()
        self.service.delivery = opened.runtime  # type: ignore[assignment]
        found = [
            (e, method)
            for name in dir(IntakeService)
            for method in [getattr(self.service, name)]
            for e in getattr(method, "nameko_entrypoints", ())
            if hasattr(e, "get_url_rule")
        ]
        self.methods = {id(e): (e, method) for e, method in found}
        self.map = Map([Rule(e.url, methods=e.method.split(","), endpoint=id(e)) for e, _ in found])

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        who: str = "",
        roles: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
        **claims: str,
    ) -> Any:
        headers = dict(headers or {})
        if roles:
            token = tokens.issue(TOKEN_SECRET, who or roles[0], roles, **claims)  # type: ignore[arg-type]
            headers["Authorization"] = f"Bearer {token}"
        path, _, query = path.partition("?")
        data = orjson.dumps(body) if body is not None else None
        builder = EnvironBuilder(path=path, query_string=query, method=method, headers=headers, data=data)
        endpoint, values = self.map.bind("localhost").match(path, method=method)
        entrypoint, run = self.methods[endpoint]
        return dispatch(
            values,
            Call(builder.get_environ()),
            run,
            self.opened.settings,
            entrypoint.roles,
            entrypoint.url,
            "intake",
        )


@pytest.fixture
def client(intake: Opened) -> Client:
    return Client(intake)


def _report(intake: Opened, phone: str = PHONE, **given: Any) -> handlers.Receipt:
    submission = Submission(
        channel="hotline",
        text="西关社区路灯不亮，三单元的秘密，我叫例张三，电话13800138000",
        title="路灯",
        place_text="松城街道",
        contact=people.Contact("例张三" if phone else "", phone),
        consent=consent.newest().version,
        **{"secrets": {"callback": "回拨号码000"}, **given},
    )
    with intake() as work:
        (receipt,) = handlers.receive(work, [submission])
    return receipt


def _rows(intake: Opened, statement: str) -> list[tuple[Any, ...]]:
    with intake.engine.connect() as conn:
        return [tuple(r) for r in conn.execute(sql(statement))]


def _everything(intake: Opened) -> str:
    """All rows of all tables as text."""
    return "\n".join(
        str(row)
        for table in intake.metadata.sorted_tables
        for row in _rows(intake, f'SELECT * FROM "{table.name}"')
    )


# -- export --------------------------------------------------------------------------------------------


def test_a_citizen_gets_all_that_is_kept_of_him_and_nobody_elses(intake: Opened, client: Client) -> None:
    first, second = _report(intake), _report(intake, "138 0013 8000")
    _report(intake, "13900139000")
    code = {"X-Tracking-Code": first.tracking_code}
    client("POST", f"/reports/{first.report}/supplements", {"text": "补充三单元的秘密"}, headers=code)
    client("POST", f"/reports/{first.report}/rating", {"solved": False, "words": "没修"}, headers=code)
    response = client("POST", "/person/export", {"code": first.tracking_code, "phone": PHONE})
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    found = orjson.loads(response.data)
    assert [r["id"] for r in found["reports"]] == [first.report, second.report]
    report = found["reports"][0]
    assert "三单元的秘密" in report["original"]["text"]
    assert report["contact"] == {"name": "例张三", "phone": PHONE}
    assert report["secrets"] == {"callback": "回拨号码000"}
    assert report["supplements"][0]["text"] == "补充三单元的秘密"
    assert report["ratings"][0]["words"] == "没修"
    assert found["consents"][report["consent"]]["text"]
    assert _rows(intake, "SELECT action, reports, asked_by FROM person_log") == [("exported", 2, "citizen")]


def test_the_same_as_a_page_that_anybody_can_read(intake: Opened, client: Client) -> None:
    receipt = _report(intake, secrets={"note": "<script>alert(1)</script>"})
    asked = {"code": receipt.tracking_code, "phone": PHONE}
    response = client("POST", "/person/export", asked, headers={"Accept": "text/html"})
    page = response.get_data(as_text=True)
    assert response.content_type.startswith("text/html")
    assert "三单元的秘密" in page
    assert "<script>" not in page
    assert "http" not in page.replace(receipt.tracking_code, "")


def test_a_code_alone_shows_no_person_and_an_anonymous_report_is_its_own(
    intake: Opened, client: Client
) -> None:
    receipt = _report(intake)
    for phone, said in (
        ("", "is missing"),
        ("13900139000", "is not the number"),
        ("abc", "is not the number"),
    ):
        response = client("POST", "/person/export", {"code": receipt.tracking_code, "phone": phone})
        assert response.status_code == 403
        assert said in orjson.loads(response.data)["errors"][0]["problem"]
    anonymous = _report(intake, "")
    found = orjson.loads(client("POST", "/person/export", {"code": anonymous.tracking_code}).data)
    assert [r["id"] for r in found["reports"]] == [anonymous.report]
    for body, status in (
        ({"code": "XP0000000000"}, 404),
        ({}, 422),
        ({"kode": "x"}, 422),
        ({"code": "x" * 50}, 422),
    ):
        assert client("POST", "/person/export", body).status_code == status


def test_who_is_signed_in_needs_no_code(intake: Opened, client: Client) -> None:
    handle = people.handle_of(people.Contact(openid="o1"), keys.current().secret) or ""
    assert client("POST", "/person/export", {}, handle, ("citizen",)).status_code == 404
    receipt = _report(intake, "", person=handle)
    found = orjson.loads(client("POST", "/person/export", {}, handle, ("citizen",)).data)
    assert [r["id"] for r in found["reports"]] == [receipt.report]
    # A token of the staff is none of a citizen.
    assert client("POST", "/person/export", {}, handle, ("county",)).status_code == 422


# -- erasure -------------------------------------------------------------------------------------------


def test_after_erasure_nothing_of_the_person_is_anywhere_and_figures_stay(
    intake: Opened, client: Client
) -> None:
    first, second, other = _report(intake), _report(intake), _report(intake, "13900139000", secrets={})
    code = {"X-Tracking-Code": first.tracking_code}
    client("POST", f"/reports/{first.report}/supplements", {"text": "补充三单元的秘密"}, headers=code)
    rating = {"solved": True, "satisfaction": 4, "words": "例张三谢谢"}
    client("POST", f"/reports/{first.report}/rating", rating, headers=code)
    sealed = _rows(intake, f"SELECT original, contact, secrets FROM report WHERE id = '{first.report}'")[0]
    ((old,),) = _rows(intake, f"SELECT reporter FROM report WHERE id = '{first.report}'")
    handle = people.handle_of(people.Contact(phone=PHONE), keys.current().secret)
    figures = "SELECT id, category, street, community, received_at, state, importance FROM report ORDER BY id"
    before = _rows(intake, figures)

    body = {"code": first.tracking_code, "phone": PHONE, "confirm": True}
    response = client("POST", "/person/erasure", body)
    assert response.status_code == 200
    done = orjson.loads(response.data)
    assert (done["state"], done["reports"]) == ("erased", 2)

    assert _rows(intake, figures) == before
    assert _rows(intake, "SELECT solved, satisfaction, words FROM rating") == [(True, 4, None)]
    left = _everything(intake).replace("13900139000", "")
    assert str(handle) not in left
    for value in sealed:
        assert value not in left
    assert _rows(intake, f"SELECT DISTINCT title, text FROM report WHERE reporter = '{old}'") == [
        (stored.ERASED, stored.ERASED)
    ]
    # A copy of what was sealed, from a backup of the reports, opens with nothing that is left.
    for ring in (keys.current().ring, keys.current().sealer):
        with pytest.raises(SealError):
            ring.open(sealed[0], first.report)
    # The other one is as before, and who reports again is somebody new.
    assert (
        client("POST", "/person/export", {"code": other.tracking_code, "phone": "13900139000"}).status_code
        == 200
    )
    third = _report(intake)
    ((new,),) = _rows(intake, f"SELECT reporter FROM report WHERE id = '{third.report}'")
    assert new != old
    assert client("POST", "/person/export", {"code": second.tracking_code, "phone": PHONE}).status_code == 410


def test_erasure_is_told_once_and_logged_once_however_often_it_is_asked(
    intake: Opened, client: Client
) -> None:
    receipt = _report(intake)
    body = {"code": receipt.tracking_code, "phone": PHONE, "confirm": True}
    intake.published.clear()
    answers = [client("POST", "/person/erasure", body) for _ in range(3)]
    answers.append(client("POST", "/person/erasure", {"code": receipt.tracking_code, "confirm": True}))
    assert {a.status_code for a in answers} == {200}
    assert len({a.data for a in answers}) == 1
    (event,) = [orjson.loads(o.body) for o in intake.published]
    assert event["type"] == "cn.jiayuan.person.erased.v1"
    assert problems(EVENTS["person.erased"].schema, event["data"]) == []
    assert event["data"]["reporter"] == orjson.loads(answers[0].data)["person"]
    assert _rows(intake, "SELECT action, reports, asked_by FROM person_log") == [("erased", 1, "citizen")]


@pytest.mark.parametrize("confirm", [None, False, "true", 1])
def test_erasure_has_to_be_meant(intake: Opened, client: Client, confirm: Any) -> None:
    receipt = _report(intake)
    body = {"code": receipt.tracking_code, "phone": PHONE, "confirm": confirm}
    response = client("POST", "/person/erasure", body)
    assert response.status_code == 422
    assert orjson.loads(response.data)["errors"][0]["field"] == "confirm"
    assert _rows(intake, "SELECT count(*) FROM person_key") == [(1,)]


def test_an_anonymous_report_is_erased_by_its_code_and_told_to_nobody(intake: Opened, client: Client) -> None:
    receipt = _report(intake, "")
    intake.published.clear()
    response = client("POST", "/person/erasure", {"code": receipt.tracking_code, "confirm": True})
    assert response.status_code == 200
    assert intake.published == []
    assert _rows(intake, "SELECT original, contact, secrets FROM report") == [("", None, None)]


def test_nothing_can_be_added_to_what_is_erased_but_it_can_still_be_followed(
    intake: Opened, client: Client
) -> None:
    receipt = _report(intake)
    client("POST", "/person/erasure", {"code": receipt.tracking_code, "phone": PHONE, "confirm": True})
    code = {"X-Tracking-Code": receipt.tracking_code}
    for what, body in (("supplements", {"text": "再说"}), ("rating", {"solved": True}), ("withdrawal", {})):
        assert client("POST", f"/reports/{receipt.report}/{what}", body, headers=code).status_code == 409
    shown = orjson.loads(client("GET", f"/track/{receipt.tracking_code}").data)
    assert shown["text"] == stored.ERASED


def test_a_report_that_comes_in_during_erasure_is_sealed_for_good_or_erased_too(intake: Opened) -> None:
    """The key's row decides: who holds it first is first. Never is something sealed with a key that is gone."""
    _report(intake)
    ((person,),) = _rows(intake, "SELECT person FROM person_key")
    start = threading.Barrier(3)

    def report() -> None:
        start.wait(10)
        for _ in range(5):
            with intake.runtime.work() as work:
                handlers.receive(work, [Submission("hotline", "又坏了", contact=people.Contact(phone=PHONE))])

    def erase() -> None:
        start.wait(10)
        with intake.runtime.work() as work:
            persons.erase(work, person, asked_by="citizen", why="")

    threads = [threading.Thread(target=t) for t in (report, report, erase)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    orphans = (
        "SELECT count(*) FROM report r WHERE erased_at IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM person_key k WHERE k.person = r.reporter AND k.key = split_part(r.original, '.', 1))"
    )
    assert _rows(intake, orphans) == [(0,)]
    assert _rows(
        intake, f"SELECT count(*) FROM report WHERE reporter = '{person}' AND erased_at IS NULL"
    ) == [(0,)]
    assert _rows(intake, "SELECT count(*) FROM report") == [(11,)]


def test_files_and_what_was_made_of_words_go_too(intake: Opened) -> None:
    receipt = _report(intake)
    with intake() as work:
        work.execute(
            "INSERT INTO media (digest, kind, type, size, width, height, seconds, state, touched_at) "
            "VALUES ('d1', 'photo', 'image/jpeg', 1, 1, 1, 0, 'kept', :at)",
            at=work.now,
        )
        work.execute("INSERT INTO attachment VALUES (:id, 'd1', 0)", id=receipt.report)
        work.execute("INSERT INTO matter_key VALUES (7, :id)", id=receipt.report)
        for run, about in enumerate((receipt.report, "another")):
            work.execute(
                "INSERT INTO hotspot_run VALUES (:id, :at, :at, '', 1, :at, CAST(:found AS jsonb))",
                id=f"00000000-0000-0000-0000-00000000000{run}",
                at=work.now,
                found=orjson.dumps({"hotspots": [{"reports": [{"id": about, "title": "路灯"}]}]}).decode(),
            )
        ((person,),) = work.execute("SELECT person FROM person_key").all()
        persons.erase(work, person, asked_by="citizen", why="")
    assert _rows(intake, "SELECT state FROM media") == [("leaving",)]
    assert _rows(intake, "SELECT count(*) FROM attachment") == [(0,)]
    assert _rows(intake, "SELECT count(*) FROM matter_key") == [(0,)]
    assert _rows(intake, "SELECT count(*) FROM hotspot_run") == [(1,)]


# -- reveals -------------------------------------------------------------------------------------------

WHY = "核对门牌号，电话里说不清"
DESK = {"roles": ("desk",), "street": STREET}
OFFICER: dict[str, Any] = {"roles": ("privacy_officer",)}


def _asked(client: Client, report: str, who: str = "desk-1") -> str:
    response = client("POST", "/reveals", {"report": report, "why": WHY}, who, **DESK)
    assert response.status_code == 201
    return str(orjson.loads(response.data)["id"])


def _read(client: Client, reveal: str, who: str = "desk-1", **how: Any) -> Any:
    return client("GET", f"/reveals/{reveal}/content", None, who, **(how or DESK))


def test_two_persons_one_reading_and_all_of_it_in_the_log(intake: Opened, client: Client) -> None:
    receipt = _report(intake)
    reveal = _asked(client, receipt.report)
    assert _read(client, reveal).status_code == 409
    response = client("POST", f"/reveals/{reveal}/approval", {"minutes": 20}, "officer-1", **OFFICER)
    assert response.status_code == 201
    assert orjson.loads(response.data)["state"] == "approved"
    shown = _read(client, reveal)
    assert shown.headers["Cache-Control"] == "no-store"
    found = orjson.loads(shown.data)
    assert "三单元的秘密" in found["original"]["text"]
    assert found["contact"] == {"name": "例张三", "phone": PHONE}
    assert found["secrets"] == {"callback": "回拨号码000"}
    assert _read(client, reveal).status_code == 200

    (line,) = orjson.loads(client("GET", "/reveals", None, "audit-1", ("auditor",)).data)["reveals"]
    assert [(s["action"], s["who"]) for s in line["steps"]] == [
        ("asked", "desk-1"),
        ("approved", "officer-1"),
        ("read", "desk-1"),
        ("read", "desk-1"),
    ]
    assert line["why"] == WHY
    assert not any(secret in str(line) for secret in SECRETS)


def test_a_reading_ends_with_its_time(intake: Opened, client: Client) -> None:
    reveal = _asked(client, _report(intake).report)
    client("POST", f"/reveals/{reveal}/approval", {"minutes": 5}, "officer-1", **OFFICER)
    intake.clock.time += timedelta(minutes=5) - timedelta(seconds=1)
    assert _read(client, reveal).status_code == 200
    intake.clock.time += timedelta(seconds=1)
    late = _read(client, reveal)
    assert late.status_code == 403
    assert "until" in orjson.loads(late.data)["detail"]
    assert _rows(intake, "SELECT count(*) FROM reveal_log WHERE action = 'read'") == [(1,)]


def test_nobody_allows_his_own_wish_nor_without_the_role_nor_twice(intake: Opened, client: Client) -> None:
    receipt = _report(intake)
    both = {"roles": ("desk", "privacy_officer"), "street": STREET}
    response = client("POST", "/reveals", {"report": receipt.report, "why": WHY}, "one", **both)
    reveal = orjson.loads(response.data)["id"]
    own = client("POST", f"/reveals/{reveal}/approval", {}, "one", **both)
    assert (own.status_code, "second person" in orjson.loads(own.data)["detail"]) == (403, True)
    for role in ("county", "operator", "desk", "auditor", "citizen"):
        assert client("POST", f"/reveals/{reveal}/approval", {}, "other", (role,)).status_code == 403
    assert client("POST", f"/reveals/{reveal}/approval", {}).status_code == 401
    assert (
        client("POST", f"/reveals/{reveal}/refusal", {"why": "没有必要"}, "officer-1", **OFFICER).status_code
        == 201
    )
    assert client("POST", f"/reveals/{reveal}/approval", {}, "officer-2", **OFFICER).status_code == 409
    assert _read(client, reveal, "one", **both).status_code == 403


def test_only_who_asked_may_read_and_only_who_may_see_the_report_may_ask(
    intake: Opened, client: Client
) -> None:
    receipt = _report(intake)
    reveal = _asked(client, receipt.report)
    client("POST", f"/reveals/{reveal}/approval", {}, "officer-1", **OFFICER)
    assert _read(client, reveal, "desk-2", **DESK).status_code == 403
    assert _read(client, reveal, "officer-1", **OFFICER).status_code == 403
    ask = {"report": receipt.report, "why": WHY}
    assert client("POST", "/reveals", ask, "d", ("desk",), street="350921002").status_code == 403
    assert client("POST", "/reveals", ask, "c", ("citizen",)).status_code == 404
    assert client("POST", "/reveals", ask).status_code == 401
    assert client("POST", "/reveals", {**ask, "why": "看"}, "desk-1", **DESK).status_code == 422
    for unknown in ("0198c61a-9eeb-733a-a52b-87ad8107d4d2", "none"):
        assert client("POST", "/reveals", {**ask, "report": unknown}, "desk-1", **DESK).status_code == 404
        assert _read(client, unknown).status_code == 404
    others = orjson.loads(client("GET", "/reveals", None, "desk-2", **DESK).data)
    assert others == {"reveals": []}
    waiting = client("GET", "/reveals?state=waiting", None, "officer-1", **OFFICER)
    assert orjson.loads(waiting.data) == {"reveals": []}
    assert client("GET", "/reveals?report=x", None, "officer-1", **OFFICER).status_code == 422


def test_what_nobody_decides_lapses_and_what_is_erased_shows_nothing(intake: Opened, client: Client) -> None:
    receipt = _report(intake)
    old, new = _asked(client, receipt.report), ""
    intake.clock.time += timedelta(days=8)
    assert client("POST", f"/reveals/{old}/approval", {}, "officer-1", **OFFICER).status_code == 409
    new = _asked(client, receipt.report)
    client("POST", f"/reveals/{new}/approval", {}, "officer-1", **OFFICER)
    client("POST", "/person/erasure", {"code": receipt.tracking_code, "phone": PHONE, "confirm": True})
    assert _read(client, new).status_code == 410


def test_two_officers_at_once_decide_once(intake: Opened, client: Client) -> None:
    reveal = _asked(client, _report(intake).report)
    start = threading.Barrier(2)
    answers: list[int] = []

    def decide(what: str, body: dict[str, Any]) -> None:
        start.wait(10)
        answers.append(client("POST", f"/reveals/{reveal}/{what}", body, what, **OFFICER).status_code)

    threads = [
        threading.Thread(target=decide, args=a) for a in (("approval", {}), ("refusal", {"why": "没有必要"}))
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert sorted(answers) == [201, 409]


@pytest.mark.parametrize("table", ["reveal_log", "person_log"])
def test_the_services_role_can_add_to_the_logs_and_never_change_them(
    intake: Opened, client: Client, table: str
) -> None:
    receipt = _report(intake)
    _asked(client, receipt.report)
    client("POST", "/person/export", {"code": receipt.tracking_code, "phone": PHONE})
    assert _rows(intake, f"SELECT count(*) FROM {table}") == [(1,)]
    for statement in (f"UPDATE {table} SET why = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(ProgrammingError, match="permission denied"), intake.engine.begin() as conn:
            conn.execute(sql(statement))


# -- consent -------------------------------------------------------------------------------------------


def test_consents_are_told_and_an_unknown_version_is_refused(intake: Opened, client: Client) -> None:
    told = orjson.loads(client("GET", "/consents").data)
    assert told["newest"] == told["versions"][-1]["version"] == consent.newest().version
    refused = client("POST", "/reports", {"text": "路灯不亮", "consent": "1999"})
    assert refused.status_code == 422
    (error,) = orjson.loads(refused.data)["errors"]
    assert (error["field"], error["allowed"]) == ("consent", ", ".join(consent.versions()))
    assert client("POST", "/reports", {"text": "路灯不亮", "consent": told["newest"]}).status_code == 201
    assert _rows(intake, "SELECT consent FROM report") == [(told["newest"],)]


# -- commands ------------------------------------------------------------------------------------------


@pytest.fixture
def run(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JIAYUAN_INTAKE_DATABASE_URL", intake.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", intake.settings.seal_keys)
    monkeypatch.setenv("JIAYUAN_TOKEN_SECRET", TOKEN_SECRET)

    def run(*arguments: str, stdin: str = "", token: str = "") -> Result:
        monkeypatch.setenv("JIAYUAN_TOKEN", token)
        return CliRunner().invoke(commands, arguments, input=stdin, catch_exceptions=False)

    return run


FOR_LOG = ("--who", "op-1", "--why", "来信第12号")


def test_an_operator_exports_and_erases_for_somebody(intake: Opened, run: Any, tmp_path: Any) -> None:
    receipt = _report(intake)
    out = tmp_path / "export.json"
    result = run("person", "export", "--phone", "-", *FOR_LOG, "--out", str(out), stdin=f"{PHONE}\n")
    assert result.exit_code == 0
    assert PHONE not in result.output
    assert orjson.loads(out.read_bytes())["reports"][0]["id"] == receipt.report
    assert out.stat().st_mode & 0o077 == 0
    assert (
        "我的个人信息" in run("person", "export", "--code", receipt.tracking_code, "--page", *FOR_LOG).output
    )
    assert run("person", "erase", "--code", receipt.tracking_code, *FOR_LOG, stdin="n\n").exit_code == 1
    assert _rows(intake, "SELECT count(*) FROM person_key") == [(1,)]
    for _ in range(2):
        result = run("person", "erase", "--code", receipt.tracking_code, *FOR_LOG, "--yes")
        assert (result.exit_code, "1 reports keep their figures only" in result.output) == (0, True)
    assert [(line["action"], line["asked_by"]) for line in orjson.loads(run("person", "log").output)] == [
        ("erased", "operator op-1"),
        ("exported", "operator op-1"),
        ("exported", "operator op-1"),
    ]
    for whom in (("--phone", PHONE), ("--code", "XP0000000000"), ("--person", "p1"), ("--person", "'")):
        assert run("person", "export", *whom, *FOR_LOG).exit_code == 1
    assert run("person", "export", *FOR_LOG).exit_code == 2


def test_two_persons_at_the_command_line_prove_who_they_are(intake: Opened, run: Any) -> None:
    receipt = _report(intake)
    desk = tokens.issue(TOKEN_SECRET, "desk-1", ("desk",), street=STREET)
    officer = tokens.issue(TOKEN_SECRET, "officer-1", ("privacy_officer",))
    assert run("reveal", "ask", receipt.report, "--why", WHY).exit_code == 1
    assert run("reveal", "ask", receipt.report, "--why", WHY, token="a.b.c").exit_code == 1
    reveal = orjson.loads(run("reveal", "ask", receipt.report, "--why", WHY, token=desk).output)["id"]
    assert run("reveal", "approve", reveal, token=desk).exit_code == 1
    assert run("reveal", "show", reveal, token=desk).exit_code == 1
    assert run("reveal", "approve", reveal, token=officer).exit_code == 0
    assert "三单元的秘密" in run("reveal", "show", reveal, token=desk).output
    assert run("reveal", "refuse", reveal, "--why", "没有必要", token=officer).exit_code == 1
    (line,) = orjson.loads(run("reveal", "log", token=officer).output)
    assert [s["action"] for s in line["steps"]] == ["asked", "approved", "read"]


def test_keys_are_rotated_by_a_command(intake: Opened, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = [_report(intake, f"1380000000{n}") for n in range(7)]
    new = run("keys", "new", "--name", "k2", "--cipher", "sm4").output.strip()
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", f"{new},{intake.settings.seal_keys}")
    monkeypatch.setenv("JIAYUAN_REPORTER_SECRET", "stays the same")
    result = run("keys", "rotate", "--batch", "3")
    assert result.exit_code == 0
    assert "7 keys of persons to wrap with k2 (sm4)" in result.output
    assert result.output.splitlines()[1:4] == ["3 of 7 (42 %)", "6 of 7 (85 %)", "7 of 7 (100 %)"]
    assert "7 wrapped, 0 older reports sealed anew, 0 dead letters sealed anew, 0 left" in result.output
    assert "0 wrapped" in run("keys", "rotate").output
    # The old key may go.
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", new)
    found = run("person", "export", "--code", receipts[0].tracking_code, *FOR_LOG)
    assert "13800000000" in found.output
