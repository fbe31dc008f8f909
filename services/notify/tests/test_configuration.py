"""The configuration of providers: what it makes, and that it says all that is wrong and shows no secret."""

from __future__ import annotations

import base64
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.config import load as load_settings
from jiayuan.chassis.errors import EXIT_CONFIG, StartError
from jiayuan.chassis.seal import Sealer
from jiayuan.notify.limits import Limit
from jiayuan.notify.providers import configuration
from jiayuan.notify.providers.configuration import FIELDS, BadConfiguration, build, load, read
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.settings import NotifySettings

pytestmark = pytest.mark.unit

WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
ENV = {
    "ID": "the-id",
    "SECRET": "the-very-secret",
    "WHSEC": WHSEC,
    "PATH_SECRET": "p" * 24,
    "PUSH_TOKEN": "the-push-token",
    "PUSH_KEY": base64.b64encode(b"0123456789abcdef0123456789abcdef").decode().rstrip("="),
}
SEALER = Sealer("k1:" + base64.b64encode(b"0" * 32).decode())
ALIYUN: dict[str, Any] = {
    "kind": "aliyun",
    "key_id": {"env": "ID"},
    "secret": {"env": "SECRET"},
    "sign": "家园",
}


def no_transaction() -> Any:
    """Nothing here opens one."""
    raise AssertionError


def one(**given: Any) -> configuration.Entry:
    """The one provider of a file."""
    (entry,) = read({"providers": [given]}, ENV)
    return entry


def wrong(**given: Any) -> str:
    """What is said of a file."""
    with pytest.raises(BadConfiguration) as caught:
        one(**given)
    return str(caught.value)


def test_every_kind_can_be_built() -> None:
    tencent = {
        "secret_id": {"env": "ID"},
        "secret_key": {"env": "SECRET"},
        "app_id": 1400006666,
        "sign": "家园",
    }
    wechat = {"appid": "wx0", "secret": {"env": "SECRET"}, "push_token": {"env": "PUSH_TOKEN"}}
    listed = [
        ALIYUN,
        {"kind": "tencent", **tencent},
        {"kind": "wechat", **wechat, "push_key": {"env": "PUSH_KEY"}},
        {
            "kind": "webhook",
            "address": "https://example.cn/hook",
            "secrets": [{"env": "WHSEC"}],
            "channel": "sms",
        },
        {"kind": "http", "address": "http://127.0.0.1:1/m", "secret": {"env": "SECRET"}},
        {"kind": "sink"},
        {"kind": "test", "channel": "mini_program"},
        ALIYUN | {"name": "aliyun-test", "test": True},
    ]
    entries = read({"providers": listed}, ENV)
    assert {e.kind for e in entries} == set(FIELDS)
    built = [build(e, SEALER, no_transaction) for e in entries]
    assert [p.name for p in built] == [e.name for e in entries]
    assert [p.channel for p in built] == [e.channel for e in entries]
    assert type(built[-1]).__name__ == "Pretend"
    shown = repr(entries) + repr(built)
    for secret in ("the-very-secret", "the-push-token", WHSEC, ENV["PUSH_KEY"], ENV["PATH_SECRET"]):
        assert secret not in shown


def test_values_are_read() -> None:
    entry = one(
        **ALIYUN,
        name="aliyun-1",
        weight=60,
        price=0.045,
        limits=[{"scope": "number", "count": 1, "seconds": 60}],
        templates={"received": "SMS_1", "assigned@2+due": {"id": 2, "parameters": {"code": "number"}}},
        receipts={"env": "PATH_SECRET"},
        read_timeout=2,
    )
    assert (entry.name, entry.channel, entry.weight, entry.price) == ("aliyun-1", "sms", 60, Decimal("0.045"))
    assert entry.limits == (Limit("number", 1, 60),)
    assert entry.templates == {
        "received": Approved("SMS_1"),
        "assigned@2+due": Approved("2", {"code": "number"}),
    }
    assert entry.values["timeout"] == 2.0
    assert entry.secrets["receipts"] == "p" * 24
    assert (entry.local, entry.askable, entry.tells) == (False, True, True)


def test_only_a_provider_that_tells_of_deliveries_as_they_happen_can_be_called_slow() -> None:
    tencent = {"secret_id": {"env": "ID"}, "secret_key": {"env": "SECRET"}, "app_id": 1, "sign": "家园"}
    told = {"receipts": {"env": "PATH_SECRET"}}
    cases = [
        (ALIYUN, False),
        (ALIYUN | told, True),
        ({"kind": "tencent", **tencent}, False),
        ({"kind": "tencent", **tencent, **told}, True),
        ({"kind": "tencent", **tencent, "pull": True}, True),
        (ALIYUN | {"test": True}, True),
        ({"kind": "sink"}, False),
    ]
    assert [one(**given).tells for given, _ in cases] == [tells for _, tells in cases]


def test_secrets_may_be_files(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("from-a-file\n", encoding="utf-8")
    assert one(**ALIYUN | {"secret": {"file": str(tmp_path / "s")}}).secrets["secret"] == "from-a-file"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "pigeon"}, "providers[0].kind: is 'pigeon', allowed: aliyun, tencent, "),
        (ALIYUN | {"colour": 1}, "providers[0].colour: is not known, allowed: address, "),
        (ALIYUN | {"secret": "plain"}, "providers[0].secret: must not stand here itself"),
        (ALIYUN | {"secret": {"env": "NOWHERE"}}, "providers[0].secret: env NOWHERE is empty"),
        (ALIYUN | {"secret": {"file": "/nowhere/at/all"}}, "file /nowhere/at/all is empty or can't be read"),
        (ALIYUN | {"name": "Über"}, "providers[0] (Über).name: is 'Über'"),
        (ALIYUN | {"address": "ftp://x"}, "providers[0].address: is missing or wrong"),
        (ALIYUN | {"address": "https://u:p@x/"}, "without user"),
        (ALIYUN | {"weight": 0}, "providers[0].weight: is 0, allowed: a whole number of 1 to 1000"),
        (ALIYUN | {"concurrency": True}, "providers[0].concurrency: is True"),
        (ALIYUN | {"read_timeout": "5"}, "providers[0].read_timeout: is '5', allowed: a number of 0.1 to 60"),
        (ALIYUN | {"price": -1}, "providers[0].price: is -1"),
        (ALIYUN | {"channel": "webhook"}, "providers[0].channel: is 'webhook', allowed: sms"),
        (ALIYUN | {"limits": [{"scope": "moon", "count": 1, "seconds": 1}]}, "limits[0]: scope is 'moon'"),
        (ALIYUN | {"limits": "none"}, "limits[0]: is no limit"),
        (ALIYUN | {"templates": {"a": {"name": "x"}}}, "templates.a: is wrong"),
        (ALIYUN | {"templates": []}, "templates: is no mapping"),
        (ALIYUN | {"receipts": {"env": "ID"}}, "receipts: is too short"),
        (ALIYUN | {"sign": ""}, "providers[0].sign: is '', allowed: a text of 1 to 128"),
        (ALIYUN | {"test": "yes"}, "providers[0].test: is 'yes', allowed: true, false"),
        ({"kind": "webhook", "address": "https://x"}, "secrets: is missing"),
        ({"kind": "webhook", "address": "https://x", "secrets": [{"env": "ID"}]}, "secrets[0]: is none"),
        ({"kind": "http"}, "providers[0].address: is missing"),
        ({"kind": "wechat", "appid": "a", "secret": {"env": "ID"}, "state": "x"}, "allowed: formal, trial"),
        (
            {"kind": "wechat", "appid": "a", "secret": {"env": "ID"}, "push_key": {"env": "SECRET"}},
            "43 characters",
        ),
    ],
)
def test_what_is_wrong_is_said_with_entry_field_and_what_is_allowed(given: dict[str, Any], said: str) -> None:
    message = wrong(**given)
    assert said in message
    assert "the-very-secret" not in message


def test_everything_that_is_wrong_is_said_at_once() -> None:
    listed = [ALIYUN | {"weight": -1, "sign": None}, 7, {"kind": "sink"}, {"kind": "sink"}]
    with pytest.raises(BadConfiguration) as caught:
        read({"providers": listed}, ENV)
    said = str(caught.value)
    for part in ("providers[0].weight", "providers[0].sign", "providers[1]", "the name sink is there twice"):
        assert part in said


@pytest.mark.parametrize("document", [None, [], {}, {"providers": []}, {"providers": [ALIYUN], "more": 1}])
def test_a_file_without_providers_is_refused(document: Any) -> None:
    with pytest.raises(BadConfiguration, match="providers"):
        read(document, ENV)


@pytest.mark.parametrize("content", [None, b"providers: [", b"\xff\xfe\xff"])
def test_a_file_that_cant_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "providers.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfiguration, match=r"providers\.yaml"):
        load(path, ENV)


def test_a_wrong_file_stops_the_service_at_its_start(tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text("providers: [{kind: pigeon}]", encoding="utf-8")
    environ = {
        "JIAYUAN_AMQP_URI": "amqp://nowhere/",
        "JIAYUAN_DATABASE_URL": "postgresql://nowhere/",
        "JIAYUAN_NOTIFY_PROVIDERS": str(path),
    }
    with pytest.raises(StartError, match=r"providers\[0\]\.kind: is 'pigeon'") as caught:
        load_settings(NotifySettings, "notify", environ)
    assert caught.value.code == EXIT_CONFIG
    path.write_text("providers: [{kind: sink}]", encoding="utf-8")
    assert load_settings(NotifySettings, "notify", environ).providers == str(path)
