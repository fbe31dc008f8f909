"""What needs no server: settings, clock, sealing, masking, logs, tokens, errors, problem documents."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg2
import pytest
from marshmallow import RAISE, Schema, fields, validate
from sqlalchemy import exc
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import logs, migrations, redact, tokens, trace, web
from jiayuan.chassis.clock import Clock
from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.errors import Problem, StartError, Transient, is_transient
from jiayuan.chassis.seal import AES, SM4, Key, Sealer, SealError, new_key
from jiayuan.chassis.service import Service, http
from jiayuan.chassis.work import Handler, on, together
from jiayuan.contracts.check import FieldProblem

pytestmark = pytest.mark.unit

BASE = {"JIAYUAN_AMQP_URI": "amqp://u:p@h/v", "JIAYUAN_DATABASE_URL": "postgresql://u:p@h/d"}
SECRET = "0123456789abcdef0123456789abcdef"


# -- settings --------------------------------------------------------------------------------------


def test_settings_come_from_file_then_environment_then_the_services_own(tmp_path: Path) -> None:
    file = tmp_path / "jiayuan.toml"
    file.write_text("[common]\nbatch_size = 50\nlinger_ms = 9\n[sla]\nbatch_size = 60\nhttp_port = 1\n")
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    env = {
        **BASE,
        "JIAYUAN_CONFIG": str(file),
        "JIAYUAN_HTTP_PORT": "2",
        "JIAYUAN_SLA_HTTP_PORT": "3",
        "JIAYUAN_TOKEN_SECRET_FILE": str(secret),
        "JIAYUAN_TOPOLOGY_CHECK": "no",
    }
    got = load(Settings, "sla", env)
    assert (got.batch_size, got.linger_ms, got.http_port) == (60, 9.0, 3)
    assert got.token_secret == "from a file"
    assert got.topology_check is False
    assert load(Settings, "notify", env).http_port == 2


def test_every_wrong_setting_is_named_in_one_sentence() -> None:
    with pytest.raises(StartError) as caught:
        load(
            Settings,
            "sla",
            {"JIAYUAN_AMQP_URI": "x", "JIAYUAN_BATCH_SIZE": "many", "JIAYUAN_SEAL_KEYS_FILE": "/nowhere"},
        )
    assert caught.value.code == 3
    for name in ("database_url is missing", "batch_size", "seal_keys"):
        assert name in str(caught.value)


def test_secrets_are_not_in_the_representation_of_settings() -> None:
    got = load(Settings, "sla", {**BASE, "JIAYUAN_TOKEN_SECRET": SECRET, "JIAYUAN_SEAL_KEYS": "k:abc"})
    for secret in ("u:p@h", SECRET, "k:abc"):
        assert secret not in repr(got)


@dataclass(frozen=True)
class _Odd(Settings):
    odd: list[str] | None = None


def test_a_setting_of_an_unreadable_type_is_refused() -> None:
    with pytest.raises(StartError, match="odd"):
        load(_Odd, "sla", {**BASE, "JIAYUAN_ODD": "x"})


# -- the clock -------------------------------------------------------------------------------------


def test_a_fast_clock_starts_at_its_epoch_and_runs_its_speed() -> None:
    clock = Clock(speed=1200, epoch=1_000_000.0)
    assert clock.at(1_000_000.0) == 1_000_000.0
    assert clock.at(1_000_001.0) == 1_001_200.0
    assert clock.wall_seconds(timedelta(hours=24)) == 72.0


def test_the_plain_clock_is_the_wall_in_utc() -> None:
    before = datetime.now(UTC)
    now = Clock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


# -- sealing ---------------------------------------------------------------------------------------


def test_a_sealed_value_opens_only_whole_and_for_whom_it_was_sealed() -> None:
    sealer = Sealer(new_key("a"))
    sealed = sealer.seal({"phone": "13900001234"}, "person-1")
    assert "13900001234" not in sealed
    assert sealer.open(sealed, "person-1") == {"phone": "13900001234"}
    assert sealer.seal({"phone": "13900001234"}, "person-1") != sealed
    changed = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    for value, aad in ((sealed, "person-2"), (changed, "person-1"), ("a.", "person-1"), ("a.!!", "person-1")):
        with pytest.raises(SealError):
            sealer.open(value, aad)


def test_a_digest_depends_on_the_text_its_purpose_and_the_oldest_key_alone() -> None:
    old, new = new_key("old"), new_key("new")
    digest = Sealer(old).digest("13900000000", "number")
    assert Sealer(f"{new},{old}").digest("13900000000", "number") == digest
    assert Sealer(new).digest("13900000000", "number") != digest
    assert Sealer(old).digest("13900000001", "number") != digest
    assert Sealer(old).digest("13900000000", "credit") != digest
    assert "13900000000" not in digest


def test_keys_rotate_the_first_seals_all_open() -> None:
    old, new = new_key("old"), new_key("new")
    sealed = Sealer(old).seal({"x": 1}, "p")
    both = Sealer(f"{new}, {old}")
    assert both.open(sealed, "p") == {"x": 1}
    assert both.seal({"x": 1}, "p").startswith("new.")
    with pytest.raises(SealError, match="'old'"):
        Sealer(new).open(sealed, "p")


@pytest.mark.parametrize("algorithm", [AES, SM4])
def test_both_ciphers_seal_for_one_person_and_notice_every_change(algorithm: str) -> None:
    sealer = Sealer(new_key("a", algorithm))
    assert sealer.first.algorithm == algorithm
    sealed = sealer.seal_bytes(b"\x00 anything", "person-1")
    assert sealer.open_bytes(sealed, "person-1") == b"\x00 anything"
    for at in range(2, len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealError):
            sealer.open_bytes(changed, "person-1")
    for value, aad in ((sealed, "person-2"), (sealed[:-1], "person-1"), (b"a.", "person-1")):
        with pytest.raises(SealError):
            sealer.open_bytes(value, aad)


def test_sm4_gcm_is_the_one_of_rfc_8998() -> None:
    # RFC 8998, appendix A.1.
    key = Key("k", bytes.fromhex("0123456789abcdeffedcba9876543210"), SM4)
    plain = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffff"
        "eeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    sealed = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15"
        "a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec"
    )
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    aead, nonce = key._aead, bytes.fromhex("00001234567800000000abcd")
    assert aead.encrypt(nonce, plain, aad) == sealed
    assert aead.decrypt(nonce, sealed, aad) == plain


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(SealError, match="two keys are called 'a'"):
        Sealer(f"{new_key('a')},{new_key('a')}")


def test_a_ring_may_change_its_cipher() -> None:
    old, new = new_key("old"), new_key("new", SM4)
    sealed = Sealer(old).seal({"x": 1}, "p")
    both = Sealer(f"{new},{old}")
    assert both.names == ("new", "old")
    assert both.open(sealed, "p") == both.open(both.seal({"x": 1}, "p"), "p") == {"x": 1}


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "k",
        "k:",
        "k:AAAA",
        ":" + "A" * 44,
        "k:***",
        "k.l:" + "A" * 44,
        "k:sm4:",
        "k:sm4:" + "A" * 44,
        "k:des:AA",
    ],
)
def test_malformed_keys_are_refused_without_showing_them(keys: str) -> None:
    with pytest.raises(SealError) as caught:
        Sealer(keys)
    assert "AAAA" not in str(caught.value)


# -- masking and logs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13900001234。", "电话139****1234。"),
        ("139 0000 1234", "139****1234"),
        ("139-0000-1234", "139****1234"),
        ("+86 13900001234", "861******1234"),
        ("0593-8880000", "059****0000"),
        ("身份证359999199001011234", "身份证3599************34"),
        ("35999919900101123X", "3599************3X"),
        ("订单12345678901234567890", "订单12345678901234567890"),
        ("编号 2026031500012", "编号 2026031500012"),
        ("没有号码", "没有号码"),
        ("", ""),
    ],
)
def test_phones_and_identity_numbers_are_masked(text: str, masked: str) -> None:
    assert redact.mask(text) == masked


def test_a_log_line_is_json_with_the_trace_and_no_number_of_a_person() -> None:
    formatter = logs.JsonFormatter("intake")
    parent = trace.traceparent()
    token = trace.current.set({"trace": trace.trace_id(parent)})
    try:
        try:
            raise ValueError("caller 13900001234")
        except ValueError:
            record = logging.getLogger("jiayuan.x").makeRecord(
                "jiayuan.x",
                logging.ERROR,
                "f",
                1,
                "call %s",
                ("13900001234",),
                sys.exc_info(),
                extra={"case": "c1"},
            )
        line = json.loads(formatter.format(record))
    finally:
        trace.current.reset(token)
    assert line["case"] == "c1"
    assert line["trace"] == parent[3:35]
    assert line["service"] == "intake"
    assert "13900001234" not in json.dumps(line)
    assert "139****1234" in line["message"]


def test_a_trace_is_continued_or_begun() -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ours = trace.traceparent(given)
    assert ours[:36] == given[:36]
    assert ours[36:52] != given[36:52]
    assert ours[52:] == given[52:]
    for bad in (None, "", "00-zz", given.replace("0af7", "ZZZZ"), "00-" + "0" * 32 + given[35:]):
        assert trace.traceparent(bad)[3:35] != given[3:35]


# -- tokens ----------------------------------------------------------------------------------------


def test_a_token_says_who_and_what_for() -> None:
    token = tokens.issue(SECRET, "P000001", ("grid_worker",), street="350921001")
    assert tokens.read(SECRET, token) == tokens.Principal("P000001", ("grid_worker",), "350921001", "")


def _forged(**change: Any) -> str:
    claims = {"iss": "jiayuan", "aud": "jiayuan", "sub": "x", "roles": ["desk"], "iat": 1, "exp": 4102444800}
    claims.update(change)
    claims = {k: v for k, v in claims.items() if v is not None}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "token",
    [
        _forged(exp=1),
        _forged(aud="other"),
        _forged(iss="other"),
        _forged(exp=None),
        _forged(sub=None),
        _forged(roles="desk"),
        jwt.encode({"sub": "x"}, SECRET + "!", algorithm="HS256"),
        jwt.encode({"sub": "x", "aud": "jiayuan"}, "", algorithm="none"),
        "not a token",
    ],
)
def test_forged_and_expired_tokens_are_401(token: str) -> None:
    with pytest.raises(Problem) as caught:
        tokens.read(SECRET, token)
    assert caught.value.status == 401


def test_a_short_secret_or_an_unknown_role_issues_nothing() -> None:
    with pytest.raises(ValueError, match="32"):
        tokens.issue("short", "x", ("desk",))
    with pytest.raises(ValueError, match="emperor"):
        tokens.issue(SECRET, "x", ("emperor",))
    with pytest.raises(Problem) as caught:
        tokens.read("short", "x")
    assert caught.value.status == 503


# -- errors ----------------------------------------------------------------------------------------


class _Coded(psycopg2.Error):
    def __init__(self, code: str) -> None:
        self._code = code

    @property
    def pgcode(self) -> str:  # type: ignore[override]
        return self._code


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Transient("x"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (psycopg2.OperationalError("server closed the connection"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (exc.OperationalError("s", {}, _Coded("57P01")), True),
        (exc.OperationalError("s", {}, _Coded("40P01")), True),
        (exc.OperationalError("s", {}, _Coded("53300")), True),
        (exc.IntegrityError("s", {}, _Coded("23505")), False),
        (exc.DataError("s", {}, _Coded("22P02")), False),
        (exc.ProgrammingError("s", {}, _Coded("42P01")), False),
        (ValueError("x"), False),
        (KeyError("x"), False),
    ],
)
def test_what_waits_and_what_fails(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_handlers_of_one_pattern_run_in_turn_with_what_each_wants() -> None:
    ran: list[tuple[str, list[int]]] = []

    def handler(name: str, wanted: tuple[int, ...] | None) -> Handler:
        wants = None if wanted is None else lambda event: event in wanted
        return on("case.*", lambda _work, events: ran.append((name, list(events))), wants=wants)

    (both,) = together([handler("first", None)], [handler("second", (2, 3))])
    assert both.wants is None
    both.run(None, [1, 2])  # type: ignore[arg-type,list-item]
    assert ran == [("first", [1, 2]), ("second", [2])]
    one, other = together([handler("x", (1,)), on("report.*", both.run)], [handler("y", (2,))])
    assert other.pattern == "report.*"
    assert one.wants is not None
    assert [one.wants(e) for e in (1, 2, 3)] == [True, True, False]  # type: ignore[arg-type]


# -- services -----------------------------------------------------------------------------------------


def test_a_service_cannot_replace_an_entrypoint_of_the_chassis_by_accident() -> None:
    with pytest.raises(TypeError, match="sweep of Careless would replace"):
        type("Careless", (Service,), {"name": "x", "sweep": lambda _self: None})


def test_two_mixins_cannot_replace_each_others_entrypoints() -> None:
    class One:
        @http("GET", "/one")
        def show(self, _call: Any) -> Any:
            """One."""

    class Two:
        @http("GET", "/two")
        def show(self, _call: Any) -> Any:
            """Two."""

    class Three:
        @http("GET", "/healthz")
        def healthz(self, _call: Any) -> Any:
            """Hidden behind the chassis' own."""

    with pytest.raises(TypeError, match="show of One would replace the entrypoint of Two"):
        type("Both", (Service, One, Two), {"name": "both"})
    with pytest.raises(TypeError, match="healthz of Service would replace the entrypoint of Three"):
        type("Hiding", (Service, Three), {"name": "hiding"})
    assert type("Well", (Service, One), {"name": "well"}).show is One.show


def _revision(folder: Path, number: str, after: str | None) -> None:
    down = f'"{after}"' if after else "None"
    (folder / "versions" / f"{number}_word.py").write_text(
        f'"""Why."""\n\nrevision = "{number}"\ndown_revision = {down}\n', encoding="utf-8"
    )


def test_the_newest_migration_is_the_one_that_no_other_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "versions").mkdir()
    monkeypatch.setattr(migrations, "folder", lambda _service: tmp_path)
    head = migrations.head.__wrapped__
    with pytest.raises(StartError, match="no migrations"):
        head("any")
    for number, after in (("0001", None), ("0003", "0001"), ("0002", "0003")):
        _revision(tmp_path, number, after)
    assert head("any") == "0002"
    _revision(tmp_path, "0004", "0003")
    with pytest.raises(StartError, match="end in 0002 and 0004"):
        head("any")


# -- HTTP ------------------------------------------------------------------------------------------


class _Body(Schema):
    class Meta:
        unknown = RAISE

    note = fields.String(required=True, validate=validate.Length(max=5))
    count = fields.Integer(strict=True, validate=validate.Range(min=1, max=3))


def _call(body: bytes = b"{}", **headers: str) -> web.Call:
    environ = EnvironBuilder(method="POST", data=body, headers=headers).get_environ()
    return web.Call(environ)


def _dispatch(call: web.Call, run: Any, roles: tuple[str, ...] = ()) -> Any:
    settings = Settings(service="intake", amqp_uri="", database_url="", token_secret=SECRET)
    return web.dispatch({}, call, run, settings, roles, "/x", "intake")


def test_a_wrong_body_names_each_field_what_is_wrong_and_what_is_allowed() -> None:
    call = _call(b'{"note": "too long a note", "count": 9, "extra": 1}')
    response = _dispatch(call, lambda c: c.json_body(_Body))
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    errors = {e["field"]: e for e in json.loads(response.data)["errors"]}
    assert set(errors) == {"note", "count", "extra"}
    assert "0 to 5 characters" in errors["note"]["allowed"]
    assert "1 to 3" in errors["count"]["allowed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b'{"note": "\\u0000"}', 400),
        (b"x" * (web.MAX_BODY + 1), 413),
    ],
)
def test_a_body_that_is_no_use(body: bytes, status: int) -> None:
    assert _dispatch(_call(body), lambda c: c.json_body(_Body)).status_code == status


def test_roles_are_asked_for() -> None:
    run = lambda c: {"who": c.who.subject}  # noqa: E731
    assert _dispatch(_call(), run, ("desk",)).status_code == 401
    clerk = tokens.issue(SECRET, "x", ("unit_clerk",))
    assert _dispatch(_call(Authorization=f"Bearer {clerk}"), run, ("desk",)).status_code == 403
    desk = tokens.issue(SECRET, "d1", ("desk",))
    response = _dispatch(_call(Authorization=f"bearer {desk}"), run, ("desk",))
    assert (response.status_code, json.loads(response.data)) == (200, {"who": "d1"})


def _raise(error: Exception) -> Any:
    def run(_call: web.Call) -> Any:
        raise error

    return run


def test_failures_tell_the_caller_what_to_do_and_nothing_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    away = _dispatch(_call(), _raise(Transient("database 10.0.0.1 away")))
    assert (away.status_code, away.headers["Retry-After"]) == (503, "2")
    assert b"10.0.0.1" not in away.data
    broken = _dispatch(_call(), _raise(KeyError("secret detail")))
    assert broken.status_code == 500
    assert b"secret detail" not in broken.data
    assert "secret detail" in caplog.text
    said = _dispatch(
        _call(), _raise(Problem(409, "Taken", "by another", [FieldProblem("a", "b", "c")], state="x"))
    )
    assert json.loads(said.data) == {
        "type": "about:blank",
        "title": "Taken",
        "status": 409,
        "detail": "by another",
        "errors": [{"field": "a", "problem": "b", "allowed": "c"}],
        "state": "x",
    }


def test_the_trace_of_a_request_comes_back() -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = _dispatch(_call(traceparent=given), lambda c: {"t": c.traceparent})
    assert response.headers["traceparent"][:36] == given[:36]
    assert json.loads(response.data)["t"] == response.headers["traceparent"]
