"""What people wish to be told: by the page, by the code, signed in, by staff, at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.chassis import limits
from jiayuan.chassis.limits import Limit
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts import envelope
from jiayuan.notify import handlers, store, wishing
from jiayuan.notify.api import unsubscribing
from jiayuan.notify.cli import notify
from jiayuan.notify.preferences import Wishes

from .conftest import Events

pytestmark = pytest.mark.store

CODE = "JY-7K3M9Q"
STREET = "350921001"


@pytest.fixture(scope="module")
def town(databases: Databases) -> Iterator[Opened]:
    """A citizen who has reported something, and a grid worker."""
    made, events = Opened("notify", databases.fresh("notify")), Events()
    with made() as work:
        handlers.report_received(
            work, [events.report("report-1"), events.report("r2", reporter=None, code="JY-ANON")]
        )
        handlers.directory_changed(work, [events.directory({"id": "worker-1"})])
    yield made
    made.close()


@pytest.fixture
def opened(town: Opened, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Nobody wishes anything yet, and nobody has tried a code."""
    monkeypatch.setattr(limits, "_current", limits.Counts(b"s", clock=lambda: 1_800_000_000.0))
    monkeypatch.setattr(unsubscribing, "WRONG_CODES", Limit("wrong-codes", most=3, seconds=3600))
    with town() as work:
        work.execute("UPDATE recipient SET preferences = NULL, erased = false")
        work.execute("DELETE FROM preference_change")
    return town


@pytest.fixture
def client(opened: Any) -> Client:
    """Calls the service."""
    return Client(opened)


def post(client: Client, code: str, *fields: tuple[str, str]) -> str:
    """The page's form, sent; the page that comes."""
    client(
        "POST",
        f"/u/{code}",
        urlencode(fields).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    return client.content.decode()


def refused(opened: Any, type_: str = "citizen", ref: str = "citizen-1") -> Any:
    """What is stored."""
    with opened() as work:
        return (store.wishes(work, type_, ref) or {})["preferences"]


# -- the page ----------------------------------------------------------------------------------------


def test_the_page_shows_what_may_be_refused_and_what_may_not(client: Client) -> None:
    status, _ = client("GET", f"/u/{CODE}")
    page = client.content.decode()
    assert status == 200
    assert page.count('type="checkbox"') == 3
    assert "人身安全提示：事关安全，始终会通知您" in page
    assert "待办工单" not in page
    # Nothing of the matter or the person, and nothing from elsewhere.
    assert "citizen-1" not in page
    assert "<script" not in page
    assert "http" not in page
    assert client.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert client.headers["Cache-Control"] == "no-store"


def test_looking_at_the_page_refuses_nothing(client: Client, opened: Any) -> None:
    client("GET", f"/u/{CODE}")
    assert refused(opened) is None


def test_all_is_refused_by_one_button_and_taken_back_by_another(client: Client, opened: Any) -> None:
    assert "以后不再向您发送：受理通知、办理进展、办理结果" in post(client, CODE, ("do", "stop"))
    assert refused(opened) == {"refused": ["all"]}
    assert "您将收到全部通知" in post(client, CODE, ("do", "all"))
    assert refused(opened) is None


def test_some_subjects_and_quiet_hours_are_kept(client: Client, opened: Any) -> None:
    form = [("keep", "result"), ("keep", "receipt"), ("from", "20:00"), ("until", "09:30"), ("do", "save")]
    assert "20:00 至 09:30" in post(client, CODE, *form)
    assert refused(opened) == {"refused": ["progress"], "quiet": {"from": "20:00", "until": "09:30"}}
    client("GET", f"/u/{CODE}")
    assert "<option selected>09:30</option>" in client.content.decode()


def test_a_code_may_be_written_in_small_letters(client: Client) -> None:
    assert client("GET", f"/u/{CODE.lower()}")[0] == 200


@pytest.mark.parametrize("code", ["JY-NOBODY", "JY-ANON", "%E2%98%83"])
def test_an_unknown_code_and_an_anonymous_report_look_the_same(client: Client, code: str) -> None:
    assert client("GET", f"/u/{code}")[0] == 404
    assert "没有找到这个编号" in client.content.decode()
    assert client("GET", f"/preferences/code/{code}")[0] == 404


def test_codes_cannot_be_tried_out(client: Client) -> None:
    statuses = [client("GET", f"/preferences/code/JY-NO{n}")[0] for n in range(5)]
    assert statuses == [404, 404, 404, 429, 429]
    assert client("GET", f"/preferences/code/{CODE}")[0] == 429
    assert client.headers["Retry-After"] == "4800"  # a third of the last hour's has to slide out


def test_right_codes_are_not_counted(client: Client) -> None:
    assert {client("GET", f"/preferences/code/{CODE}")[0] for _ in range(10)} == {200}


def test_a_form_with_a_time_that_is_not_in_the_list_changes_nothing(client: Client, opened: Any) -> None:
    post(client, CODE, ("do", "save"), ("from", "25:00"), ("until", "09:30"))
    assert refused(opened) is None


# -- for programs ------------------------------------------------------------------------------------


def test_by_the_code_a_program_does_the_same(client: Client, opened: Any) -> None:
    status, said = client("PUT", f"/preferences/code/{CODE}", {"refused": ["progress"], "unwanted": ["sms"]})
    assert status == 200
    assert [s["subject"] for s in said["subjects"] if s["refused"]] == ["progress"]
    assert refused(opened) == {"refused": ["progress"], "unwanted": ["sms"]}
    assert client("GET", f"/preferences/code/{CODE}")[1] == said


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"refused": ["safety"]}, "refused"),
        ({"refused": ["task"]}, "refused"),
        ({"refused": ["gossip"]}, "refused.0"),
        ({"unwanted": ["sms", "mini_program"]}, "unwanted"),
        ({"quiet": {"from": "20:00", "until": "20:00"}}, "quiet"),
        ({"quiet": {"from": "8", "until": "20:00"}}, "quiet.from"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_wished_is_refused_by_field(
    client: Client, opened: Any, body: Any, field: str
) -> None:
    status, found = client("PUT", f"/preferences/code/{CODE}", body)
    assert status == 422
    assert field in [e["field"] for e in found["errors"]]
    assert refused(opened) is None


def test_who_is_signed_in_says_it_for_himself(client: Client, opened: Any) -> None:
    assert client("PUT", "/preferences/me", {"refused": ["all"]}, who="citizen-1", role="citizen")[0] == 200
    assert refused(opened) == {"refused": ["all"]}
    status, said = client(
        "PUT", "/preferences/me", {"refused": ["reminder"]}, who="worker-1", role="grid_worker"
    )
    assert (status, said["refused"]) == (200, ["reminder"])
    assert (
        client("PUT", "/preferences/me", {"refused": ["task"]}, who="worker-1", role="grid_worker")[0] == 422
    )
    assert client("GET", "/preferences/me", who="nobody", role="grid_worker")[0] == 404


def test_staff_keep_what_a_citizen_asked_for_with_a_reason(client: Client) -> None:
    path = "/preferences/citizen/citizen-1"
    assert client("PUT", path, {"refused": ["all"]}, role="desk", street=STREET)[0] == 422
    body = {"refused": ["all"], "reason": "来电要求不再通知"}
    assert client("PUT", path, body, who="desk-1", role="desk", street=STREET)[0] == 200
    said = client("GET", path, role="desk", street=STREET)[1]
    assert [(c["how"], c["by"], c["reason"]) for c in said["changes"]] == [
        ("staff", "desk-1", "来电要求不再通知")
    ]
    client("PUT", path, body, who="desk-1", role="desk", street=STREET)
    assert (
        len(client("GET", path, role="desk", street=STREET)[1]["changes"]) == 1
    )  # the same again is no change


def test_a_desk_keeps_its_own_streets_people_only(client: Client) -> None:
    path, body = "/preferences/person/worker-1", {"refused": ["reminder"], "reason": "本人要求"}
    assert client("PUT", path, body, role="desk", street="350921003")[0] == 404
    assert client("GET", path, role="desk", street="350921003")[0] == 404
    assert client("PUT", path, body, role="desk", street=STREET)[0] == 200
    assert client("PUT", path, body, role="county")[0] == 200


def test_who_is_erased_leaves_no_wishes_behind(client: Client, opened: Any, events: Any) -> None:
    post(client, CODE, ("do", "stop"))
    with opened() as work:
        handlers.person_erased(work, [events.erased()])
    assert refused(opened) is None
    with opened() as work:
        assert store.wishes_changes(work, "citizen", "citizen-1") == []
    assert client("PUT", f"/preferences/code/{CODE}", {"refused": ["all"]})[0] == 404


def test_wishes_at_the_command_line(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", opened.url)

    def run(*words: str) -> Any:
        return CliRunner().invoke(notify, ["preferences", *words])

    kept = run(
        "set", "citizen", "citizen-1", "--refuse", "progress", "--quiet", "20:00", "07:00", "--reason", "来电"
    )
    assert kept.exit_code == 0, kept.output
    shown = run("show", "citizen", "citizen-1")
    assert "progress     refused      办理进展" in shown.output
    assert "safety       told always" in shown.output
    assert "20:00 to 07:00" in shown.output
    assert "command" in shown.output
    assert (
        "can't be refused" in run("set", "citizen", "citizen-1", "--refuse", "task", "--reason", "x").output
    )
    assert run("set", "citizen", "citizen-1", "--quiet", "8", "9", "--reason", "x").exit_code == 2
    assert "Nobody is known" in run("show", "citizen", "nobody").output


def test_explain_says_what_those_who_are_told_have_refused(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", opened.url)
    with opened() as work:
        wishing.change(work, "citizen", "citizen-1", Wishes(frozenset({"progress"})), "page")
    raw = envelope.encode(Events().case("case.answered", 4)).decode()
    plain = CliRunner().invoke(notify, ["explain", "-"], input=raw)
    with_wishes = CliRunner().invoke(notify, ["explain", "-", "--people"], input=raw)
    assert "soon\n" in plain.output
    assert "soon; refused\n" in with_wishes.output


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=12)
    | st.sampled_from(["all", "progress", "sms"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["refused", "unwanted", "quiet", "from", "until", "reason"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(
    _anything,
    st.lists(
        st.tuples(st.sampled_from(["do", "keep", "from", "until", "x"]), st.text(max_size=8)), max_size=6
    ),
)
@settings(
    max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_sent_is_kept_or_refused_with_a_reason(client: Client, body: Any, form: Any) -> None:
    for path in (f"/preferences/code/{CODE}", "/preferences/me"):
        status, found = client("PUT", path, body, who="citizen-1", role="citizen")
        assert status == 200 or (status in (400, 422) and found["title"]), (status, found)
    client(
        "POST",
        f"/u/{CODE}",
        urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert client("GET", f"/u/{CODE}")[0] == 200
