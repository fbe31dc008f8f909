"""The committed files are those that the contracts give."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path

import pytest

from jiayuan.contracts import envelope, generate, names, publisher, topology
from jiayuan.contracts.registry import EVENTS, INBOUND_EVENTS

pytestmark = pytest.mark.unit


def test_the_committed_files_are_up_to_date() -> None:
    """If not: `python -m jiayuan.contracts.generate`."""
    assert generate.stale() == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all that is generated."""
    for part in ("contracts/golden", "contracts/schemas"):
        shutil.copytree(generate.REPOSITORY / part, tmp_path / part)
    for name in (generate.ASYNCAPI, generate.DEFINITIONS, generate.INTEGRATORS, generate.ARCHITECTURE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(generate.REPOSITORY / name, tmp_path / name)
    return tmp_path


def run(root: Path, *options: str) -> int:
    return generate.main(["--root", str(root), *options])


def test_check_names_what_differs_and_writing_puts_it_right(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(copy, "--check") == 0
    (copy / generate.DEFINITIONS).write_text("{}")
    (copy / "contracts/schemas/case.opened.v1.json").unlink()
    (copy / "contracts/schemas/case.gone.v1.json").write_text("{}")
    page = copy / generate.INTEGRATORS
    page.write_text(page.read_text().replace("| **`external_id`**", "| `external_id`", 1))
    before = sorted(p for p in copy.rglob("*") if p.is_file())
    assert run(copy, "--check") == 1
    said = capsys.readouterr().err
    for name in (generate.DEFINITIONS, "case.opened.v1.json", "case.gone.v1.json", generate.INTEGRATORS):
        assert name in said
    assert "case.closed" not in said
    assert sorted(p for p in copy.rglob("*") if p.is_file()) == before
    assert run(copy) == 0
    assert run(copy, "--check") == 0


def test_a_new_example_gets_a_line_and_the_old_ones_keep_theirs(copy: Path) -> None:
    old = (copy / generate.MANIFEST).read_text()
    shutil.copy(
        copy / "contracts/golden/case.opened/001-lamp.json",
        copy / "contracts/golden/case.opened/099-new.json",
    )
    assert run(copy, "--check") == 1
    assert run(copy) == 0
    new = (copy / generate.MANIFEST).read_text()
    assert new.startswith(old)
    assert new[len(old) :].endswith("  case.opened/099-new.json\n")


@pytest.mark.parametrize("deed", ["changed", "gone"])
def test_an_old_example_may_not_be_touched(copy: Path, deed: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = copy / "contracts/golden/case.opened/001-lamp.json"
    if deed == "gone":
        example.unlink()
    else:
        example.write_text(example.read_text() + " ")
    assert run(copy) == run(copy, "--check") == 1
    assert "001-lamp.json " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("page", "marker"), [(generate.INTEGRATORS, "fields"), (generate.ARCHITECTURE, "events")]
)
def test_a_page_without_its_markers(copy: Path, page: str, marker: str) -> None:
    (copy / page).write_text("# Nothing\n")
    with pytest.raises(ValueError, match=f"{page} has no <!-- {marker}"):
        run(copy, "--check")


def test_the_table_of_events_names_who_says_and_who_hears(copy: Path) -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| (\w+) \| [^|]+ \| ([^|]+) \|$", (copy / generate.ARCHITECTURE).read_text(), re.M
    )
    assert {name: owner for name, owner, _ in rows} == {e.name: e.owner for e in EVENTS.values()}
    heard = {name: set(who.split(", ")) for name, _, who in rows}
    assert heard["meeting.held"] == {"routing"}
    assert heard["case.assigned"] == {"intake", "sla", "ledger", "notify"}
    assert heard["notice.sent"] == {"—"}


def test_schema_names_are_unique() -> None:
    """Two schemas of one name would take each other's place in the documents."""
    by_name: dict[str, str] = {}
    for event in generate.everything():
        for name, document in generate.components([event.schema]).items():
            assert by_name.setdefault(name, json.dumps(document)) == json.dumps(document), name


def test_json_schemas_need_nothing_else() -> None:
    for event in generate.everything():
        text = json.dumps(generate.json_schema(event))
        assert '"$ref": "#/components' not in text
        assert "x-m" not in text


def test_what_apispec_would_lose() -> None:
    schema = generate.json_schema(INBOUND_EVENTS["report.submitted"])
    report, where = schema["$defs"]["ReportSubmitted"], schema["$defs"]["Where"]
    assert report["additionalProperties"] is where["additionalProperties"] is False
    assert report["properties"]["kind"]["enum"][-1] is None
    assert report["properties"]["kind"]["type"] == ["string", "null"]
    assert report["properties"]["place"]["anyOf"] == [{"$ref": "#/$defs/Where"}, {"type": "null"}]
    assert report["properties"]["occurred_at"]["format"] == "date-time"
    assert report["properties"]["occurred_at"]["pattern"].startswith("^(19|2[0-9])")
    assert where["properties"]["code"]["pattern"] == r"^(?:[0-9A-Za-z][0-9A-Za-z._:\-]{0,63})$"
    assert (where["properties"]["lat"]["minimum"], where["properties"]["lat"]["maximum"]) == (-90, 90)
    assert len(where["anyOf"]) == 2
    case = generate.json_schema(EVENTS["case.opened"])["$defs"]["Case"]
    assert "additionalProperties" not in case
    assert case["properties"]["livelihood"] == {"type": "boolean"}
    assert case["properties"]["pauses"]["maxItems"] == 50


def test_asyncapi_tells_who_sends_and_who_receives() -> None:
    document = generate.asyncapi()
    operations = document["operations"]
    for event in EVENTS.values():
        sends = operations[f"{event.owner}.sends.{event.name}"]
        assert sends["bindings"]["amqp"]["mandatory"] is bool(names.subscribers(event.name))
    for service in names.SERVICES:
        taken = {n for n in EVENTS if service in names.subscribers(n)} | set(names.INBOUND.get(service, ()))
        for lane in names.LANES:
            receives = operations.get(f"{service}.receives.{lane}", {"messages": []})
            assert {m["$ref"].rsplit("/", 1)[1] for m in receives["messages"]} == taken
    assert operations["intake.sends.inbound.outcome"]["action"] == "send"
    assert operations["partner.receives.outcomes"]["action"] == "receive"


def test_the_definitions_hold_no_password() -> None:
    users = json.loads((generate.REPOSITORY / generate.DEFINITIONS).read_text())["users"]
    assert [u["name"] for u in users] == [topology.service_user(s) for s in names.SERVICES] + [
        p.name for p in topology.PARTNERS
    ]
    assert all(u["password_hash"] == "" and "password" not in u for u in users)


# --- docs/integrators.md


PAGE = (generate.REPOSITORY / generate.INTEGRATORS).read_text()


def test_the_pages_examples_work() -> None:
    (python,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(python, "integrators.md", "exec")
    (body,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert envelope.decode(body, names.CONTENT_TYPE, exchange=names.INBOUND_EXCHANGE, user_id="hotline-12345")


def test_the_pages_numbers_are_the_codes() -> None:
    for number in (
        f"{names.MAX_EVENT_BYTES:,} bytes",
        f"tried {topology.DELIVERY_LIMIT} times",
        f"{topology.MAX_LENGTH:,} messages a queue",
        f"{topology.OUTCOME_TTL_MS // 86_400_000} days, at most {topology.OUTCOME_MAX_LENGTH:,}",
        f"up to {publisher.IN_FLIGHT:,} in flight",
    ):
        assert number in PAGE, number
    defaults = {n: p.default for n, p in inspect.signature(publisher.Publisher).parameters.items()}
    assert f"tries {defaults['attempts']} times" in PAGE
    assert f"at most {defaults['timeout']:g} s for the connection" in PAGE
    pauses = [
        min(defaults["longest_pause"], defaults["pause"] * 2**n) for n in range(defaults["attempts"] - 1)
    ]
    assert "| pause of at most, s | " + " | ".join(f"{p:g}" for p in pauses) + " |" in PAGE


def test_the_page_knows_every_error() -> None:
    kinds = [
        k for k in vars(publisher).values() if isinstance(k, type) and issubclass(k, publisher.PublishError)
    ]
    for kind in kinds:
        assert kind is publisher.PublishError or f"| `{kind.__name__}` |" in PAGE
    for bad in envelope.BadEvent.__subclasses__():
        assert f"| `{bad.reason}` |" in PAGE
