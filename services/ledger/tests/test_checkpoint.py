"""Signing keys and what they sign, read back by the stand-alone verifier."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime

import pytest

from jiayuan.ledger.checkpoint import Signer, checkpoint, origin_of
from jiayuan.ledger.verify import Invalid, check_checkpoint

pytestmark = pytest.mark.unit

NOW = datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_what_is_signed_is_verified_by_the_public_key_alone() -> None:
    signer = Signer.new("jiayuan.example/ledger")
    note = signer.sign(checkpoint(signer.name, 5, b"r" * 32, "sm3", 12, NOW))
    found = check_checkpoint(note, [signer.key], "jiayuan.example/ledger")
    assert (found.size, found.root, found.hash_id) == (5, b"r" * 32, "sm3")
    assert found.extensions == ("hash sm3", "number 12", "time 2026-12-31T16:00:00.000000Z")
    with pytest.raises(Invalid):
        check_checkpoint(note, [Signer.new("jiayuan.example/ledger").key])


def test_a_key_is_read_as_it_was_written_and_tells_nothing_by_accident() -> None:
    signer = Signer.new("jiayuan.example/ledger")
    assert Signer.parse(signer.text() + "\n") == signer
    assert Signer.parse(f"{signer.name}:{base64.b64encode(signer.seed).decode()}") == signer
    assert base64.b64encode(signer.seed).decode() not in repr(signer)
    assert repr(signer.seed) not in repr(signer)


def test_go_reads_the_same_key() -> None:
    """The example of golang.org/x/mod/sumdb/note: its private key leads to its public one."""
    signer = Signer.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    assert str(signer.key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "PRIVATE+KEY+",
        "PRIVATE+KEY+PeterNeumann+c74f20a4+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AoEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEK",
        "name:AYEK",
        f"a name:{base64.b64encode(b'x' * 32).decode()}",
        f":{base64.b64encode(b'x' * 32).decode()}",
        "name:not base64",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        Signer.parse(text)
    assert "AYEK" not in str(raised.value)


def test_each_tree_has_an_origin_of_its_own() -> None:
    assert [origin_of("a/b", n) for n in (1, 2)] == ["a/b", "a/b/2"]


def test_a_mark_is_of_one_leaf_at_one_place_by_one_key() -> None:
    macs, other = Signer.new("a").macs(), Signer.new("a").macs()
    one, two = uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes
    marks = {
        m.mark(tree, index, id_, number, hash_)
        for m in (macs, other)
        for tree in (1, 2)
        for index in (0, 1)
        for id_ in (one, two)
        for number in (1, 2)
        for hash_ in (b"a" * 32, b"b" * 32)
    }
    assert len(marks) == 64
    assert {len(m) for m in marks} == {16}
