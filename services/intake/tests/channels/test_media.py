"""Media by HTTP: taken, attached, shown to whom it concerns, swept; and nothing is lost whatever is killed."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.databases import SEAL_KEYS, TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import api, attachments, keys, media
from jiayuan.intake.channels import media as channel
from jiayuan.intake.store import media as rows

pytestmark = pytest.mark.store


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures = _load("pictures")
PHOTO = pictures.picture(exif=pictures.exif())
Send = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def intake(intake: Opened, folder: Path) -> Opened:
    intake.settings = replace(intake.settings, media=f"file://{folder}")
    intake.runtime.settings = intake.settings
    return intake


@pytest.fixture
def send(intake: Opened) -> Send:
    def send(handler: Any, *path: str, method: str = "POST", roles: tuple[str, ...] = (), **how: Any) -> Any:
        headers = dict(how.pop("headers", {}))
        if roles:
            token = tokens.issue(TOKEN_SECRET, "someone", roles, street=how.pop("street", ""))
            headers["Authorization"] = f"Bearer {token}"
        call = Call(EnvironBuilder(method=method, path="/x", headers=headers, **how).get_environ())
        call.max_content_length = channel.MAX_UPLOAD
        return dispatch(
            {}, call, lambda c: handler(intake.runtime, c, *path), intake.settings, (), "/x", "intake"
        )

    return send


def _upload(send: Send, data: bytes = PHOTO) -> str:
    response = send(channel.upload, data=data)
    assert response.status_code == 201, response.get_data()
    return str(response.get_json()["media"][0]["digest"])


def _report(send: Send, *digests: str, **more: Any) -> Any:
    return send(api.submit, json={"text": "路灯坏了", "attachments": list(digests), **more})


def _files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def _states(intake: Opened) -> dict[str, str]:
    with intake.engine.connect() as conn:
        return dict(tuple(r) for r in conn.execute(sql("SELECT digest, state FROM media")))


def test_a_photo_is_taken_attached_and_shown(intake: Opened, send: Send, folder: Path) -> None:
    digest = _upload(send)
    assert _upload(send) == digest
    assert _files(folder) == [digest]
    made = _report(send, digest).get_json()
    mine = {"X-Tracking-Code": made["tracking_code"]}
    seen = send(api.show, made["id"], method="GET", headers=mine).get_json()
    (shown,) = seen["media"]
    assert (shown["digest"], shown["type"], shown["width"]) == (digest, "image/jpeg", 64)
    # The photo says when it was, since the report doesn't.
    assert seen["occurred_at"] == "2026-03-01T01:30:15.000000Z"
    path, query = shown["url"].split("?")
    assert path == f"/media/{digest}"
    by_link = send(channel.download, digest, method="GET", query_string=query)
    assert by_link.status_code == 200
    assert media.clean(by_link.get_data()).digest == digest
    assert by_link.headers["X-Content-Type-Options"] == "nosniff"
    assert b"Exif" not in by_link.get_data()
    with intake.engine.connect() as conn:
        facts = conn.execute(sql("SELECT facts FROM report")).scalar_one()
    assert facts["from_photo"] == ["place", "occurred_at"]


def test_the_time_and_place_of_a_report_win_over_its_photos(send: Send) -> None:
    made = _report(
        send,
        _upload(send),
        occurred_at="2026-02-01T00:00:00Z",
        place={"lat": 26.9, "long": 120.0},
    ).get_json()
    seen = send(
        api.show, made["id"], method="GET", headers={"X-Tracking-Code": made["tracking_code"]}
    ).get_json()
    assert seen["occurred_at"] == "2026-02-01T00:00:00.000000Z"


def test_only_who_may_see_the_report_sees_its_photos(send: Send) -> None:
    digest = _upload(send)
    made = _report(send, digest, place={"code": "350921001001"}).get_json()
    other = _report(send).get_json()
    report = {"report": made["id"]}

    def get(query: dict[str, Any], **how: Any) -> int:
        status: int = send(channel.download, digest, method="GET", query_string=query, **how).status_code
        return status

    assert get({}) == 404
    assert get(report) == 404
    assert get({"report": "no-id"}) == 404
    assert get({**report, "code": "XP0000000000"}) == 404
    assert get({**report, "code": made["tracking_code"]}) == 200
    assert get({"report": other["id"], "code": other["tracking_code"]}) == 404
    assert get(report, roles=("county",)) == 200
    assert get(report, roles=("desk",), street="350921001") == 200
    assert get(report, roles=("desk",), street="350921002") == 403
    assert get(report, roles=("citizen",)) == 404


def test_a_link_holds_for_one_file_and_a_short_time(send: Send) -> None:
    digest, second = _upload(send), _upload(send, pictures.picture("PNG"))
    report = _report(send, digest, second).get_json()["id"]
    secrets = keys.current()

    def get(name: str, link: str) -> int:
        status: int = send(
            channel.download, name, method="GET", query_string=link.partition("?")[2]
        ).status_code
        return status

    good = attachments.link(digest, report, 4_000_000_000, secrets)
    assert get(digest, good) == 200
    assert get(second, good) == 403
    assert get(digest, good.replace("until=4", "until=5")) == 403
    assert get(digest, good[:-1] + ("0" if good[-1] != "0" else "1")) == 403
    assert get(digest, good.replace("until=4000000000", "until=²")) == 403
    assert get(digest, attachments.link(digest, report, 1_000_000_000, secrets)) == 403


def test_part_of_a_voice_note_can_be_asked_for(send: Send) -> None:
    digest = _upload(send, pictures.wav())
    made = _report(send, digest).get_json()
    query = {"report": made["id"], "code": made["tracking_code"]}
    part = send(channel.download, digest, method="GET", query_string=query, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.get_data()) == (206, b"RIFF")
    same = send(
        channel.download, digest, method="GET", query_string=query, headers={"If-None-Match": f'"{digest}"'}
    )
    assert same.status_code == 304


def test_what_is_wrong_is_named_and_nothing_is_kept(intake: Opened, send: Send, folder: Path) -> None:
    empty = send(channel.upload, data=b"")
    assert (empty.status_code, empty.content_type) == (400, "application/problem+json")
    wrong = send(channel.upload, data=b"%PDF-1.7")
    assert wrong.status_code == 422
    assert wrong.get_json()["errors"] == [{"field": "body", "problem": "is a PDF", "allowed": media.TAKEN}]
    form = {"a": (io.BytesIO(PHOTO), "a.jpg"), "b": (io.BytesIO(b"GIF89a"), "b.jpg")}
    assert [e["field"] for e in send(channel.upload, data=form).get_json()["errors"]] == ["files.1"]
    assert send(channel.upload, data={"a": "text"}, content_type="multipart/form-data").status_code == 400
    many = {"f": [(io.BytesIO(PHOTO), f"{n}.jpg") for n in range(11)]}
    assert send(channel.upload, data=many).status_code == 422
    assert send(channel.upload, data=bytes(channel.MAX_UPLOAD + 1)).status_code == 413
    assert _files(folder) == []
    assert _states(intake) == {}


def test_several_come_in_a_form(send: Send) -> None:
    form = {"a": (io.BytesIO(PHOTO), "a.jpg"), "b": (io.BytesIO(pictures.amr()), "b.amr")}
    found = send(channel.upload, data=form).get_json()["media"]
    assert [(m["kind"], m["type"]) for m in found] == [("photo", "image/jpeg"), ("voice", "audio/amr")]


def test_without_a_store_none_is_taken(intake: Opened, send: Send) -> None:
    intake.runtime.settings = replace(intake.settings, media="")
    response = send(channel.upload, data=PHOTO)
    assert response.status_code == 503
    assert "Media are not set up" in response.get_json()["title"]


def test_a_report_takes_nine_photos_and_one_voice_note(send: Send) -> None:
    photos = [_upload(send, pictures.picture(size=(8 + n, 8))) for n in range(10)]
    voices = [_upload(send, pictures.amr(n)) for n in (1, 2)]
    for digests, problem in (
        (photos, "are 10 photos"),
        (voices, "are 2 voice notes"),
        ([photos[0], photos[0]], "names a file twice"),
        (["0" * 64], "is no photo or voice note that is here"),
    ):
        response = _report(send, *digests)
        assert response.status_code == (409 if "that is here" in problem else 422)
        assert problem in [e["problem"] for e in response.get_json()["errors"]]
    assert _report(send, "../../etc/passwd").status_code == 422
    assert _report(send, *photos[:9], voices[0]).status_code == 201


def test_photos_may_come_after_their_report(send: Send) -> None:
    first, second = _upload(send), _upload(send, pictures.picture("PNG"))
    made = _report(send, first).get_json()
    mine = {"X-Tracking-Code": made["tracking_code"]}
    body = {"attachments": [second, first]}
    assert send(channel.add, made["id"], json=body).status_code == 404
    for _ in range(2):
        answer = send(channel.add, made["id"], json=body, headers=mine)
        assert (answer.status_code, answer.get_json()["media"]) == (201, [first, second])
    more = [_upload(send, pictures.picture(size=(8 + n, 8))) for n in range(8)]
    assert send(channel.add, made["id"], json={"attachments": more}, headers=mine).status_code == 422
    assert send(channel.add, made["id"], json={"attachments": []}, headers=mine).status_code == 422


def test_what_belongs_to_no_report_is_swept(intake: Opened, send: Send, folder: Path) -> None:
    used, orphan = _upload(send), _upload(send, pictures.amr())
    _report(send, used)
    assert not channel.sweep(intake.runtime)
    assert _files(folder) == sorted([used, orphan])
    intake.clock.time += timedelta(hours=25)
    assert channel.sweep(intake.runtime)
    assert not channel.sweep(intake.runtime)
    assert _files(folder) == [used]
    assert _states(intake) == {used: "kept"}
    assert _report(send, orphan).status_code == 409
    assert _report(send, _upload(send, pictures.amr())).status_code == 201


def test_erasing_a_report_takes_its_photos_unless_another_has_them(
    intake: Opened, send: Send, folder: Path
) -> None:
    shared, own = _upload(send), _upload(send, pictures.amr())
    first = _report(send, shared, own).get_json()["id"]
    _report(send, shared)
    with intake() as work:
        assert rows.forget(work, [first]) == 1
    channel.sweep(intake.runtime)
    assert _files(folder) == [shared]
    with intake() as work:
        assert rows.of_report(work, first) == []


def test_a_file_that_is_leaving_comes_back_with_an_upload(intake: Opened, send: Send) -> None:
    digest = _upload(send)
    with intake() as work:
        assert rows.expire(work, work.now + timedelta(hours=1)) == [digest]
    # Marked, and not yet deleted: nobody may attach it, and the upload takes it back.
    assert _report(send, digest).status_code == 409
    assert _upload(send) == digest
    assert not channel.sweep(intake.runtime)
    assert _report(send, digest).status_code == 201


KILLED = textwrap.dedent(
    """
    import io, os, sys
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime
    from jiayuan.intake import attachments, handlers, keys, store
    from jiayuan.intake.store import media as rows

    point = sys.argv[1]
    settings = load(keys.IntakeSettings, "intake")
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    keeper = attachments.store(settings)

    def kill(*_):
        os._exit(9)

    def after(run):
        def call(*args):
            run(*args)
            os._exit(9)
        return call

    if point == "before the file":
        keeper.put = kill
    if point == "after the file":
        keeper.put = after(keeper.put)
    if point == "within the file":
        os.fsync = kill
    if point == "before the deletion":
        keeper.delete = kill
    if point == "after the deletion":
        keeper.delete = after(keeper.delete)
    found = attachments.read(io.BytesIO(sys.stdin.buffer.read()), attachments.limits(settings))
    if "deletion" in point:
        from datetime import timedelta
        attachments.sweep(runtime.work, keeper, runtime.clock.now() + timedelta(hours=1))
    else:
        attachments.keep(runtime.work, keeper, found)
    """
)


def _killed(intake: Opened, point: str) -> None:
    environment = processes.environment(
        {
            "JIAYUAN_AMQP_URI": "",
            "JIAYUAN_DATABASE_URL": intake.url,
            "JIAYUAN_SEAL_KEYS": SEAL_KEYS,
            "JIAYUAN_MEDIA": intake.settings.media,
        }
    )
    done = subprocess.run(
        [sys.executable, "-c", KILLED, point], input=PHOTO, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr.decode()


@pytest.mark.parametrize("point", ["before the file", "within the file", "after the file"])
def test_an_upload_that_is_killed_is_whole_after_the_next(
    intake: Opened, send: Send, folder: Path, point: str
) -> None:
    digest = media.clean(PHOTO).digest
    _killed(intake, point)
    assert _states(intake) == {digest: "arriving"}
    # Nobody can attach what may not be there.
    assert _report(send, digest).status_code == 409
    assert _upload(send) == digest
    assert _report(send, digest).status_code == 201
    assert digest in _files(folder)


@pytest.mark.parametrize("point", ["before the file", "after the file"])
def test_an_upload_that_is_killed_leaves_nothing(intake: Opened, folder: Path, point: str) -> None:
    _killed(intake, point)
    with intake() as work:
        work.execute("UPDATE media SET touched_at = :at", at=work.now - timedelta(hours=25))
    channel.sweep(intake.runtime)
    assert _files(folder) == []
    assert _states(intake) == {}


@pytest.mark.parametrize("point", ["before the deletion", "after the deletion"])
def test_a_sweep_that_is_killed_is_finished_by_the_next(
    intake: Opened, send: Send, folder: Path, point: str
) -> None:
    digest = _upload(send)
    _killed(intake, point)
    assert _states(intake) == {digest: "leaving"}
    assert _report(send, digest).status_code == 409
    channel.sweep(intake.runtime)
    assert _files(folder) == []
    assert _states(intake) == {}
    assert _upload(send) == digest
    assert _report(send, digest).status_code == 201
    assert _files(folder) == [digest]
