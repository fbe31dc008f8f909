"""The providers of an installation, from a YAML file: which, where, with which keys, weights and templates.

See docs/notify/providers.md. Secrets stand in files or in the environment, never in this file; what is wrong is told
all at once, each with its entry, its field and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from jiayuan.chassis.seal import Sealer
from jiayuan.chassis.work import Work
from jiayuan.notify.limits import SCOPES, Limit

from . import aliyun, signing, tencent, wechat
from .aliyun import Aliyun
from .base import Channel, Provider
from .configured import Approved
from .http import HttpProvider
from .pretend import Pretend
from .sink import Sink
from .tencent import Tencent
from .tokens import DatabaseShelf
from .webhook import Webhook
from .wechat import Wechat

CHANNELS: Final[Mapping[str, Channel]] = {
    "aliyun": "sms",
    "tencent": "sms",
    "wechat": "mini_program",
    "webhook": "webhook",
    "http": "sms",
    "sink": "sms",
    "test": "sms",
}
LISTING: Final = frozenset({"aliyun", "tencent"})
"""Kinds that have a list of their own of what they sent (`Lists`)."""
_ALL: Final = frozenset({"name", "kind", "channel", "weight", "price", "limits", "test"})
_CALLS: Final = frozenset({"address", "concurrency", "connect_timeout", "read_timeout", "templates"})
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "aliyun": _ALL | _CALLS | {"key_id", "secret", "sign", "settle_seconds", "receipts"},
    "tencent": _ALL
    | _CALLS
    | {"secret_id", "secret_key", "app_id", "sign", "region", "settle_seconds", "receipts", "pull"},
    "wechat": _ALL | _CALLS | {"appid", "secret", "push_token", "push_key", "state", "receipts"},
    "webhook": _ALL | _CALLS | {"secrets", "with_address"},
    "http": _ALL | (_CALLS - {"templates"}) | {"secret"},
    "sink": _ALL | {"batch"},
    "test": _ALL | {"templates", "concurrency"},
}
"""What an entry of each kind may say."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SECRET_PATH: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")


class BadConfiguration(ValueError):
    """The file is wrong; a line for each thing that is. Holds no secret."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One provider as it is configured. `secrets` are opened; nothing of them is shown."""

    name: str
    kind: str
    channel: Channel
    weight: int = 100
    price: Decimal | None = None
    limits: tuple[Limit, ...] = ()
    test: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    templates: Mapping[str, Approved] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(repr=False, default_factory=dict)
    webhook_secrets: tuple[str, ...] = field(repr=False, default=())

    @property
    def local(self) -> bool:
        """Whether its calls leave neither the process nor our database."""
        return self.kind == "sink" and not self.test

    @property
    def askable(self) -> bool:
        """Whether it can be asked what became of a request."""
        return self.kind != "wechat" or self.test

    @property
    def tells(self) -> bool:
        """Whether it tells of deliveries as they happen, so that it can be called slow: by callbacks or by pulling."""
        pulls = self.test or self.kind == "test" or self.values.get("pulls", False)
        return bool(pulls or self.secrets.get("receipts"))


@dataclass(frozen=True, slots=True)
class Outline:
    """What can be said of a provider without its secrets."""

    name: str
    kind: str
    channel: str
    test: bool = False

    @property
    def sends(self) -> bool:
        """Whether anything leaves by it."""
        return not self.test and self.kind not in ("sink", "test")

    @property
    def lists(self) -> bool:
        """Whether it has a list of its own of what it sent."""
        return self.kind in LISTING and not self.test


def outlines(path: Path) -> list[Outline]:
    """The providers of a file, whose secrets needn't be at hand. BadConfiguration when it can't be read."""
    listed = _document(path)
    found = listed.get("providers") if isinstance(listed, Mapping) else None
    if not isinstance(found, list) or not all(
        isinstance(e, Mapping) and e.get("kind") in FIELDS for e in found
    ):
        raise BadConfiguration(f"{path}: must have `providers`, a list, each of a kind: {', '.join(FIELDS)}")
    return [
        Outline(
            str(e.get("name", e["kind"])),
            e["kind"],
            str(e.get("channel", CHANNELS[e["kind"]])),
            e.get("test") is True,
        )
        for e in found
    ]


def load(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """The providers of a file. BadConfiguration when it can't be read or anything in it is wrong."""
    return read(_document(path), os.environ if environ is None else environ)


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path}: can't be read ({type(error).__name__})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise BadConfiguration(f"{path}: is not YAML{where}") from None


def read(document: Any, environ: Mapping[str, str]) -> tuple[Entry, ...]:
    """The providers of a parsed file: `{providers: [{name, kind, …}]}`."""
    listed = document.get("providers") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or not listed or set(document) != {"providers"}:
        raise BadConfiguration("the file must be a mapping with `providers`, a list of at least one")
    wrong: list[str] = []
    entries = [_Reader(item, index, environ, wrong).entry() for index, item in enumerate(listed)]
    names = [entry.name for entry in entries if entry is not None]
    for name in sorted({n for n in names if names.count(n) > 1}):
        wrong.append(f"providers: the name {name} is there twice, each must have its own")
    if wrong:
        raise BadConfiguration("; ".join(wrong))
    return tuple(entry for entry in entries if entry is not None)


def build(entry: Entry, sealer: Sealer, transaction: Callable[[], AbstractContextManager[Work]]) -> Provider:
    """The provider of an entry. `transaction` opens one of the service's database."""
    name, values, secrets = entry.name, dict(entry.values), entry.secrets
    if entry.test or entry.kind == "test":
        return Pretend(
            name=name,
            channel=entry.channel,
            templates=entry.templates,
            concurrency=values.get("concurrency", 8),
        )
    if entry.kind == "sink":
        return Sink(transaction, values.get("batch", 200), name=name, channel=entry.channel)
    made: Provider
    match entry.kind:
        case "aliyun":
            made = Aliyun(
                secrets["key_id"],
                secrets["secret"],
                values.pop("sign"),
                name=name,
                templates=entry.templates,
                **values,
            )
        case "tencent":
            made = Tencent(
                secrets["secret_id"],
                secrets["secret_key"],
                values.pop("app_id"),
                values.pop("sign"),
                name=name,
                templates=entry.templates,
                **values,
            )
        case "wechat":
            appid = values.pop("appid")
            made = Wechat(
                appid,
                secrets["secret"],
                DatabaseShelf(appid, sealer, transaction),
                name=name,
                templates=entry.templates,
                push_token=secrets.get("push_token", ""),
                push_key=secrets.get("push_key", ""),
                **values,
            )
        case "webhook":
            made = Webhook(
                values.pop("address"),
                entry.webhook_secrets,
                name=name,
                channel=entry.channel,
                templates=entry.templates,
                **values,
            )
        case _:
            made = HttpProvider(values.pop("address"), secrets.get("secret", ""), name=name, **values)
    return made


class _Reader:
    """One entry; everything that is wrong with it is added to `wrong`."""

    def __init__(self, item: Any, index: int, environ: Mapping[str, str], wrong: list[str]) -> None:
        self._item: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
        name = self._item.get("name")
        self._where = f"providers[{index}]" + (f" ({name})" if isinstance(name, str) else "")
        self._environ, self._wrong = environ, wrong
        if not isinstance(item, Mapping):
            self._say("", "is no mapping", "name, kind, …")

    def _say(self, name: str, problem: str, allowed: str) -> None:
        self._wrong.append(f"{self._where}{f'.{name}' if name else ''}: {problem}, allowed: {allowed}")

    def entry(self) -> Entry | None:
        """The entry, or None when it is too wrong to be read any further."""
        kind = self._item.get("kind")
        if not isinstance(kind, str) or kind not in FIELDS:
            self._say("kind", f"is {kind!r}", ", ".join(FIELDS))
            return None
        for extra in sorted(set(map(str, self._item)) - FIELDS[kind]):
            self._say(extra, "is not known", ", ".join(sorted(FIELDS[kind])))
        name = self._item.get("name", kind)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._say("name", f"is {name!r}", "a-z, 0-9, _ and -, at most 32, a letter first")
            name = kind
        channel = CHANNELS[kind]
        if "channel" in self._item:
            free = kind in ("sink", "test", "webhook")
            channels = sorted(set(CHANNELS.values())) if free else [channel]
            channel = self._choice("channel", channels, channel)
        values, secrets, webhook_secrets = self._of_kind(kind)
        return Entry(
            name,
            kind,
            channel,
            weight=self._whole("weight", 100, 1, 1000),
            price=self._price(),
            limits=tuple(self._limits()),
            test=self._flag("test", False),
            values=values,
            templates=self._templates(),
            secrets=secrets,
            webhook_secrets=webhook_secrets,
        )

    def _of_kind(self, kind: str) -> tuple[dict[str, Any], dict[str, str], tuple[str, ...]]:
        values: dict[str, Any] = {}
        secrets: dict[str, str] = {}
        more: tuple[str, ...] = ()
        if "connect_timeout" in FIELDS[kind]:
            values["timeout"] = self._number("read_timeout", 15.0 if kind == "webhook" else 5.0, 0.1, 60.0)
            values["connect"] = self._number("connect_timeout", 3.0, 0.1, 30.0)
        if "concurrency" in FIELDS[kind]:
            values["concurrency"] = self._whole("concurrency", 4 if kind == "webhook" else 8, 1, 64)
        match kind:
            case "aliyun":
                values["address"] = self._address(aliyun.ADDRESS)
                values["sign"] = self._text("sign")
                values["settle"] = self._number("settle_seconds", 15.0, 0.0, 3600.0)
                secrets |= self._secrets("key_id", "secret")
            case "tencent":
                values["address"] = self._address(tencent.ADDRESS)
                values["sign"], values["app_id"] = self._text("sign"), self._text("app_id")
                values["region"] = self._text("region", tencent.REGION)
                values["settle"] = self._number("settle_seconds", 60.0, 0.0, 3600.0)
                values["pulls"] = self._flag("pull", False)
                secrets |= self._secrets("secret_id", "secret_key")
            case "wechat":
                values["address"] = self._address(wechat.ADDRESS)
                values["appid"] = self._text("appid")
                values["state"] = self._choice("state", ["formal", "trial", "developer"], "formal")
                secrets |= self._secrets("secret") | self._secrets("push_token", "push_key", optional=True)
                if key := secrets.get("push_key"):
                    self._checked("push_key", wechat.aes_key, key)
            case "webhook":
                values["address"] = self._address("")
                values["with_address"] = self._flag("with_address", False)
                more = tuple(self._webhook_secrets())
            case "http":
                values["address"] = self._address("")
                secrets |= self._secrets("secret", optional=True)
            case "sink":
                values["batch"] = self._whole("batch", 200, 1, 1000)
        if "receipts" in FIELDS[kind]:
            secrets |= self._secrets("receipts", optional=True)
            path = secrets.get("receipts")
            if path is not None and not _SECRET_PATH.fullmatch(path):
                self._say("receipts", "is too short or has other characters", "16 to 128 of A-Z a-z 0-9 _ -")
        return values, secrets, more

    # -- fields ------------------------------------------------------------------------------------

    def _text(self, name: str, default: str | None = None) -> str:
        value = self._item.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # an id of digits, written without quotes
        if isinstance(value, str) and 1 <= len(value) <= 128:
            return value
        self._say(name, "is missing" if value is None else f"is {value!r}"[:80], "a text of 1 to 128")
        return ""

    def _number(self, name: str, default: float, least: float, most: float) -> float:
        value = self._item.get(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        self._say(name, f"is {value!r}"[:80], f"a number of {least:g} to {most:g}")
        return default

    def _whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self._item.get(name, default)
        if type(value) is int and least <= value <= most:
            return value
        self._say(name, f"is {value!r}"[:80], f"a whole number of {least} to {most}")
        return default

    def _flag(self, name: str, default: bool) -> bool:
        value = self._item.get(name, default)
        if isinstance(value, bool):
            return value
        self._say(name, f"is {value!r}"[:80], "true, false")
        return default

    def _choice(self, name: str, choices: Iterable[Any], default: Any) -> Any:
        value = self._item.get(name, default)
        if value in choices:
            return value
        self._say(name, f"is {value!r}"[:80], ", ".join(choices))
        return default

    def _address(self, default: str) -> str:
        value = self._item.get("address", default)
        parts = urlsplit(value) if isinstance(value, str) else None
        if (
            parts
            and parts.scheme in ("http", "https")
            and parts.netloc
            and parts.username is None
            and not (parts.query or parts.fragment)
        ):
            return str(value)
        self._say("address", "is missing or wrong", "http:// or https://, without user, query or fragment")
        return default

    def _price(self) -> Decimal | None:
        value = self._item.get("price")
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            return Decimal(str(value))
        self._say("price", f"is {value!r}"[:80], "yuan a segment, 0 to 100")
        return None

    def _limits(self) -> Iterable[Limit]:
        listed = self._item.get("limits", [])
        for index, item in enumerate(listed if isinstance(listed, list) else [None]):
            try:
                yield Limit(**item)
            except (TypeError, ValueError) as error:
                allowed = f"scope ({', '.join(SCOPES)}), count, seconds"
                said = str(error) if isinstance(error, ValueError) else "is no limit"
                self._say(f"limits[{index}]", said, allowed)

    def _templates(self) -> dict[str, Approved]:
        given = self._item.get("templates", {})
        made: dict[str, Approved] = {}
        if not isinstance(given, Mapping):
            self._say("templates", "is no mapping", "our code → the provider's id")
            return made
        for code, value in given.items():
            item = value if isinstance(value, Mapping) else {"id": value}
            id_, parameters = item.get("id"), item.get("parameters", {})
            if isinstance(parameters, list):
                parameters = {str(p): p for p in parameters}
            fine = (
                isinstance(id_, str | int)
                and isinstance(parameters, Mapping)
                and set(item) <= {"id", "parameters"}
            )
            if not fine or not all(isinstance(p, str) for p in parameters.values()):
                allowed = "an id, or {id, parameters: a list of ours, or theirs: ours}"
                self._say(f"templates.{code}", "is wrong", allowed)
                continue
            made[str(code)] = Approved(str(id_), {str(k): v for k, v in parameters.items()})
        return made

    # -- secrets -----------------------------------------------------------------------------------

    def _secrets(self, *names: str, optional: bool = False) -> dict[str, str]:
        found = {}
        for name in names:
            if name in self._item or not optional:
                found[name] = self._secret(name, self._item.get(name))
        return found

    def _webhook_secrets(self) -> Iterable[str]:
        listed = self._item.get("secrets")
        if not isinstance(listed, list) or not listed:
            self._say("secrets", "is missing or no list", "a list of {file: PATH} or {env: NAME}")
            return
        for index, item in enumerate(listed):
            name = f"secrets[{index}]"
            if secret := self._secret(name, item):
                self._checked(name, signing.webhook_key, secret)
                yield secret

    def _secret(self, name: str, where: Any) -> str:
        allowed = "{file: PATH} or {env: NAME}, so that no secret stands in this file"
        if not isinstance(where, Mapping) or len(where) != 1 or not set(where) <= {"file", "env"}:
            self._say(name, "is missing" if where is None else "must not stand here itself", allowed)
            return ""
        ((kind, place),) = where.items()
        value: str | None
        if kind == "env":
            value = self._environ.get(str(place))
        else:
            try:
                value = Path(str(place)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                value = None
        if not value:
            self._say(name, f"{kind} {place} is empty or can't be read", "a secret")
            return ""
        return value

    def _checked(self, name: str, check: Callable[[str], Any], value: str) -> None:
        try:
            check(value)
        except ValueError as error:
            self._say(name, "is none", str(error))
