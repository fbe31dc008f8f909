"""Field channels: a walk of several reports, taken offline; and what becomes of a person's standing."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse
from jiayuan.intake import api, handlers, standing, store
from jiayuan.intake.channels import field
from jiayuan.intake.standing import Counts

pytestmark = pytest.mark.store

NOW = "2026-03-02T01:00:00.000000Z"
WORKER: dict[str, Any] = {"roles": ("grid_worker",), "subject": "worker-1", "street": "350921001"}
TEXTS = ("龙津社区听雨街路灯不亮", "西关社区井盖没了", "龙津社区垃圾没人清运")


def _item(number: int, **changes: Any) -> dict[str, Any]:
    item = {"id": f"phone-{number}", "device_at": "2026-03-01T22:00:00Z", "text": TEXTS[number % 3]}
    return {**item, **changes}


def _walk(*items: Any, **changes: Any) -> dict[str, Any]:
    return {"walk": "am", "sent_at": NOW, "reports": list(items), **changes}


def _rows(intake: Opened) -> list[Any]:
    with intake.engine.connect() as conn:
        return list(conn.execute(store.report.select().order_by(store.report.c.external_id)))


def test_a_walk_goes_in_with_both_times(intake: Opened, send: Any) -> None:
    answer = send(field.submit, json=_walk(*(_item(n) for n in range(3))), **WORKER)
    assert answer.status_code == 200
    said = answer.get_json()
    assert (said["accepted"], said["duplicate"], said["refused"]) == (3, 0, 0)
    assert [r["id"] for r in said["reports"]] == ["phone-0", "phone-1", "phone-2"]
    assert said["clock"] == {"skew_seconds": 0, "words": None}
    for row in _rows(intake):
        assert (row.channel, row.submitter) == ("grid_worker", "worker-1")
        assert iso(row.received_at) == NOW
        assert iso(row.device_at) == iso(row.occurred_at) == "2026-03-01T22:00:00.000000Z"
        assert row.facts == {"walk": "am", "standing": {"score": 0.7, "level": "new", "judged": 0}}


def test_a_bad_item_costs_only_itself(intake: Opened, send: Any) -> None:
    bad: list[tuple[Any, list[str]]] = [
        ({"id": "x", "text": "路灯"}, ["device_at"]),
        ("not an object", ["data"]),
        (_item(1, category="9999"), ["category"]),
        (_item(1, text="\u200b"), ["text"]),
        (_item(1, tilte="t", id="y"), ["tilte"]),
        (_item(1, channel="hotline", id="z"), ["channel"]),
        (_item(1, attachments=["f" * 64], id="w"), ["attachments.0"]),
        (None, ["data"]),
    ]
    items = [_item(0), *(item for item, _ in bad), _item(2)]
    said = send(field.submit, json=_walk(*items), **WORKER).get_json()
    outcomes = [r["outcome"] for r in said["reports"]]
    assert outcomes == ["accepted", *["refused"] * len(bad), "accepted"]
    for result, (_, fields) in zip(said["reports"][1:-1], bad, strict=True):
        assert [p["field"] for p in result["problems"]] == fields
    assert said["reports"][1]["id"] == "x"
    assert [r.external_id for r in _rows(intake)] == ["phone-0", "phone-2"]


def test_the_whole_walk_sent_again_adds_nothing(intake: Opened, send: Any) -> None:
    walk = _walk(*(_item(n) for n in range(3)))
    first, again = (send(field.submit, json=walk, **WORKER).get_json() for _ in range(2))
    assert [r["outcome"] for r in again["reports"]] == ["duplicate"] * 3
    assert [r["report"] for r in again["reports"]] == [r["report"] for r in first["reports"]]
    assert [r["tracking_code"] for r in again["reports"]] == [r["tracking_code"] for r in first["reports"]]
    assert again["standing"] == first["standing"]
    # A copy inside the walk, and the same id with other words.
    third = send(field.submit, json=_walk(_item(5), _item(5), _item(1, text="别的事")), **WORKER).get_json()
    assert [r["outcome"] for r in third["reports"]] == ["accepted", "duplicate", "refused"]
    assert third["reports"][2]["problems"][0]["field"] == "id"
    # Another person's phone counts its own ids.
    other = send(field.submit, json=_walk(_item(0)), **{**WORKER, "subject": "worker-2"}).get_json()
    assert other["reports"][0]["outcome"] == "accepted"
    assert len(_rows(intake)) == 5


def test_one_phone_on_two_networks_at_once(intake: Opened, send: Any) -> None:
    walk, start, answers = _walk(*(_item(n) for n in range(20))), threading.Barrier(4), []

    def network() -> None:
        start.wait(10)
        answers.append(send(field.submit, json=walk, **WORKER))

    threads = [threading.Thread(target=network) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert [a.status_code for a in answers] == [200] * 4
    assert sum(a.get_json()["accepted"] for a in answers) == 20
    assert len({str([r["report"] for r in a.get_json()["reports"]]) for a in answers}) == 1
    assert len(_rows(intake)) == 20
    with intake.runtime.work() as work:
        assert store.standing_of(work, "worker-1").submitted == 20


@pytest.mark.parametrize(
    ("sent_at", "taken", "occurred", "facts", "word"),
    [
        ("2026-03-02T01:01", "2026-03-02T00:30", "2026-03-02T00:30", {}, None),
        ("2026-03-02T04:00", "2026-03-02T03:30", "2026-03-02T00:30", {"clock_skew_seconds": 10800}, "快3小时"),
        ("1970-01-01T00:10", "1970-01-01T00:00", "2026-03-02T00:50", {"clock_skew_seconds": -1772412600}, "慢"),
        ("2026-03-02T01:00", "2026-03-02T02:00", None, {"clock_jumped": True}, None),
    ],
)  # fmt: skip
def test_a_phones_clock_that_is_off_is_noticed(
    intake: Opened, send: Any, sent_at: str, taken: str, occurred: str | None, facts: Any, word: str | None
) -> None:
    sent_at, taken = f"{sent_at}:00Z", f"{taken}:00Z"
    occurred = f"{occurred}:00Z" if occurred else None
    said = send(field.submit, json=_walk(_item(0, device_at=taken), sent_at=sent_at), **WORKER).get_json()
    (row,) = _rows(intake)
    assert iso(row.device_at) == iso(parse(taken))
    assert iso(row.received_at) == NOW
    assert (iso(row.occurred_at) if row.occurred_at else None) == (iso(parse(occurred)) if occurred else None)
    assert {k: v for k, v in row.facts.items() if k.startswith("clock")} == facts
    if word is None:
        assert said["clock"]["words"] is None
    else:
        assert word in said["clock"]["words"]


def test_an_occurrence_that_the_person_named_is_left_alone(intake: Opened, send: Any) -> None:
    item = _item(0, occurred_at="2026-02-28T12:00:00Z")
    send(field.submit, json=_walk(item, sent_at="2026-03-02T04:00:00Z"), **WORKER)
    assert iso(_rows(intake)[0].occurred_at) == "2026-02-28T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("roles", "said", "channel"),
    [
        (("grid_chief",), None, "grid_worker"),
        (("liaison",), None, "liaison"),
        (("rider",), None, "rider"),
        (("cadre",), None, "cadre"),
        (("cadre", "grid_worker"), "cadre", "cadre"),
        (("service",), "rider", "rider"),
    ],
)
def test_the_channel_follows_from_the_role(
    intake: Opened, send: Any, roles: tuple[str, ...], said: str | None, channel: str
) -> None:
    walk = _walk(_item(0)) | ({"channel": said} if said else {})
    assert send(field.submit, json=walk, roles=roles).status_code == 200
    assert _rows(intake)[0].channel == channel


def test_nobody_reports_as_what_he_is_not(intake: Opened, send: Any) -> None:
    refused = send(field.submit, json=_walk(_item(0), channel="cadre"), **WORKER)
    assert refused.status_code == 403
    assert refused.get_json()["errors"][0]["allowed"] == "one of grid_worker"
    for roles in ((), ("citizen",), ("agent",), ("desk",)):
        assert send(field.submit, json=_walk(_item(0)), roles=roles).status_code == (403 if roles else 401)
    assert _rows(intake) == []


@pytest.mark.parametrize(
    ("walk", "where"),
    [
        (_walk(), "reports"),
        (_walk(*([_item(0)] * 51)), "reports"),
        ({"reports": [_item(0)]}, "sent_at"),
        (_walk(_item(0), sent_at="yesterday"), "sent_at"),
        (_walk(_item(0), channel="mini_program"), "channel"),
    ],
)
def test_a_walk_that_is_wrong_as_a_whole_is_refused(send: Any, walk: Any, where: str) -> None:
    answer = send(field.submit, json=walk, **WORKER)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.get_json()["errors"]] == [where]


def test_the_code_is_the_citizens_where_there_is_one(send: Any) -> None:
    items = (_item(0), _item(1, contact={"phone": "13800138000"}))
    own, anothers = send(field.submit, json=_walk(*items), **WORKER).get_json()["reports"]
    assert own["tracking_code"].startswith("XP")
    assert "tracking_code" not in anothers


def _media(intake: Opened, digest: str) -> None:
    with intake.engine.begin() as conn:
        conn.execute(
            sql(
                "INSERT INTO media (digest, kind, type, size, width, height, seconds, state, touched_at) "
                "VALUES (:d, 'photo', 'image/jpeg', 9, 1, 1, 0, 'kept', now())"
            ),
            {"d": digest},
        )


def test_photos_follow_later_from_who_sent_the_report(intake: Opened, send: Any) -> None:
    made = send(field.submit, json=_walk(_item(0)), **WORKER).get_json()["reports"][0]["report"]
    photos = ["a" * 64, "b" * 64]
    assert send(field.add_photos, made, json={"attachments": photos}, **WORKER).status_code == 409
    for digest in photos:
        _media(intake, digest)
    for _ in range(2):
        answer = send(field.add_photos, made, json={"attachments": photos}, **WORKER)
        assert (answer.status_code, answer.get_json()["media"]) == (201, photos)
    stranger = {**WORKER, "subject": "worker-2"}
    assert send(field.add_photos, made, json={"attachments": photos}, **stranger).status_code == 404
    assert send(field.add_photos, "no-id", json={"attachments": photos}, **WORKER).status_code == 404


def test_a_person_follows_what_he_sent(send: Any) -> None:
    send(field.submit, json=_walk(_item(0), _item(1)), roles=("rider",), subject="rider-1")
    send(field.submit, json=_walk(_item(2)), **WORKER)
    said = send(field.mine, method="GET", roles=("rider",), subject="rider-1").get_json()
    assert sorted(r["item"] for r in said["reports"]) == ["phone-0", "phone-1"]
    assert {r["progress"]["words"] for r in said["reports"]} == {"已受理，正在派单"}
    assert said["standing"]["submitted"] == 2
    # A rider belongs to no street, and sees his own all the same.
    id_ = said["reports"][0]["id"]
    assert send(api.show, id_, method="GET", roles=("rider",), subject="rider-1").status_code == 200
    assert send(api.show, id_, method="GET", roles=("rider",), subject="rider-2").status_code == 404


# -- standing -----------------------------------------------------------------------------------------


def _event(case: str, sequence: int, report: str, state: str, confirmed: str | None = None) -> Any:
    document: dict[str, Any] = {
        "id": case,
        "number": "XP-2026-000001",
        "state": state,
        "kind": "problem",
        "title": "t",
        "category": {"code": "0102"},
        "livelihood": True,
        "colour": "blue",
        "level": "grid",
        "street": "350921001",
        "decision": {"policy": "1"},
        "reports": [{"id": report, "channel": "grid_worker", "received_at": NOW}],
        "legs": [],
        "first_received_at": NOW,
        "opened_at": NOW,
        "confirmed": confirmed,
    }
    name = {"closed": "case.closed", "voided": "case.voided"}.get(state, "case.reopened")
    data = {"case": document, "change": {"action": "x", "actor": "a", "at": NOW}}
    return envelope.make(name, "/jiayuan/routing", data, at=parse(NOW), subject=case, sequence=sequence)


def _counts(intake: Opened, subject: str = "worker-1") -> Counts:
    with intake.runtime.work() as work:
        return store.standing_of(work, subject)


def _hear(intake: Opened, *events: Any) -> None:
    with intake.runtime.work() as work:
        handlers.case_changed(work, list(events))


def test_cases_judge_their_reports(intake: Opened, send: Any) -> None:
    said = send(
        field.submit, json=_walk(*(_item(n, text=f"路灯坏了{n}") for n in range(4))), **WORKER
    ).get_json()
    ids = [r["report"] for r in said["reports"]]
    assert _counts(intake) == Counts(submitted=4)
    cases = [new_id() for _ in ids]
    _hear(
        intake,
        _event(cases[0], 5, ids[0], "closed", "satisfied"),
        _event(cases[1], 5, ids[1], "closed", "lapsed"),
        _event(cases[2], 5, ids[2], "voided"),
        _event(cases[3], 5, ids[3], "closed", "withdrawn"),
    )
    expected = Counts(submitted=4, confirmed=2, refused=1, withdrawn=1)
    assert _counts(intake) == expected
    _hear(intake, _event(cases[0], 5, ids[0], "closed", "satisfied"))
    assert _counts(intake) == expected
    # What nobody sent as part of a duty counts for nobody.
    _hear(intake, _event(new_id(), 5, new_id(), "closed", "satisfied"))
    assert _counts(intake) == expected


def test_a_case_opened_again_takes_its_judgement_back_in_every_order(intake: Opened, send: Any) -> None:
    id_ = send(field.submit, json=_walk(_item(0)), **WORKER).get_json()["reports"][0]["report"]
    lives = {
        "open again": (["closed", "accepted", "assigned"], Counts(submitted=1)),
        "closed twice": (["closed", "accepted", "closed"], Counts(submitted=1, confirmed=1)),
        "voided in the end": (["closed", "accepted", "voided"], Counts(submitted=1, refused=1)),
    }
    for states, expected in lives.values():
        for order in itertools.permutations(range(3)):
            case = new_id()
            events = [_event(case, 5 + n, id_, state) for n, state in enumerate(states)]
            for n in order:
                _hear(intake, events[n])
            assert _counts(intake) == expected, (states, order)
            _hear(intake, _event(case, 99, id_, "closed"), _event(case, 100, id_, "accepted"))
            _hear(intake, _event(case, 101, id_, "accepted"))
            assert _counts(intake) == Counts(submitted=1)


def test_the_same_words_again_within_a_week_count_as_repeated(intake: Opened, send: Any) -> None:
    first = send(field.submit, json=_walk(_item(0)), **WORKER).get_json()["reports"][0]
    walk = _walk(_item(3), _item(4), _item(7))
    results = send(field.submit, json=walk, **WORKER).get_json()["reports"]
    assert [r["outcome"] for r in results] == ["accepted"] * 3
    assert [r.get("repeats") for r in results] == [first["report"], None, results[1]["report"]]
    assert _counts(intake) == Counts(submitted=4, duplicate=2)
    intake.clock.time += timedelta(days=8)
    later = send(field.submit, json=_walk(_item(9), sent_at=iso(intake.clock.time)), **WORKER).get_json()
    assert "repeats" not in later["reports"][0]


def test_the_standing_of_then_stays_with_the_report(intake: Opened, send: Any) -> None:
    id_ = send(field.submit, json=_walk(_item(0)), **WORKER).get_json()["reports"][0]["report"]
    for n in range(1, 7):
        made = send(field.submit, json=_walk(_item(n, text=f"路灯坏了{n}")), **WORKER).get_json()["reports"][
            0
        ]
        _hear(intake, _event(new_id(), 5, made["report"], "voided"))
    newest = send(field.submit, json=_walk(_item(99, text="又坏了")), **WORKER).get_json()["reports"][0]
    then, now = (
        send(api.show, i, method="GET", roles=("county",)).get_json()["facts"]["standing"]
        for i in (id_, newest["report"])
    )
    assert (then["level"], now["level"], now["judged"]) == ("new", "check", 6)


def test_who_may_read_a_standing(send: Any) -> None:
    send(field.submit, json=_walk(_item(0)), **WORKER)
    for roles, subject, status in (
        (("desk",), "d", 200),
        (("county",), "c", 200),
        (("grid_worker",), "worker-1", 200),
        (("grid_worker",), "worker-2", 403),
        (("citizen",), "worker-1", 403),
        ((), "", 401),
    ):
        answer = send(field.show_standing, "worker-1", method="GET", roles=roles, subject=subject or "x")
        assert answer.status_code == status, roles
    assert send(field.show_standing, "nobody", method="GET", roles=("county",)).get_json()["submitted"] == 0


@pytest.mark.parametrize(
    ("counts", "score", "level"),
    [
        (Counts(), 0.7, "new"),
        (Counts(submitted=100), 0.7, "new"),
        (Counts(confirmed=4), 0.85, "new"),
        (Counts(confirmed=5), 0.87, "usual"),
        (Counts(confirmed=20), 0.95, "trusted"),
        (Counts(confirmed=20, refused=4), 0.81, "usual"),
        (Counts(confirmed=1, refused=4), 0.42, "check"),
        (Counts(confirmed=2, withdrawn=3, duplicate=4), 0.44, "check"),
    ],
)
def test_the_formula(counts: Counts, score: float, level: str) -> None:
    assert (standing.score(counts), standing.level(counts)) == (score, level)
