"""Merkle trees, notes and canonical JSON: published vectors, and every way in which a proof can be wrong."""

from __future__ import annotations

import ast
import base64
import json
import math
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.ledger import verify
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.verify import (
    Checkpoint,
    Invalid,
    Key,
    Note,
    canonical,
    check_checkpoint,
    check_consistency,
    check_inclusion,
    check_note,
    digest,
    empty_root,
    leaf_hash,
    node_hash,
    root_of,
)

pytestmark = pytest.mark.unit

# -- canonical JSON ------------------------------------------------------------------------------------

# RFC 8785, appendix B: IEEE 754 bits and how they are written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_numbers_of_rfc_8785(bits: str, written: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value).decode() == written


def test_the_example_of_rfc_8785() -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    assert canonical(value) == (
        rb'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        rb'"string":"' + "€".encode() + rb"$\u000f\nA" + rb"'" + rb'B\"\\\\\"/"}'
    )


def test_members_are_sorted_by_utf_16_code_units() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    found = json.loads(canonical(dict.fromkeys(names, 0)), object_pairs_hook=list)
    assert [n for n, _ in found] == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 2**53 + 1, -(2**53) - 1, 10**400, "\ud800", {1: 2}, {"a": b"x"}, [object()]]
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        canonical(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None)
def test_canonical_json_reads_back_and_is_its_own_canonical_form(value: Any) -> None:
    written = canonical(value)
    again = json.loads(written)
    assert canonical(again) == written
    as_doubles = json.loads(written, parse_int=float)
    assert as_doubles == json.loads(json.dumps(value), parse_int=float)


# -- trees ---------------------------------------------------------------------------------------------

# The eight leaves and roots that Certificate Transparency's implementations share.
LEAVES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_certificate_transparency(size: int) -> None:
    expected = bytes.fromhex(ROOTS[size - 1]) if size else digest(b"")
    assert root_of(leaf_hash(x) for x in LEAVES[:size]) == expected


def test_sm3_is_that_of_the_standard() -> None:
    # GB/T 32905-2016, appendix A.1 and A.2
    assert digest(b"abc", "sm3").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert (
        digest(b"abcd" * 16, "sm3").hex()
        == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    )
    with pytest.raises(Invalid):
        digest(b"", "md5")


# The definitions of RFC 9162 as they stand there, to make proofs with: slow and plain.


def _root(d: list[bytes], h: str) -> bytes:
    if len(d) < 2:
        return d[0] if d else empty_root(h)
    k = _split(len(d))
    return node_hash(_root(d[:k], h), _root(d[k:], h), h)


def _split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def _path(m: int, d: list[bytes], h: str) -> list[bytes]:
    if len(d) == 1:
        return []
    k = _split(len(d))
    if m < k:
        return [*_path(m, d[:k], h), _root(d[k:], h)]
    return [*_path(m - k, d[k:], h), _root(d[:k], h)]


def _proof(m: int, d: list[bytes], h: str, whole: bool = True) -> list[bytes]:
    if m == len(d):
        return [] if whole else [_root(d, h)]
    k = _split(len(d))
    if m <= k:
        return [*_proof(m, d[:k], h, whole), _root(d[k:], h)]
    return [*_proof(m - k, d[k:], h, False), _root(d[:k], h)]


@pytest.mark.parametrize("hash_id", ["sha256", "sm3"])
@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65])
def test_every_inclusion_proof_holds_and_no_other_does(size: int, hash_id: str) -> None:
    leaves = [leaf_hash(bytes((n,)), hash_id) for n in range(size)]
    root = _root(leaves, hash_id)
    assert root_of(leaves, hash_id) == root
    dice = random.Random(size)
    for index in range(size):
        proof = _path(index, leaves, hash_id)
        check_inclusion(leaves[index], index, size, proof, root, hash_id)
        wrong = [
            (leaves[index], index + 1, size, proof, root),
            (leaves[index], index - 1, size, proof, root),
            (leaves[index], index, size, [*proof, root], root),
            (leaves[index], index, size, proof, bytes(32)),
            (bytes(32), index, size, proof, root),
            (leaves[index], index, size, [*proof, proof[-1]] if proof else [root], root),
        ]
        if proof:
            wrong.append((leaves[index], index, size, proof[:-1], root))
            at = dice.randrange(len(proof))
            flipped = bytearray(proof[at])
            flipped[dice.randrange(32)] ^= 1 << dice.randrange(8)
            wrong.append((leaves[index], index, size, [*proof[:at], bytes(flipped), *proof[at + 1 :]], root))
            wrong.append((leaves[index], index, size, [*proof[:-1], proof[-1][:31]], root))
        for arguments in wrong:
            with pytest.raises(Invalid):
                check_inclusion(*arguments, hash_id)


@pytest.mark.parametrize("new", range(1, 26))
def test_every_consistency_proof_holds_and_no_other_does(new: int) -> None:
    leaves = [leaf_hash(bytes((n,))) for n in range(new)]
    new_root = _root(leaves, "sha256")
    dice = random.Random(new)
    check_consistency(0, empty_root(), new, new_root, [])
    for old in range(1, new + 1):
        old_root, proof = _root(leaves[:old], "sha256"), _proof(old, leaves, "sha256")
        check_consistency(old, old_root, new, new_root, proof)
        wrong = [
            (old, bytes(32), new, new_root, proof),
            (old, old_root, new, bytes(32), proof),
            (old, old_root, new, new_root, [*proof, new_root]),
            (new + 1, old_root, new, new_root, proof),
            (old, old_root, new, new_root[:31], proof),
        ]
        if proof:
            wrong.append((old, old_root, new, new_root, proof[:-1]))
            wrong.append((old, old_root, new, new_root, proof[1:]))
            at = dice.randrange(len(proof))
            flipped = bytearray(proof[at])
            flipped[dice.randrange(32)] ^= 1 << dice.randrange(8)
            wrong.append((old, old_root, new, new_root, [*proof[:at], bytes(flipped), *proof[at + 1 :]]))
        for arguments in wrong:
            with pytest.raises(Invalid):
                check_consistency(*arguments)


@given(
    st.integers(1, 2**62), st.integers(0, 2**62), st.lists(st.binary(min_size=32, max_size=32), max_size=70)
)
def test_arbitrary_proofs_end_and_are_refused(size: int, index: int, proof: list[bytes]) -> None:
    with pytest.raises(Invalid):
        check_inclusion(b"\1" * 32, index, size, proof, b"\2" * 32)
    with pytest.raises(Invalid):
        check_consistency(min(index, size) + 1, b"\1" * 32, size, b"\2" * 32, proof)


# -- notes and checkpoints -----------------------------------------------------------------------------

# The example of golang.org/x/mod/sumdb/note, on which C2SP's signed-note is built.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    "\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_gos_note() -> None:
    key = Key.parse(PETER)
    assert str(key) == PETER
    note = check_note(PETERS_NOTE, [key])
    assert note.text.endswith("your problem is.\n")
    assert [s.name for s in note.signatures] == ["PeterNeumann"]


def _signed(text: str, private: Ed25519PrivateKey, name: str) -> tuple[str, Key]:
    key = Key(name, private.public_key().public_bytes_raw())
    raw = base64.b64encode(key.hash + private.sign(text.encode())).decode()
    return f"\u2014 {name} {raw}\n", key


MINE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "jiayuan.example/ledger/350921"


def _checkpoint(hash_id: str = "sha256") -> tuple[str, Key, Checkpoint]:
    extensions = () if hash_id == "sha256" else (f"hash {hash_id}",)
    checkpoint = Checkpoint(ORIGIN, 8, bytes.fromhex(ROOTS[7]), extensions)
    line, key = _signed(checkpoint.text(), MINE, ORIGIN)
    return f"{checkpoint.text()}\n{line}", key, checkpoint


@pytest.mark.parametrize("hash_id", ["sha256", "sm3"])
def test_a_checkpoint_goes_there_and_back(hash_id: str) -> None:
    text, key, checkpoint = _checkpoint(hash_id)
    assert check_checkpoint(text, [key], ORIGIN) == checkpoint
    assert checkpoint.hash_id == hash_id
    unknown, _ = _signed("x\n", Ed25519PrivateKey.generate(), "witness.example/w1")
    assert check_checkpoint(text + unknown, [key], ORIGIN) == checkpoint  # means nothing, and does no harm


def _bit(text: str, at: int) -> str:
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


WRONG: dict[str, Callable[[str], str]] = {
    "another size": lambda t: t.replace("\n8\n", "\n9\n"),
    "a bit of the root": lambda t: _bit(t, t.index("\n8\n") + 5),
    "a bit of the signature": lambda t: _bit(t, len(t) - 20),
    "no signature": lambda t: t[: t.index("\n\n") + 2],
    "no empty line": lambda t: t.replace("\n\n", "\n"),
    "no last newline": lambda t: t[:-1],
    "something after it": lambda t: t + "x\n",
    "a carriage return": lambda t: t.replace("\n8\n", "\r\n8\r\n"),
    "a size with a zero before": lambda t: t.replace("\n8\n", "\n08\n"),
    "a hyphen for the dash": lambda t: t.replace("\u2014", "-"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_changed_checkpoint_is_refused(change: Callable[[str], str]) -> None:
    text, key, _ = _checkpoint()
    assert change(text) != text
    with pytest.raises(Invalid):
        check_checkpoint(change(text), [key], ORIGIN)


def test_another_key_another_name_another_origin_are_refused() -> None:
    text, key, _ = _checkpoint()
    for keys in ([], [Key(key.name, bytes(32))], [Key("someone.else/x", key.public)]):
        with pytest.raises(Invalid):
            check_checkpoint(text, keys, ORIGIN)
    with pytest.raises(Invalid):
        check_checkpoint(text, [key], "jiayuan.example/ledger/other")
    wrong, _ = _signed("another text\n", MINE, ORIGIN)
    with pytest.raises(Invalid):  # a wrong signature of a known key
        check_note(text[: text.index("\u2014")] + wrong, [key])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("ARpc", "Axpc"),
        PETER[:-4],
        PETER + "=",
        "a b" + PETER[12:],
    ],
)
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Key.parse(text)


@given(st.text())
def test_arbitrary_texts_are_no_notes(text: str) -> None:
    with pytest.raises(Invalid):
        check_checkpoint(text, [Key.parse(PETER)])
    with pytest.raises(Invalid):
        Checkpoint.parse(text.replace("\n", " "))
    with pytest.raises(Invalid):
        Note.parse(text.replace("\n", ""))


# -- what people read ----------------------------------------------------------------------------------

CHINESE = re.compile("[\u4e00-\u9fff]")


def test_whatever_does_not_hold_is_said_in_chinese_and_in_english() -> None:
    source = ast.parse(Path(verify.__file__).read_text(encoding="utf-8"))
    calls = [
        n for n in ast.walk(source) if isinstance(n, ast.Call) and ast.unparse(n.func) in ("Invalid", "Said")
    ]
    said = [
        [ast.unparse(a) for a in call.args] for call in calls if not isinstance(call.args[0], ast.Starred)
    ]
    assert len(said) > 60
    for words in said:
        zh, en = words
        assert CHINESE.search(zh), zh
        assert not CHINESE.search(en.replace("{what.zh}", "")), en


@pytest.mark.parametrize(
    ("content", "code", "chinese", "english"),
    [
        (b"x", 1, "证明不成立：", "The proof does not hold: "),
        (
            b'{"format": "x"}',
            1,
            "证明不成立：文档的格式不是 ",
            "The proof does not hold: the document's format is not ",
        ),
        (None, 2, "无法读取：", "Can't be read: "),
    ],
    ids=["nothing of ours", "another format", "no file"],
)
def test_the_command_speaks_chinese_first_and_english_second(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    code: int,
    chinese: str,
    english: str,
) -> None:
    file = tmp_path / "proof.json"
    if content is not None:
        file.write_bytes(content)
    key = Signer.new("jiayuan.example/ledger").key
    assert verify.main([str(file), "--key", str(key)]) == code
    captured = capsys.readouterr()
    first, second = (captured.out or captured.err).splitlines()
    assert (first[: len(chinese)], second[: len(english)]) == (chinese, english)
