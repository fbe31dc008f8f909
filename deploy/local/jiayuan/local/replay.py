"""Messages in: what is replayed, where it is said to be, how and when it is sent, and what was acknowledged.

Messages of another city have no place in Xiapu. Each is given one of its grids by a hash; its text stays as it
is. Where a message names no channel or person, these are drawn in the same way, and every such phone number is one
that no line has.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.publisher import Draft, Outcome, Publisher, PublishError

from .calls import Client, Unanswered, said
from .draws import chance, pick

Way = Literal["http", "bus", "file"]

PARTNER: Final = "hotline-12345"
BUNDLED: Final = Path(__file__).parent / "data" / "demo_reports.jsonl"
# How messages without a channel of their own come in: (way, channel) → share.
WAYS: Final[Mapping[tuple[Way, str], float]] = {
    ("http", "mini_program"): 0.44,
    ("http", "hotline"): 0.08,
    ("http", "grid_worker"): 0.06,
    ("http", "liaison"): 0.03,
    ("http", "rider"): 0.03,
    ("http", "suggestion_box"): 0.03,
    ("http", "contact_point"): 0.03,
    ("http", "meeting"): 0.02,
    ("http", "cadre"): 0.02,
    ("bus", "hotline"): 0.14,
    ("file", "file_import"): 0.12,
}
# The channel that everybody may name.
OPEN: Final = "mini_program"
# Channels that HTTP doesn't take, or that a demonstration report may also come by.
BY_BUS: Final = ("government_system",)
BY_FILE: Final = ("file_import",)
ANONYMOUS: Final = 0.12
RESENT: Final = 0.05
# How exactly a place is known: by building or compound grid, by community, by street, not at all.
KNOWN: Final = {"grid": 0.72, "community": 0.16, "street": 0.08, "": 0.04}
SENDERS: Final = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send. `document` is the body of `POST /reports`; `at`: seconds after the start of the replay;
    `key`: its Idempotency-Key or external id; `again`: it is sent twice."""

    key: str
    way: Way
    document: dict[str, Any]
    at: float
    again: bool = False

    @property
    def channel(self) -> str:
        """The channel that it is sent under."""
        return str(self.document.get("channel") or ("file_import" if self.way == "file" else "mini_program"))


class DataError(ValueError):
    """The data to replay can't be used; says why in one sentence."""


def load(path: Path, most: int) -> list[dict[str, Any]]:
    """At most `most` messages of a JSONL file, evenly from its whole length, in its order.

    A line is an object with `text` or `detail`, and perhaps `title`, `channel`, `kind`, `user`, `name`, `phone`,
    `place_text`, `place_code`. DataError when there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(row, dict) or not str(row.get("text") or row.get("detail") or "").strip():
            raise DataError(f"{path}, line {number} has neither text nor detail")
        found.append(row)
    if not found:
        raise DataError(f"{path} holds no message")
    if len(found) <= most:
        return found
    return [found[i * len(found) // most] for i in range(most)]


def plan(
    rows: Sequence[Mapping[str, Any]], directory: Mapping[str, Any], seconds: float, seed: int
) -> list[Message]:
    """The messages to send over `seconds`, in the order of their times. `directory` is the document that routing
    imports: its grids are the places that are given away."""
    places = _Places(directory)
    out = []
    for i, row in enumerate(rows):
        name = str(row.get("id") or i)
        dice = chance(seed, "message", i, name)
        way, document = _document(row, places, dice, seed)
        at = (i + dice.random()) / len(rows) * seconds
        out.append(Message(f"demo-{name}-{i}", way, document, at, way != "file" and dice.random() < RESENT))
    return sorted(out, key=lambda m: m.at)


class _Places:
    def __init__(self, directory: Mapping[str, Any]) -> None:
        self.grids = [g["code"] for g in directory["grids"]]
        self.communities = [c["code"] for s in directory["streets"] for c in s["communities"]]
        self.streets = [s["code"] for s in directory["streets"]]

    def draw(self, dice: Any) -> str:
        known = pick(dice, KNOWN)
        codes = {"grid": self.grids, "community": self.communities, "street": self.streets}.get(known)
        return dice.choice(codes) if codes else ""


def _document(row: Mapping[str, Any], places: _Places, dice: Any, seed: int) -> tuple[Way, dict[str, Any]]:
    out: dict[str, Any] = {"text": str(row.get("text") or row["detail"]).strip()[:8000]}
    title = str(row.get("title") or "").strip()
    if title:
        out["title"] = title[:200]
    if row.get("kind"):
        out["kind"] = row["kind"]
    way, channel = _way(row.get("channel"), dice)
    if way != "file":
        out["channel"] = channel
    place = {k: row.get(f"place_{k}") for k in ("code", "text") if row.get(f"place_{k}")}
    if not place and "channel" not in row:  # one of our own reports says in its text where it is
        code = places.draw(dice)
        place = {"code": code} if code else {}
    if place:
        out["place"] = place
    contact = _contact(row, dice, seed)
    if contact:
        out["contact"] = contact
    return way, out


def _way(channel: str | None, dice: Any) -> tuple[Way, str]:
    if channel is None:
        return pick(dice, WAYS)
    if channel in BY_BUS:
        return "bus", channel
    if channel in BY_FILE:
        return "file", channel
    if channel == "hotline":  # half of the calls reach us from the hotline's own system
        return ("bus", channel) if dice.random() < 0.5 else ("http", channel)
    # Some of everything else arrives as a file of a day that was offline.
    return ("file", "file_import") if dice.random() < 0.06 else ("http", channel)


def _contact(row: Mapping[str, Any], dice: Any, seed: int) -> dict[str, Any]:
    contact = {k: str(row[k]) for k in ("name", "phone", "openid") if row.get(k)}
    if contact or "channel" in row or dice.random() < ANONYMOUS:
        return contact
    who = str(row.get("user") or dice.random())
    number = chance(seed, "phone", who).randrange(10**8)
    return {"openid": f"demo-{who}"[:64], "phone": f"000{number:08d}"}


# -- sending -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sender was told: the report's id and, over HTTP, its tracking code."""

    report: str
    tracking_code: str = ""


@dataclass
class Account:
    """What was sent and what was acknowledged; written by several threads, one key each."""

    sent: Counter[str] = field(default_factory=Counter)
    """Messages by channel; a resend is no second message."""
    resent: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """By key: what HTTP and the partner's outcomes acknowledged."""
    imported: int = 0
    """Lines that the import of the file acknowledged."""
    faults: list[str] = field(default_factory=list)
    """What went otherwise than promised: a refusal, a resend that was answered with another report."""

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged, in all."""
        return len(self.receipts) + self.imported


class Importer(Protocol):
    """Imports a file with `jiayuan import`: how many lines went in, and what it said if any didn't."""

    def __call__(self, file: Path) -> tuple[int, str]: ...


class Replay:
    """Sends a plan's messages at their times: HTTP from a few threads, the bus and the file from one each."""

    def __init__(
        self,
        messages: Sequence[Message],
        intake: str,
        partner_uri: str,
        importer: Importer,
        folder: Path,
        sign: Callable[[str], str],
    ) -> None:
        # A citizen needs no token; who sends through another channel answers for it.
        self._tokens = {m.channel: "" if m.channel == OPEN else sign(m.channel) for m in messages}
        self.messages = list(messages)
        self.account = Account()
        self._client = Client(intake, SENDERS)
        self._uri, self._importer, self._folder = partner_uri, importer, folder
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._events: dict[str, str] = {}
        self._threads: list[threading.Thread] = []

    def start(self, on_receipt: Callable[[Receipt], None] = lambda _: None) -> None:
        """Begins; `on_receipt` hears of every report that was acknowledged over HTTP."""
        self._on_receipt = on_receipt
        began = time.monotonic()
        for way, run in (("http", self._by_http), ("bus", self._by_bus), ("file", self._by_file)):
            mine = [m for m in self.messages if m.way == way]
            thread = threading.Thread(target=self._guarded, args=(run, mine, began), name=f"replay-{way}")
            self._threads.append(thread)
            thread.start()

    @property
    def running(self) -> bool:
        """Whether there is something left to send or to be acknowledged."""
        return any(t.is_alive() for t in self._threads)

    def stop(self) -> None:
        """Stops sending and waits for the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _guarded(
        self, run: Callable[[list[Message], float], None], mine: list[Message], began: float
    ) -> None:
        try:
            if mine:
                run(mine, began)
        except Exception as error:  # noqa: BLE001  a thread's end must be seen, whatever ended it
            self._fault(f"{threading.current_thread().name}: {type(error).__name__}: {error}")

    def _fault(self, words: str) -> None:
        with self._lock:
            self.account.faults.append(words)

    def _due(self, message: Message, began: float) -> bool:
        """Waits for a message's time; False when it is not to be sent any more."""
        self._stop.wait(max(0.0, message.at - (time.monotonic() - began)))
        return not self._stop.is_set()

    def _count(self, message: Message) -> None:
        with self._lock:
            self.account.sent[message.channel] += 1

    # HTTP

    def _by_http(self, mine: list[Message], began: float) -> None:
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="replay-http") as pool:
            for message in mine:
                if not self._due(message, began):
                    return
                pool.submit(self._post, message)

    def _post(self, message: Message) -> None:
        self._count(message)
        try:
            first = self._once(message)
            if first is None:
                return
            with self._lock:
                self.account.receipts[message.key] = first
            self._on_receipt(first)
            if message.again:
                with self._lock:
                    self.account.resent += 1
                second = self._once(message)
                if second != first:
                    self._fault(f"{message.key} was sent twice and became {first} and {second}")
        except Unanswered as error:
            self._fault(f"{message.key}: {error}")

    def _once(self, message: Message) -> Receipt | None:
        status, answer = self._client.call(
            "POST",
            "/reports",
            message.document,
            token=self._tokens[message.channel],
            headers={"Idempotency-Key": message.key},
        )
        if status not in (200, 201):
            self._fault(f"{message.key}: intake answered {status}: {said(answer)}")
            return None
        return Receipt(answer["id"], answer["tracking_code"])

    # the bus

    def _by_bus(self, mine: list[Message], began: float) -> None:
        with Publisher(self._uri, partner=PARTNER) as publisher:
            reader = threading.Thread(target=self._outcomes, args=(publisher, mine), name="replay-outcomes")
            reader.start()
            for message in mine:
                if not self._due(message, began):
                    break
                self._count(message)
                self._send(publisher, message, again=False)
                if message.again:  # the same report under another event id, as after a restart of the sender
                    self._send(publisher, message, again=True)
            reader.join()

    def _send(self, publisher: Publisher, message: Message, *, again: bool) -> None:
        draft = Draft("report.submitted", {"external_id": message.key, **message.document}, new_id())
        assert draft.id is not None
        with self._lock:
            self._events[draft.id] = message.key
            self.account.resent += again
        try:
            publisher.send(draft.name, draft.data, id=draft.id)
        except PublishError as error:
            self._fault(f"{message.key}: {type(error).__name__}: {error}")

    def _outcomes(self, publisher: Publisher, mine: Iterable[Message]) -> None:
        wanted = sum(2 if m.again else 1 for m in mine)
        heard = 0
        while heard < wanted and not self._stop.is_set():
            # To the end, also when the last was heard: what is left in the middle comes again.
            heard += sum(self._heard(outcome) for outcome in publisher.outcomes(timeout=1.0))

    def _heard(self, outcome: Outcome) -> bool:
        with self._lock:
            key = self._events.get(outcome.message or "", "")
        if not key:
            return False
        if outcome.outcome == "rejected" or not outcome.result:
            self._fault(f"{key}: rejected: {'; '.join(f'{p.field}: {p.problem}' for p in outcome.problems)}")
            return True
        told = Receipt(outcome.result)
        with self._lock:
            known = self.account.receipts.setdefault(key, told)
        if known != told:
            self._fault(f"{key} was sent twice and became {known.report} and {told.report}")
        return True

    # the file

    def _by_file(self, mine: list[Message], began: float) -> None:
        if not self._due(mine[len(mine) // 3], began):
            return
        file = write_file(mine, self._folder / "file_import.jsonl")
        for message in mine:
            self._count(message)
        imported, words = self._importer(file)
        self.account.imported = imported
        if imported != len(mine):
            self._fault(f"{imported} of {len(mine)} lines of {file} were imported: {words}")


def write_file(messages: Iterable[Message], file: Path) -> Path:
    """Messages as the JSONL file that `jiayuan import` takes."""
    lines = []
    for message in messages:
        row = {"external_id": message.key, **message.document}
        lines.append(json.dumps(row, ensure_ascii=False))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
