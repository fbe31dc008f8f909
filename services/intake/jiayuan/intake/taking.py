"""Reports by HTTP, many in one transaction: what arrives at the same time goes in together.

Each has its own answer, its own idempotency key and its own refusal; a batch that fails is run again one by one, so
that one report at fault costs only itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson

from jiayuan.chassis.errors import Problem, is_transient
from jiayuan.contracts.check import FieldProblem

from . import store
from .handlers import Receipt, receive
from .report import Submission
from .together import Together

_MAX_KEY: Final = 200
Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sent:
    """One report, with the key under which it may be sent again (`key` is "" without one).

    `answer` makes the answer of its receipt, or raises the Problem that refuses it.
    """

    submission: Submission
    scope: str
    key: str
    digest: str
    answer: Callable[[Receipt], dict[str, Any]]


_gathering: WeakKeyDictionary[Any, Together[Sent, Answer]] = WeakKeyDictionary()


def take(
    delivery: Any,
    call: Any,
    scope: str,
    document: dict[str, Any],
    submission: Submission,
    answer: Callable[[Receipt], dict[str, Any]],
) -> Answer:
    """Takes one report in: 201; with an `Idempotency-Key` that was used before, the first answer again: 200."""
    sent = Sent(submission, scope, key_of(call), digest_of(document), answer)
    together = _gathering.get(delivery)
    if together is None:
        together = _gathering.setdefault(delivery, Together(lambda batch: take_all(delivery, batch)))
    return together.do(sent)


def key_of(call: Any) -> str:
    """The caller's Idempotency-Key, "" without one; Problem 400 when it is malformed."""
    key = str(call.headers.get("Idempotency-Key", "")).strip()
    if len(key) > _MAX_KEY or not key.isprintable():
        problem = FieldProblem(
            "Idempotency-Key", "is too long or not printable", f"1 to {_MAX_KEY} characters"
        )
        raise Problem(400, "Malformed Idempotency-Key", problems=[problem])
    return key


def digest_of(document: dict[str, Any]) -> str:
    """What tells one body from another, however its fields are ordered."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def used_otherwise() -> Problem:
    """The refusal of a key that was used for another body."""
    return Problem(
        409,
        "This Idempotency-Key was used for something else",
        "the same key came with another body; take a new key for a new request",
    )


def take_all(delivery: Any, batch: Sequence[Sent]) -> list[Answer | Exception]:
    """An answer or an exception for each."""
    firsts: dict[tuple[str, str], int] = {}
    later = []
    for index, sent in enumerate(batch):
        if sent.key and firsts.setdefault((sent.scope, sent.key), index) != index:
            later.append(index)  # the same key twice in a batch: the second is looked at when the first is in
    copies = set(later)
    alone = [index for index in range(len(batch)) if index not in copies]
    out: dict[int, Answer | Exception] = {}
    try:
        out |= zip(alone, _in_one_transaction(delivery, [batch[i] for i in alone]), strict=True)
    except Exception as error:
        if is_transient(error) or len(alone) == 1:
            if len(batch) == 1:
                raise
            return [error] * len(batch)
        later = [*alone, *later]
    for index in later:
        try:
            (out[index],) = _in_one_transaction(delivery, [batch[index]])
        except Exception as error:  # noqa: BLE001  each caller gets his own
            out[index] = error
    return [out[index] for index in range(len(batch))]


def _in_one_transaction(delivery: Any, batch: Sequence[Sent]) -> list[Answer | Exception]:
    out: dict[int, Answer | Exception] = {}
    with delivery.work() as work:
        keyed = [(s.scope, s.key, s.digest) for s in batch if s.key]
        before = store.claim_keys(work, keyed) if keyed else {}
        new = []
        for index, sent in enumerate(batch):
            first = before.get((sent.scope, sent.key))
            if first is None:
                new.append(index)
            else:
                out[index] = (200, first.answer) if first.digest == sent.digest else used_otherwise()
        answers, unused = [], []
        receipts = receive(work, [batch[i].submission for i in new]) if new else []
        for index, receipt in zip(new, receipts, strict=True):
            sent = batch[index]
            try:
                document = sent.answer(receipt)
            except Problem as refusal:
                out[index] = refusal
                if sent.key:
                    unused.append((sent.scope, sent.key))
            else:
                out[index] = (201, document)
                if sent.key:
                    answers.append((sent.scope, sent.key, document))
        store.keep_answers(work, answers)
        store.unclaim_keys(work, unused)
    return [out[index] for index in range(len(batch))]
