"""What is published: the same in every form as in the books, signed, never changed, and without a person in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.chassis.web import Call
from jiayuan.ledger import matter, publication, publishing, store, verify
from jiayuan.ledger.api import public
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.cli import ledger as command
from jiayuan.ledger.publication import COLUMNS, Name, name_of

from .books import CODE, SIGNER, STREET, Books, intake, publish, publish_order, take

pytestmark = pytest.mark.store

DATA = Path(publication.__file__).parent / "data/public"
SCHEMA = json.loads((DATA / "account.schema.json").read_text(encoding="utf-8"))
KEYS = [SIGNER.key]
_streets = count(1)


def document_of(opened: Opened, name: Name, form: str = "json") -> bytes:
    out = io.BytesIO()
    with opened() as work:
        publishing.written(work, matter.find(work, name), form, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def books(databases: Databases, stories: Any) -> Iterator[Books]:
    opened = Opened("ledger", databases.fresh("ledger"))
    with intake(opened) as known:
        made = Books(opened, stories)
        known[CODE] = (made.done.case["reports"][0]["id"], made.done.id)
        known["XP0000000000"] = ("0198c6a1-7c1e-7b52-9f0d-2a6f5a0c9d11", None)
        yield made
    opened.close()
    databases.forget(opened.url)


@pytest.fixture
def client(books: Books, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Nobody waits for the even answer but in the test of that."""
    monkeypatch.setattr(public, "ANSWER_SECONDS", 0.0)
    return Client(books.opened)


# -- the same as in the books --------------------------------------------------------------------------------

HISTORY = st.tuples(
    st.integers(0, 200),
    st.sampled_from([None, "U02", "U03"]),
    st.sampled_from(["problem", "dispute"]),
    st.lists(
        st.sampled_from(["satisfied", "unsatisfied", "lapsed", "reopened", "voided", "breach"]), max_size=5
    ),
)


@given(st.lists(HISTORY, min_size=1, max_size=6))
@settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))
def test_published_figures_equal_a_plain_recount(books: Books, stories: Any, drawn: list[Any]) -> None:
    street = f"3509{next(_streets):05}"
    wanted: dict[str | None, Counter[str]] = {}
    for day, unit, kind, steps in drawn:
        story = stories.Story(street=street, opened_at=datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=day))
        story.case["kind"] = kind
        events, state, closed = [story.step("case.opened"), story.assign(unit)], "open", None
        for what in steps:
            if what in ("satisfied", "unsatisfied", "lapsed"):
                events.append(story.close(what))
                state, closed = "off" if what == "satisfied" else "open", what
            elif what == "breach":
                events.append(story.breach())
            else:
                events.append(story.step(f"case.{what}", confirmed=None))
                state, closed = "open" if what == "reopened" else "void", None
            if what == "voided":
                break
        take(books.opened, events)
        line = wanted.setdefault(unit, Counter())
        line.update(
            {
                "opening": 0,
                "entered": 1,
                "written_off": state == "off",
                "reversed": -(state == "void"),
                "open": state == "open",
                "unsatisfied": closed == "unsatisfied" and state == "open",
            }
        )
    name = publish(books.opened, street)
    document = json.loads(document_of(books.opened, name))
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    figures = [k for k in document["figures"]["total"] if k != "balances"]
    for found in document["figures"]["units"]:
        assert {k: found[k] for k in figures} == {k: int(wanted[found["unit"]][k]) for k in figures}
    assert {f["unit"] for f in document["figures"]["units"]} == wanted.keys()
    total = {k: sum(int(line[k]) for line in wanted.values()) for k in figures}
    assert {k: document["figures"]["total"][k] for k in figures} == total
    assert document["figures"]["total"]["balances"]
    # The entries that stand in the file give the same, and so do the books.
    for moved in ("opening", "entered", "written_off", "reversed"):
        assert sum(e[moved] for e in document["entries"]) == total[moved]
    with books.opened() as work:
        (books_say,) = store.figures(work, 2026, "street", street)
    assert books_say[1:] == tuple(
        total[k] for k in ("opening", "entered", "written_off", "open", "reversed", "unsatisfied")
    )


def test_the_three_files_say_the_same(books: Books) -> None:
    document = json.loads(document_of(books.opened, books.name))
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    rows = list(csv.reader(io.StringIO(document_of(books.opened, books.name, "csv").decode("utf-8-sig"))))
    book = openpyxl.load_workbook(io.BytesIO(document_of(books.opened, books.name, "xlsx")), read_only=True)
    assert book.sheetnames == ["账目", "街道账", "责任单位账", "清单", "说明"]
    sheet = [[c.value for c in row] for row in book["账目"].rows]
    assert rows[0] == sheet[0] == list(COLUMNS.values())
    known = document["names"]
    assert len(document["entries"]) == 4
    for entry, line, cells in zip(document["entries"], rows[1:], sheet[1:], strict=True):
        wanted = publishing.cells_of(entry, known)
        assert cells == wanted
        assert line == ["" if v is None else f"'{v}" if str(v).startswith("=") else str(v) for v in wanted]
    assert [c.value for c in list(book["街道账"].rows)[1]][:3] == ["松城街道", 0, 4]
    kinds = {c.data_type for row in book["账目"].rows for c in row}
    assert "f" not in kinds


def test_an_empty_account_is_published_too(books: Books) -> None:
    name = publish(books.opened, "350921999")
    document = json.loads(document_of(books.opened, name))
    jsonschema.validate(document, SCHEMA)
    assert (document["entries"], document["figures"]["total"]["balances"]) == ([], True)


# -- nobody in it --------------------------------------------------------------------------------------------


def test_no_person_can_be_found_in_it(books: Books) -> None:
    text = document_of(books.opened, books.name).decode()
    for story in (books.done, books.open, books.dispute):
        with books.opened() as work:
            (entry,) = store.find_entries(work, case=story.id, street=None, year=None, after=None, limit=2)
        for secret in (
            story.case["title"],
            story.id,
            story.case["number"],
            entry.id,
            story.case["reports"][0]["id"],
        ):
            assert secret not in text
    assert "worker-7" not in text
    assert not re.search(r"\d\dT\d\d:", text.split('"entries"')[1].split('"figures"')[0])


def test_of_a_dispute_neither_kind_nor_day_is_told(books: Books) -> None:
    with books.opened() as work:
        (entry,) = store.find_entries(
            work, case=books.dispute.id, street=None, year=None, after=None, limit=2
        )
    document = json.loads(document_of(books.opened, books.name))
    (line,) = (e for e in document["entries"] if e["ref"] == publication.ref(entry.id))
    assert (line["category"], line["answer"], line["due_on"]) == (None, None, None)
    assert (line["opened_on"], line["written_off_on"]) == ("2026-03", "2026-03")


def test_what_the_meeting_decided_has_its_title(books: Books) -> None:
    document = json.loads(document_of(books.opened, books.name))
    assert [e["title"] for e in document["entries"] if e["title"]] == ["=修好例家巷"]


# -- signed, and never changed ---------------------------------------------------------------------------------


def test_the_files_digests_are_proven_by_the_checkpoint(books: Books, client: Client, tmp_path: Path) -> None:
    status, proof = client("GET", f"/public/accounts/{books.name}/proof")
    assert status == 200
    checkpoint = verify.check_proof(proof, KEYS)
    for form in publication.FILES:
        data = document_of(books.opened, books.name, form)
        assert proof["leaf"]["files"][form] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert client("GET", f"/public/accounts/{books.name}/checkpoint")[0] == 200
    assert verify.check_checkpoint(client.content.decode(), KEYS) == checkpoint
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(proof), encoding="utf-8")
    assert verify.main([str(file), "--key", str(SIGNER.key)]) == 0


def test_what_was_published_stays_and_the_next_one_has_another_number(books: Books, stories: Any) -> None:
    street = "350921777"
    take(books.opened, [stories.Story(street=street).step("case.opened")])
    first = publish(books.opened, street)
    before = document_of(books.opened, first)
    take(books.opened, [stories.Story(street=street).step("case.opened")])
    second = publish(books.opened, street)
    assert (first.number, second.number) == (1, 2)
    assert document_of(books.opened, first) == before
    with books.opened() as work:
        assert matter.find(work, Name(2026, street)).number == 2


def test_nothing_is_published_without_its_checkpoint(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise OSError("the disk is full")

    street = "350921778"
    with books.opened() as work:
        id_ = publishing.order(work, 2026, street, "county-1", {})
    with monkeypatch.context() as patch:
        patch.setattr(publishing.proving, "publish", fails)
        with pytest.raises(OSError, match="full"):
            publish_order(books.opened, id_)
    with books.opened() as work:
        assert matter.find(work, Name(2026, street)) is None
        assert publishing.publish(work, SIGNER, id_=id_) == Name(2026, street, 1)
    with books.opened() as work:
        assert publishing.publish(work, SIGNER, id_=id_) is None


# -- orders --------------------------------------------------------------------------------------------------


def test_the_county_orders_and_the_signing_process_publishes(books: Books, client: Client) -> None:
    status, made = client(
        "POST", "/accounts/2026/publications", {"street": "350921779"}, role="county", who="county-2"
    )
    assert (status, made["state"]) == (202, "ordered")
    status, found = client("GET", "/accounts/2026/publications", role="auditor")
    assert (found["publications"][0]["id"], found["publications"][0]["state"]) == (made["id"], "ordered")
    object.__setattr__(books.opened.settings, "signing_key", SIGNER.text())
    while client.service.publish():
        pass
    status, found = client("GET", "/accounts/2026/publications", role="auditor")
    (mine,) = (p for p in found["publications"] if p["id"] == made["id"])
    assert (mine["state"], mine["name"], mine["ordered_by"]) == ("published", "2026-350921779.1", "county-2")


def test_the_command_writes_what_was_published(books: Books, tmp_path: Path) -> None:
    run = CliRunner(env={"JIAYUAN_DATABASE_URL": books.opened.url})
    for form in publication.FILES:
        out = tmp_path / f"account.{form}"
        done = run.invoke(command, ["published", "2026.1", "--format", form, "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert out.read_bytes() == document_of(books.opened, books.name, form)
    done = run.invoke(command, ["published", "2026.1", "--proof"])
    out = tmp_path / "proof.json"
    assert run.invoke(command, ["published", "2026.1", "--proof", "--out", str(out)]).exit_code == 0
    assert json.loads(out.read_text()) == json.loads(done.output)
    verify.check_proof(json.loads(done.output), KEYS)
    assert run.invoke(command, ["published", "2026-1234"]).exit_code == 1
    assert run.invoke(command, ["published", "last year"]).exit_code == 2
    assert "2026.1" in run.invoke(command, ["publications", "2026"]).output


# -- pages and files by HTTP ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", publication.FILES)
def test_files_are_downloaded_and_kept_by_caches(books: Books, client: Client, form: str) -> None:
    assert client("GET", f"/public/accounts/2026.1/file/{form}")[0] == 200
    assert client.content == document_of(books.opened, books.name, form)
    assert "immutable" in client.headers["Cache-Control"]
    tag = client.headers["ETag"]
    assert client("GET", f"/public/accounts/2026.1/file/{form}", headers={"If-None-Match": tag})[0] == 304
    assert client("GET", f"/public/accounts/2026/file/{form}")[0] == 200
    assert "immutable" not in client.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["2025", "2026.99", "2026-1", "last", "2026.0", "../2026"])
def test_what_was_not_published_is_404(client: Client, name: str) -> None:
    assert client("GET", f"/public/accounts/{name.replace('/', '%2F')}/proof")[0] == 404


def test_the_page_is_chinese_first_and_english_second(client: Client) -> None:
    assert client("GET", "/public/accounts/2026")[0] == 200
    page = client.content.decode()
    assert '<html lang="zh-CN">' in page
    assert "期初 0 + 本年入账 4 − 销账 2 ± 冲正 0 = 结存 2" in page
    assert "松城街道" in page
    assert "全县2026年民生实事账本" in page
    assert 'action="2026.1/mine?lang=zh"' in page
    policy = client.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "<script" not in page
    assert len(client.content) < 20_000
    client("GET", "/public/accounts/2026?lang=en")
    assert "Is my matter in it?" in client.content.decode()


def test_a_report_has_a_page(client: Client) -> None:
    assert client("GET", f"/public/reports/2026Q1/page?by=unit&street={STREET}")[0] == 200
    assert "2026年第1季度民生实事报表" in client.content.decode()
    assert client("GET", "/public/reports/2026/page?lang=en")[0] == 200
    page = client.content.decode()
    assert "Promised" in page
    assert "松城街道" in page
    assert client("GET", "/public/reports/2026/page?by=colour")[0] == 422


def test_the_list_of_accounts_and_the_schema_are_there(client: Client) -> None:
    _, found = client("GET", "/public/accounts")
    assert "2026.1" in {a["name"] for a in found["accounts"]}
    assert client("GET", "/public/account.schema.json")[1] == SCHEMA
    assert set(SCHEMA["properties"]["entries"]["items"]["properties"]) == set(COLUMNS)


# -- is my matter in it? -----------------------------------------------------------------------------------------


def test_a_tracking_code_leads_to_the_entry_and_its_proof(books: Books, client: Client) -> None:
    status, found = client("POST", f"/public/accounts/{books.name}/matters", {"code": CODE})
    assert status == 200
    (mine,) = found["matters"]
    assert mine["published"]["ref"] == publication.ref(mine["entry"])
    assert mine["published"]["state"] == "written_off"
    assert len(mine["proofs"]) == mine["published"]["postings"] == len(books.done.events)
    for proof in mine["proofs"]:
        checkpoint = verify.check_proof(proof, KEYS)
        assert proof["leaf"]["entry_id"] == mine["entry"]
    client("GET", f"/public/accounts/{books.name}/checkpoint")
    assert verify.check_checkpoint(client.content.decode(), KEYS) == checkpoint


@pytest.mark.parametrize("code", ["XP0000000000", "XPNOSUCHCODE", "'; --", "%00xx"])
def test_a_code_that_leads_to_nothing_has_the_same_form_of_answer(
    books: Books, client: Client, code: str
) -> None:
    status, found = client("POST", f"/public/accounts/{books.name}/matters", {"code": code})
    assert (status, found["matters"]) == (200, [])
    _, other = client("POST", f"/public/accounts/{books.name}/matters", {"code": CODE})
    assert found.keys() == other.keys()


def test_every_answer_takes_the_same_time_at_least(
    books: Books, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(public, "ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(public.time, "sleep", slept.append)
    for code in (CODE, "XPNOSUCHCODE"):
        client("POST", f"/public/accounts/{books.name}/matters", {"code": code})
    assert len(slept) == 2
    assert all(0 < s <= 30 for s in slept)


@pytest.mark.parametrize("name", ["public_matters", "public_mine"])
def test_an_address_that_tries_codes_is_slowed_down(client: Client, name: str) -> None:
    (entrypoint,) = getattr(client.service, name).nameko_entrypoints
    assert entrypoint.before is public.CODES
    asks = Call(EnvironBuilder(environ_base={"REMOTE_ADDR": f"192.0.2.{len(name)}"}).get_environ())
    for _ in range(public.CODES.rule.most):
        entrypoint.before(asks)
    with pytest.raises(Problem) as refused:
        entrypoint.before(asks)
    assert refused.value.status == 429


def test_a_matter_of_another_street_or_year_is_not_in_it(books: Books, client: Client) -> None:
    other = publish(books.opened, "350921999")
    _, found = client("POST", f"/public/accounts/{other}/matters", {"code": CODE})
    assert found["matters"] == []


def test_while_intake_is_away_nobody_is_told_that_it_is_not_there(books: Books, client: Client) -> None:
    object.__setattr__(books.opened.settings, "intake_url", "http://127.0.0.1:9")
    try:
        assert client("POST", f"/public/accounts/{books.name}/matters", {"code": CODE})[0] == 503
        assert form(client, books, CODE) == 503
        assert "现在查不了" in client.content.decode()
    finally:
        object.__setattr__(books.opened.settings, "intake_url", books.intake)


def form(client: Client, books: Books, code: str, lang: str = "zh") -> int:
    status, _ = client(
        "POST",
        f"/public/accounts/{books.name}/mine?lang={lang}",
        f"code={code}".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    return status


def test_the_page_answers_without_script_and_has_the_proofs_for_one(books: Books, client: Client) -> None:
    assert form(client, books, CODE) == 200
    page = client.content.decode()
    assert "在账上" in page
    assert CODE not in page
    assert "例王明" not in page
    given = json.loads(re.search(r'id="proofs">(.*?)</script>', page)[1])  # type: ignore[index]
    assert given["keys"] == [str(SIGNER.key)]
    assert len(given["proofs"]) == len(books.done.events)
    assert form(client, books, "XPNOSUCHCODE") == 200
    assert "没有这个查询码" in client.content.decode()
    assert form(client, books, "x") == 422


def test_the_script_comes_from_here(client: Client) -> None:
    assert client("GET", "/public/verify.js")[0] == 200
    assert client.content == (DATA / "verify.js").read_bytes()


def node(given: dict[str, Any]) -> list[Any]:
    """What the script says of proofs, run as a browser runs it."""
    run = (
        f"const v = require({str(DATA / 'verify.js')!r}); const g = JSON.parse(require('fs').readFileSync(0));"
        "(async () => { const out = []; for (const p of g.proofs) {"
        " try { out.push(await v.check(p, g.keys)); } catch (e) { out.push(e.message); } }"
        " console.log(JSON.stringify(out)); })();"
    )
    done = subprocess.run(
        ["node", "-e", run], input=json.dumps(given), capture_output=True, text=True, timeout=60, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_browser_checks_the_proofs_and_sees_what_was_changed(books: Books, client: Client) -> None:
    _, found = client("POST", f"/public/accounts/{books.name}/matters", {"code": CODE})
    good = found["matters"][0]["proofs"]
    keys = [str(SIGNER.key)]
    assert node({"proofs": good, "keys": keys}) == [True] * len(good)
    one = good[0]
    other = str(Signer.new("jiayuan.example/ledger").key)
    flipped = [f"{int(n, 16) ^ 1:064x}" for n in one["proof"]]
    size = one["checkpoint"].replace("\n", "\n9", 1)
    bad = [
        {**one, "leaf": {**one["leaf"], "note": "改过"}},
        {**one, "index": one["index"] + 1},
        {**one, "proof": flipped},
        {**one, "proof": one["proof"][:-1]},
        {**one, "proof": [*one["proof"], one["proof"][0]]},
        {**one, "checkpoint": size},
        {**one, "format": "other"},
    ]
    assert all(isinstance(said, str) for said in node({"proofs": bad, "keys": keys}))
    (said,) = node({"proofs": [one], "keys": [other]})
    assert "trusted" in said


def test_the_script_agrees_with_the_verifier_on_sm3_and_canonical_json() -> None:
    texts = ["", "abc", "例" * 40, "x" * 55, "x" * 56, "x" * 64, "abcd" * 16]
    values = [
        {"b": [1, None, True], "a": '例\n\u2028"\\'},
        {"\u20ac": 1, "\r": 2, "1": 3},
        {"n": [0, -1, 10**15]},
    ]
    run = (
        f"const v = require({str(DATA / 'verify.js')!r}); const g = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify([g.texts.map((t) => v.hex(v.sm3(new TextEncoder().encode(t)))),"
        " g.values.map(v.canonical)]));"
    )
    done = subprocess.run(
        ["node", "-e", run],
        input=json.dumps({"texts": texts, "values": values}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    hashes, canonical = json.loads(done.stdout)
    assert hashes == [verify.digest(t.encode(), "sm3").hex() for t in texts]
    assert canonical == [verify.canonical(v).decode() for v in values]


@pytest.mark.parametrize(
    ("text", "name"),
    [("2026", Name(2026)), ("2026-350921001", Name(2026, "350921001")), ("2026-a.3", Name(2026, "a", 3))],
)
def test_names(text: str, name: Name) -> None:
    assert name_of(text) == name
    assert str(name) == text
