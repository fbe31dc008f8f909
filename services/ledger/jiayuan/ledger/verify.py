"""Proofs of the ledger, checked by anybody: Merkle trees, signed checkpoints, canonical JSON. One file, no server.

It needs Python and `cryptography`, nothing else of Jiayuan, so that it can be copied and read. What is here decides
whether a proof holds; how trees are kept and proofs are made is the business of other modules.

- `canonical(value) -> bytes`: RFC 8785 (JSON Canonicalization Scheme).
- `leaf_hash(data, hash_id)`, `node_hash(left, right, hash_id)`, `empty_root(hash_id)`, `root_of(leaf_hashes, hash_id)`:
  the tree of RFC 9162, 2.1.1.
- `root_from_inclusion(leaf, index, size, proof, hash_id) -> bytes` and `check_inclusion(leaf, index, size, proof, root,
  hash_id)`: RFC 9162, 2.1.3.2.
- `check_consistency(old_size, old_root, new_size, new_root, proof, hash_id)`: RFC 9162, 2.1.4.2.
- `Key.parse(text)`, `Note.parse(text)`, `check_note(text, keys) -> Note`: C2SP signed-note with Ed25519.
- `Checkpoint.parse(text)`, `check_checkpoint(note_text, keys, origin=None) -> Checkpoint`: C2SP tlog-checkpoint.
- `check_proof(document, keys, origin=None) -> Checkpoint`: what the ledger answers when asked to prove one posting.
- `check_steps(document, keys, origin=None) -> Checkpoint`: that a newer checkpoint continues an older one.
- `check_export(path, keys, origin=None, known=()) -> Report`: an account as `jiayuan ledger export` writes it.

    python verify.py account.zip --key jiayuan.example/ledger+0a1b2c3d+AW… --known checkpoint-i-kept.txt

Hashes are bytes. `hash_id` is "sha256" or "sm3" (GB/T 32905-2016); a checkpoint of the latter says so in its first
extension line, `hash sm3`. What doesn't hold is `Invalid`, which says why in Chinese and in English; nothing returns
False that could be overlooked.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import math
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASHES: Final = ("sha256", "sm3")
DIGEST_BYTES: Final = 32
MOST_TREE: Final = 2**63 - 1


class Said(NamedTuple):
    """The same in Chinese and in English."""

    zh: str
    en: str


class Invalid(ValueError):
    """Something doesn't hold: what, in Chinese and in English. As a text it is both, or one where there is one."""

    def __init__(self, zh: str, en: str = "") -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, en or zh

    def __str__(self) -> str:
        return self.zh if self.zh == self.en else f"{self.zh}（{self.en}）"


# -- canonical JSON (RFC 8785) -------------------------------------------------------------------------

_ESCAPES: Final = {
    **{c: f"\\u{c:04x}" for c in range(0x20)},
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0C: "\\f",
    0x0D: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}
_MOST_INTEGER: Final = 2**53 - 1


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value: UTF-8, no space, members by the UTF-16 code units of their names, numbers as
    ECMAScript writes them. Invalid for what JSON or I-JSON doesn't hold: NaN, lone surrogates, integers
    past 2^53 that no double is."""
    parts: list[str] = []
    _write(value, parts)
    try:
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid(
            "文本含半个代理对，没有 UTF-8 编码", "a text holds half of a surrogate pair: it has no UTF-8"
        ) from None


def _write(value: Any, parts: list[str]) -> None:
    if value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, str):
        parts.append(_string(value))
    elif isinstance(value, int):
        parts.append(str(value) if abs(value) <= _MOST_INTEGER else _number(_as_float(value)))
    elif isinstance(value, float):
        parts.append(_number(value))
    elif isinstance(value, list | tuple):
        _write_array(value, parts)
    elif isinstance(value, dict):
        _write_object(value, parts)
    else:
        raise Invalid(f"{type(value).__name__} 不是 JSON", f"{type(value).__name__} is no JSON")


def _as_float(value: int) -> float:
    """JSON's numbers are doubles (RFC 7493): an integer that none of them is would be read as another one."""
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if as_float != value and (math.isinf(as_float) or _number(as_float) != str(value)):
        raise Invalid(
            f"{value} 超过 2^53，该处并非每个整数都能表示，应写成文本",
            f"{value} is past 2^53, where not every integer has a number: write it as a text",
        )
    return as_float


def _write_array(value: Sequence[Any], parts: list[str]) -> None:
    parts.append("[")
    for n, item in enumerate(value):
        if n:
            parts.append(",")
        _write(item, parts)
    parts.append("]")


def _write_object(value: dict[Any, Any], parts: list[str]) -> None:
    if not all(isinstance(k, str) for k in value):
        raise Invalid("成员名应为文本", "the names of members are texts")
    parts.append("{")
    for n, name in enumerate(sorted(value, key=_code_units)):
        if n:
            parts.append(",")
        parts.append(_string(name))
        parts.append(":")
        _write(value[name], parts)
    parts.append("}")


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _string(value: str) -> str:
    return '"' + value.translate(_ESCAPES) + '"'


def _number(value: float) -> str:
    """As ECMAScript's Number::toString: the shortest digits that read back as the same number."""
    if not math.isfinite(value):
        raise Invalid(f"{value} 不是 JSON 数", f"{value} is no JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # value = 0.digits × 10^point
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0") or "0"
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = ("." + digits[1:]) if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


# -- hashes and trees (RFC 9162, 2.1) ------------------------------------------------------------------


def digest(data: bytes, hash_id: str = "sha256") -> bytes:
    """The hash of bytes; Invalid for an algorithm that isn't one of HASHES."""
    if hash_id == "sha256":
        return hashlib.sha256(data).digest()
    if hash_id == "sm3":
        state = hashes.Hash(hashes.SM3())
        state.update(data)
        return state.finalize()
    raise Invalid(
        f"未知的哈希算法 {hash_id!r}，可用 {'、'.join(HASHES)}",
        f"hash {hash_id!r} is unknown: {' or '.join(HASHES)}",
    )


def leaf_hash(data: bytes, hash_id: str = "sha256") -> bytes:
    """The hash of a leaf's bytes."""
    return digest(b"\x00" + data, hash_id)


def node_hash(left: bytes, right: bytes, hash_id: str = "sha256") -> bytes:
    """The hash of an inner node."""
    return digest(b"\x01" + left + right, hash_id)


def empty_root(hash_id: str = "sha256") -> bytes:
    """The root of a tree without leaves."""
    return digest(b"", hash_id)


def root_of(leaf_hashes: Iterable[bytes], hash_id: str = "sha256") -> bytes:
    """The root over leaves' hashes, in one pass and logarithmic memory."""
    peaks: list[bytes] = []
    for count, leaf in enumerate(leaf_hashes, 1):
        node, n = leaf, count
        while n % 2 == 0:
            node = node_hash(peaks.pop(), node, hash_id)
            n //= 2
        peaks.append(node)
    if not peaks:
        return empty_root(hash_id)
    root = peaks.pop()
    while peaks:
        root = node_hash(peaks.pop(), root, hash_id)
    return root


def root_from_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], hash_id: str = "sha256"
) -> bytes:
    """The root that an inclusion proof leads to, from a leaf's hash; Invalid when the proof can't be one."""
    _size(size)
    if type(index) is not int or not 0 <= index < size:
        raise Invalid(f"{size} 叶的树没有第 {index!r} 叶", f"leaf {index!r} is not in a tree of {size}")
    _hashes([leaf, *proof])
    fn, sn, root = index, size - 1, leaf
    for node in proof:
        if sn == 0:
            raise Invalid("证明过长", "the proof is too long")
        if fn % 2 == 1 or fn == sn:
            root = node_hash(node, root, hash_id)
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, node, hash_id)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("证明过短", "the proof is too short")
    return root


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, hash_id: str = "sha256"
) -> None:
    """Invalid unless the leaf of that hash stands at `index` in the tree of `size` leaves with that root."""
    _hashes([root])
    if root_from_inclusion(leaf, index, size, proof, hash_id) != root:
        raise Invalid(
            f"第 {index} 叶与 {size} 叶的树在该处的内容不符",
            f"leaf {index} is not what the tree of {size} holds there",
        )


def check_consistency(
    old_size: int,
    old_root: bytes,
    new_size: int,
    new_root: bytes,
    proof: Sequence[bytes],
    hash_id: str = "sha256",
) -> None:
    """Invalid unless the tree of `new_size` begins with all of the tree of `old_size`.

    Two roots of one size must be equal; a tree of none is the beginning of every tree, and has its own known root.
    """
    _size(old_size)
    _size(new_size)
    _hashes([old_root, new_root, *proof])
    if old_size > new_size:
        raise Invalid(
            f"树从 {old_size} 叶缩为 {new_size} 叶", f"the tree has shrunk from {old_size} to {new_size}"
        )
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != empty_root(hash_id):
            raise Invalid("空树的根有误", "the root of a tree without leaves is not that of no leaves")
    if old_size in (0, new_size):
        if proof:
            raise Invalid("证明过长，此处无需证明", "the proof is too long: none is needed")
        if old_size == new_size and old_root != new_root:
            raise Invalid(f"{old_size} 叶有两个根", f"two roots for one size, {old_size}")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise Invalid("证明过短", "the proof is too short")
    fn, sn = old_size - 1, new_size - 1
    while fn % 2 == 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for node in path[1:]:
        if sn == 0:
            raise Invalid("证明过长", "the proof is too long")
        if fn % 2 == 1 or fn == sn:
            old, new = node_hash(node, old, hash_id), node_hash(node, new, hash_id)
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node, hash_id)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("证明过短", "the proof is too short")
    if old != old_root:
        raise Invalid(
            f"旧根不是前 {old_size} 叶的根", f"the old root is not that of the first {old_size} leaves"
        )
    if new != new_root:
        raise Invalid(
            f"新根不是所证 {new_size} 叶的根",
            f"the new root is not that of the {new_size} leaves that the proof is about",
        )


def _size(size: int) -> None:
    if type(size) is not int or not 0 <= size <= MOST_TREE:
        raise Invalid(f"{size!r} 不是树的大小", f"{size!r} is no size of a tree")


def _hashes(values: Iterable[bytes]) -> None:
    for value in values:
        if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
            raise Invalid(f"哈希应为 {DIGEST_BYTES} 字节", f"a hash has {DIGEST_BYTES} bytes")


# -- signed notes (C2SP signed-note) -------------------------------------------------------------------

ED25519: Final = 1
_SIGNATURE: Final = re.compile("\u2014 ([^ \n]+) ([A-Za-z0-9+/]+={0,2})\n")
_NAME: Final = re.compile(r"[^\s+]{1,200}")
MOST_NOTE_BYTES: Final = 1_000_000
MOST_SIGNATURES: Final = 100


def key_hash(name: str, kind: int, public: bytes) -> bytes:
    """The four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Key:
    """Who may sign: a name and an Ed25519 public key (32 bytes)."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """The four bytes by which signatures name it."""
        return key_hash(self.name, ED25519, self.public)

    @classmethod
    def parse(cls, text: str) -> Key:
        """A verifier key `name+hash+base64`; Invalid when it isn't one, or its hash is another's."""
        parts = text.strip().split("+", 2)
        if (
            len(parts) != 3
            or _NAME.fullmatch(parts[0]) is None
            or re.fullmatch("[0-9a-f]{8}", parts[1]) is None
        ):
            raise Invalid(
                "公钥应写作 name+hash+base64，如 jiayuan.example/ledger+0a1b2c3d+AW…",
                "a key is name+hash+base64, as in jiayuan.example/ledger+0a1b2c3d+AW…",
            )
        raw = _base64(parts[2], Said("公钥", "the key"))
        if len(raw) != 33 or raw[0] != ED25519:
            raise Invalid(
                "公钥不是 Ed25519（33 字节，以 1 开头）",
                "the key is not Ed25519 (33 bytes that begin with 1)",
            )
        key = cls(parts[0], raw[1:])
        if key.hash.hex() != parts[1]:
            raise Invalid(
                f"公钥的哈希是 {key.hash.hex()}，不是 {parts[1]}",
                f"the key's hash is {key.hash.hex()}, not {parts[1]}",
            )
        return key

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(bytes((ED25519,)) + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A line of signature: whose, of which key, and its bytes."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed text; `text` ends with a newline, which is signed too."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, text: str) -> Note:
        """The parts of a note, nothing checked but its form."""
        if len(text.encode("utf-8", "surrogatepass")) > MOST_NOTE_BYTES:
            raise Invalid("签名文书过长", "the note is too long")
        if any(ord(c) < 0x20 and c != "\n" for c in text) or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
            raise Invalid("签名文书不得含控制字符", "a note holds no control characters")
        head, gap, tail = text.rpartition("\n\n")
        if not gap or not tail:
            raise Invalid("签名文书应为正文、空行和签名", "a note is a text, an empty line, and signatures")
        found, at = [], 0
        while at < len(tail):
            match = _SIGNATURE.match(tail, at)
            if match is None:
                raise Invalid("签名行应为：— name base64", "a line of signature is: — name base64")
            if _NAME.fullmatch(match[1]) is None:
                raise Invalid("公钥名称不得含空格和 +", "the name of a key holds no space and no +")
            raw = _base64(match[2], Said("签名", "a signature"))
            if len(raw) < 5:
                raise Invalid("签名过短", "a signature is too short")
            found.append(Signature(match[1], raw[:4], raw[4:]))
            at = match.end()
        if len(found) > MOST_SIGNATURES:
            raise Invalid("签名过多", "the note has too many signatures")
        return cls(head + "\n", tuple(found))


def check_note(text: str, keys: Iterable[Key]) -> Note:
    """The note, with the signatures of the keys given and no others; Invalid unless one of them has signed it.

    Signatures of unknown keys mean nothing; a wrong one of a known key makes the whole note wrong.
    """
    note = Note.parse(text)
    known = {(k.name, k.hash): k for k in keys}
    good: dict[tuple[str, bytes], Signature] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_hash))
        if key is None or (key.name, key.hash) in good:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature.signature, note.text.encode())
        except (InvalidSignature, ValueError):
            raise Invalid(f"{key.name} 的签名有误", f"the signature of {key.name} is wrong") from None
        good[key.name, key.hash] = signature
    if not good:
        raise Invalid("所给公钥都没有签过名", "none of the keys given has signed it")
    return Note(note.text, tuple(good.values()))


def _base64(text: str, what: Said) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"{what.zh}不是 base64", f"{what.en} is no base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Invalid(f"{what.zh}的 base64 写法不规范", f"{what.en} is base64 in an unusual form")
    return raw


# -- checkpoints (C2SP tlog-checkpoint) ----------------------------------------------------------------

_HASH_LINE: Final = re.compile("hash (sha256|sm3)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's size and root as its log signs them; `extensions` are the lines after them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def hash_id(self) -> str:
        """The algorithm of the tree: sha256 unless an extension line `hash …` says otherwise."""
        found = [m[1] for line in self.extensions if (m := _HASH_LINE.fullmatch(line))]
        return found[0] if found else "sha256"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """A checkpoint out of a note's text; Invalid when it isn't one."""
        if not text.endswith("\n"):
            raise Invalid("检查点应以换行结尾", "a checkpoint ends with a newline")
        lines = text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise Invalid(
                "检查点应有名称、大小和根，各占一行",
                "a checkpoint has an origin, a size and a root, each on a line of its own",
            )
        origin, size, root, *extensions = lines
        if re.fullmatch("0|[1-9][0-9]{0,18}", size, re.ASCII) is None or int(size) > MOST_TREE:
            raise Invalid(f"{size[:40]!r} 不是树的大小", f"{size[:40]!r} is no size of a tree")
        raw = _base64(root, Said("根", "the root"))
        _hashes([raw])
        known = [line for line in extensions if line.startswith("hash ")]
        if len(known) > 1 or (known and _HASH_LINE.fullmatch(known[0]) is None):
            raise Invalid(
                f"检查点写的哈希算法是 {known}，应为 hash sha256 或 hash sm3，只写一次",
                f"the checkpoint names its hash as {known}: hash sha256 or hash sm3, once",
            )
        return cls(origin, int(size), raw, tuple(extensions))

    def text(self) -> str:
        """As it is signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))


def check_checkpoint(note_text: str, keys: Iterable[Key], origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note that one of the keys has signed, of the origin given; Invalid otherwise."""
    checkpoint = Checkpoint.parse(check_note(note_text, keys).text)
    if origin is not None and checkpoint.origin != origin:
        raise Invalid(
            f"检查点属于 {checkpoint.origin!r}，不属于 {origin!r}",
            f"the checkpoint is of {checkpoint.origin!r}, not of {origin!r}",
        )
    return checkpoint


# -- proofs of single postings -------------------------------------------------------------------------

PROOF: Final = "jiayuan-ledger-proof/1"
STEPS: Final = "jiayuan-ledger-consistency/1"
EXPORT: Final = "jiayuan-ledger-export/1"


def check_proof(document: Mapping[str, Any], keys: Iterable[Key], origin: str | None = None) -> Checkpoint:
    """The checkpoint in which a posting is; Invalid unless the document proves it.

    `document`: `{"format": PROOF, "leaf": {…}, "index": 17, "proof": [hexadecimal …], "checkpoint": note}`.
    """
    _form(document, PROOF, {"leaf": dict, "index": int, "proof": list, "checkpoint": str})
    checkpoint = check_checkpoint(document["checkpoint"], keys, origin)
    leaf = leaf_hash(canonical(document["leaf"]), checkpoint.hash_id)
    proof = [_hexadecimal(node) for node in document["proof"]]
    check_inclusion(leaf, document["index"], checkpoint.size, proof, checkpoint.root, checkpoint.hash_id)
    return checkpoint


def check_steps(document: Mapping[str, Any], keys: Iterable[Key], origin: str | None = None) -> Checkpoint:
    """The newer checkpoint; Invalid unless its tree begins with that of the older one.

    `document`: `{"format": STEPS, "old": note, "new": note, "proof": [hexadecimal …]}`.
    """
    _form(document, STEPS, {"old": str, "new": str, "proof": list})
    keys = list(keys)
    old = check_checkpoint(document["old"], keys, origin)
    new = check_checkpoint(document["new"], keys, origin)
    _continues(old, new, [_hexadecimal(node) for node in document["proof"]])
    return new


def _continues(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    if (old.origin, old.hash_id) != (new.origin, new.hash_id):
        raise Invalid(
            f"{old.origin}（{old.hash_id}）与 {new.origin}（{new.hash_id}）是两棵树",
            f"{old.origin} ({old.hash_id}) and {new.origin} ({new.hash_id}) are two trees",
        )
    check_consistency(old.size, old.root, new.size, new.root, proof, new.hash_id)


def _form(document: Mapping[str, Any], name: str, members: Mapping[str, type]) -> None:
    if not isinstance(document, dict) or document.get("format") != name:
        raise Invalid(f"文档的格式不是 {name}", f"the document's format is not {name}")
    for member, kind in members.items():
        if type(document.get(member)) is not kind:
            raise Invalid(
                f"缺少 {member}，或其类型不是 {kind.__name__}", f"{member} is missing, or no {kind.__name__}"
            )


def _hexadecimal(text: Any) -> bytes:
    if not isinstance(text, str) or re.fullmatch("[0-9a-f]{64}", text) is None:
        raise Invalid("哈希应为 64 位十六进制数", "a hash is 64 hexadecimal digits")
    return bytes.fromhex(text)


# -- exports -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What an export proves. `complete`: every leaf of the tree is in it, so that nothing can have been left out."""

    checkpoint: Checkpoint
    leaves: int
    entries: int
    complete: bool
    opening: int
    entered: int
    written_off: int
    texts: int
    known: int


class _Books:
    """Goes through the leaves in their order: numbers of each entry without a gap, and what they move.

    Only in the first tree every entry begins with 1.
    """

    def __init__(self, tree: int) -> None:
        self.first = tree == 1
        self.last: dict[str, int] = {}
        self.moved = [0, 0, 0]

    def take(self, index: int, line: bytes) -> dict[str, Any]:
        try:
            leaf = json.loads(line)
        except ValueError:
            leaf = None
        if not isinstance(leaf, dict):
            raise Invalid(f"第 {index} 叶不是 JSON 对象", f"leaf {index} is no JSON object")
        if str(leaf.get("leaf")).startswith("posting/"):
            entry, number = str(leaf.get("entry_id")), leaf.get("number")
            if type(number) is not int:
                raise Invalid(f"{_name(index, leaf).zh}没有序号", f"{_name(index, leaf).en} has no number")
            expected = self.last.get(entry, 0 if self.first else number - 1) + 1
            if number != expected:
                raise Invalid(
                    f"{_name(index, leaf).zh}：此处应为该账目第 {expected} 笔",
                    f"{_name(index, leaf).en}: posting {expected} of this entry should come here",
                )
            self.last[entry] = expected
            for n, column in enumerate(("opening", "entered", "written_off")):
                self.moved[n] += leaf.get(column, 0)
        return leaf


def _name(index: int, leaf: Mapping[str, Any]) -> Said:
    if "entry_id" in leaf:
        entry, number = leaf["entry_id"], leaf.get("number")
        return Said(
            f"第 {index} 叶（账目 {entry} 第 {number} 笔）", f"leaf {index} (entry {entry}, posting {number})"
        )
    return Said(f"第 {index} 叶（{leaf.get('leaf')}）", f"leaf {index} ({leaf.get('leaf')})")


def check_export(
    path: str | Path, keys: Iterable[Key], origin: str | None = None, known: Iterable[str] = ()
) -> Report:
    """What an export proves; Invalid names the first leaf that is not as the signed tree has it.

    `known`: checkpoints (notes) that somebody kept; the export's tree must continue each of them.
    """
    keys = list(keys)
    with _opened(path) as file:
        manifest = _json(file, "manifest.json")
        _form(manifest, EXPORT, {"origin": str, "tree": int})
        checkpoint = check_checkpoint(_text(file, "checkpoint.txt"), keys, origin)
        if checkpoint.origin != manifest["origin"]:
            raise Invalid(
                f"检查点属于 {checkpoint.origin!r}，不属于 {manifest['origin']!r}",
                f"the checkpoint is of {checkpoint.origin!r}, not of {manifest['origin']!r}",
            )
        kept = [check_checkpoint(note, keys, origin) for note in known]
        for one in kept:
            if one.origin == checkpoint.origin and one.size > checkpoint.size:
                raise Invalid(
                    f"检查点被换成旧的：它有 {checkpoint.size} 叶，留存的有 {one.size} 叶",
                    f"an older checkpoint was put back: it has {checkpoint.size} leaves, one that is known {one.size}",
                )
        books = _Books(manifest["tree"])
        digests: dict[int, str] = {}
        nodes = _leaves(file, checkpoint, books, digests)
        complete = len(nodes) == checkpoint.size
        steps = _steps(file, checkpoint, keys)
        siblings = _siblings(file)
        root, used = climb(nodes, checkpoint.size, siblings, checkpoint.hash_id)
        if root != checkpoint.root:
            raise Invalid(*_where(nodes, complete, [*steps, *kept], checkpoint))
        if used != len(siblings):
            raise Invalid(
                f"证明过长，{len(siblings) - used} 个节点不属于任何叶",
                f"the proof is too long: {len(siblings) - used} nodes are of no leaf",
            )
        _known(nodes, complete, steps, kept, checkpoint)
        texts = _texts(file, digests)
    opening, entered, written_off = books.moved
    return Report(
        checkpoint,
        len(nodes),
        len(books.last),
        complete,
        opening,
        entered,
        written_off,
        texts,
        len(kept),
    )


def _opened(path: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise Invalid(f"{path} 不是导出文件", f"{path} is no export: {error}") from None


def _lines(file: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with file.open(name) as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    raise Invalid(f"{name} 不完整", f"{name} breaks off")
                yield line[:-1]
    except KeyError:
        raise Invalid(f"导出文件缺少 {name}", f"the export has no {name}") from None
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise Invalid(f"{name} 无法读取", f"{name} can't be read: {error}") from None


def _text(file: zipfile.ZipFile, name: str) -> str:
    try:
        return "".join(f"{line.decode()}\n" for line in _lines(file, name))
    except UnicodeDecodeError:
        raise Invalid(f"{name} 不是 UTF-8", f"{name} is no UTF-8") from None


def _json(file: zipfile.ZipFile, name: str) -> Any:
    try:
        return json.loads(_text(file, name))
    except ValueError:
        raise Invalid(f"{name} 不是 JSON", f"{name} is no JSON") from None


_PLACE: Final = re.compile(rb"(0|[1-9][0-9]{0,18}) ([0-9a-f]{64})")
_NODE: Final = re.compile(r"([1-9]?[0-9]) (0|[1-9][0-9]{0,18}) ([0-9a-f]{64})")


def _leaves(
    file: zipfile.ZipFile, checkpoint: Checkpoint, books: _Books, digests: dict[int, str]
) -> list[tuple[int, bytes]]:
    nodes: list[tuple[int, bytes]] = []
    leaves = _lines(file, "leaves.jsonl")
    before = -1
    for place in _lines(file, "places.txt"):
        match = _PLACE.fullmatch(place)
        if match is None:
            raise Invalid(
                f"places.txt 有一行不是序号和哈希：{place[:80]!r}",
                f"a line of places.txt is no index and hash: {place[:80]!r}",
            )
        index, stated = int(match[1]), bytes.fromhex(match[2].decode())
        if index <= before or index >= checkpoint.size:
            raise Invalid(
                f"第 {before} 叶之后是第 {index} 叶，树有 {checkpoint.size} 叶：序号不连续",
                f"leaf {index} after leaf {before}, in a tree of {checkpoint.size}: a sequence gap",
            )
        line = next(leaves, None)
        if line is None:
            raise Invalid(f"缺少第 {index} 叶", f"leaf {index} is missing")
        hash_ = leaf_hash(line, checkpoint.hash_id)
        if hash_ != stated:
            raise Invalid(
                f"{_named(index, line).zh}与签名时不符", f"{_named(index, line).en} is not what was signed"
            )
        leaf = books.take(index, line)
        if "text_digest" in leaf:
            digests[index] = leaf["text_digest"]
        nodes.append((index, hash_))
        before = index
    extra = next(leaves, None)
    if extra is not None:
        raise Invalid(
            f"{_named(before + 1, extra).zh}在树中没有位置",
            f"{_named(before + 1, extra).en} has no place in the tree",
        )
    return nodes


def _named(index: int, line: bytes) -> Said:
    try:
        leaf = json.loads(line)
    except ValueError:
        leaf = None
    return _name(index, leaf) if isinstance(leaf, dict) else Said(f"第 {index} 叶", f"leaf {index}")


def _siblings(file: zipfile.ZipFile) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    for line in _text(file, "nodes.txt").splitlines():
        match = _NODE.fullmatch(line)
        if match is None:
            raise Invalid(
                f"nodes.txt 有一行不是高度、序号和哈希：{line[:80]!r}",
                f"a line of nodes.txt is no height, index and hash: {line[:80]!r}",
            )
        found[int(match[1]), int(match[2])] = bytes.fromhex(match[3])
    return found


def climb(
    nodes: Sequence[tuple[int, bytes]],
    size: int,
    siblings: Mapping[tuple[int, int], bytes],
    hash_id: str = "sha256",
) -> tuple[bytes, int]:
    """The root from leaves (index, hash; by index) and the nodes beside them, and how many of these were used.

    Node (height, index) is over the 2^height leaves from index × 2^height on, or as many as there are; the last of its
    height, with nobody beside it, goes up as it is. That is the tree of RFC 9162. Invalid when one is missing.
    """
    if not size:
        return empty_root(hash_id), 0
    if not nodes:
        raise Invalid("导出文件没有叶", "the export has no leaves")
    level, height, count, used = list(nodes), 0, size, 0
    while count > 1:
        above: list[tuple[int, bytes]] = []
        at, end = 0, len(level)
        while at < end:
            index, node = level[at]
            at += 1
            beside = index ^ 1
            if beside < count:
                if beside > index and at < end and level[at][0] == beside:
                    other = level[at][1]
                    at += 1
                else:
                    found = siblings.get((height, beside))
                    if found is None:
                        raise Invalid(
                            f"证明过短，缺少节点 {height} {beside}",
                            f"the proof is too short: node {height} {beside} is missing",
                        )
                    other = found
                    used += 1
                node = node_hash(node, other, hash_id) if beside > index else node_hash(other, node, hash_id)
            above.append((index >> 1, node))
        level, height, count = above, height + 1, (count + 1) >> 1
    return level[0][1], used


def _steps(file: zipfile.ZipFile, checkpoint: Checkpoint, keys: Sequence[Key]) -> list[Checkpoint]:
    """Earlier checkpoints of the same tree that the export proves to be its beginning."""
    found = []
    for step in _json(file, "consistency.json"):
        if not isinstance(step, dict) or type(step.get("proof")) is not list:
            raise Invalid(
                "consistency.json 应为检查点及其证明的列表",
                "consistency.json is a list of checkpoints with their proofs",
            )
        old = check_checkpoint(str(step.get("checkpoint")), keys, checkpoint.origin)
        _continues(old, checkpoint, [_hexadecimal(node) for node in step["proof"]])
        found.append(old)
    return found


def _where(
    nodes: Sequence[tuple[int, bytes]],
    complete: bool,
    checkpoints: Iterable[Checkpoint],
    checkpoint: Checkpoint,
) -> Said:
    """Between which checkpoints the leaves, all of their hashes computed again, leave the tree that was signed."""
    if not complete:
        return Said("这些叶得不出签名的根", "the leaves don't lead to the signed root")

    def between(first: int, last: int) -> Said:
        return Said(
            f"这些叶得不出签名的根：最先被改的在第 {first} 至 {last} 叶之中",
            "the leaves don't lead to the signed root: "
            f"the first that was changed is one of the leaves {first} to {last}",
        )

    good = 0
    mine = {c.size: c for c in checkpoints if c.origin == checkpoint.origin}
    for size in sorted(mine):
        if root_of((h for _, h in nodes[:size]), checkpoint.hash_id) != mine[size].root:
            return between(good, size - 1)
        good = size
    return between(good, checkpoint.size - 1)


def _known(
    nodes: Sequence[tuple[int, bytes]],
    complete: bool,
    steps: Sequence[Checkpoint],
    kept: Sequence[Checkpoint],
    checkpoint: Checkpoint,
) -> None:
    for one in kept:
        if one.origin != checkpoint.origin:
            raise Invalid(
                f"留存的检查点属于 {one.origin!r}，不属于 {checkpoint.origin!r}",
                f"the checkpoint that is known is of {one.origin!r}, not of {checkpoint.origin!r}",
            )
        same = next((s for s in (checkpoint, *steps) if s.size == one.size), None)
        if same is not None:
            root = same.root
        elif complete:
            root = root_of((h for _, h in nodes[: one.size]), checkpoint.hash_id)
        else:
            raise Invalid(
                f"导出文件没有说明它的树如何延续 {one.size} 叶的检查点，请向账本索取延续的证明",
                f"the export doesn't say how its tree continues the checkpoint of {one.size} leaves: "
                "ask the ledger for a proof of consistency",
            )
        if root != one.root:
            raise Invalid(
                f"{one.size} 叶有两个根，当时签名的是另一棵树",
                f"two roots for one size, {one.size}: the tree that was signed then is another one",
            )


def _texts(file: zipfile.ZipFile, digests: Mapping[int, str]) -> int:
    if "texts.jsonl" not in file.namelist():
        return 0
    count = 0
    for line in _lines(file, "texts.jsonl"):
        try:
            text = json.loads(line)
            index, salt, words = text["index"], bytes.fromhex(text["salt"]), text["words"]
        except (ValueError, KeyError, TypeError):
            raise Invalid(
                "texts.jsonl 有一行不是序号、盐和文本", "a line of texts.jsonl is no index, salt and words"
            ) from None
        hash_id, _, stated = digests.get(index, "").partition(":")
        if not stated or digest(salt + canonical(words), hash_id).hex() != stated:
            raise Invalid(
                f"第 {index} 叶的文本与签名的摘要不符",
                f"the text of leaf {index} is not the one whose digest was signed",
            )
        count += 1
    return count


# -- the command ---------------------------------------------------------------------------------------


def read_keys(given: Iterable[str]) -> list[Key]:
    """Keys as texts, or files with a key a line; Invalid, OSError."""
    found = []
    for one in given:
        lines = [one] if "+" in one else Path(one).read_text(encoding="utf-8").splitlines()
        found += [Key.parse(line) for line in lines if line.strip() and not line.startswith("#")]
    return found


def _check(arguments: argparse.Namespace) -> str:
    keys = read_keys(arguments.key)
    known = [Path(name).read_text(encoding="utf-8") for name in arguments.known]
    if zipfile.is_zipfile(arguments.file):
        report = check_export(arguments.file, keys, arguments.origin, known)
        c = report.checkpoint
        r, whole = report, ("全部", "All") if report.complete else ("部分", "Some")
        left = r.opening + r.entered - r.written_off
        return (
            f"证明成立：{c.origin}，检查点 {c.size} 笔（{c.hash_id}）\n"
            f"导出其中{whole[0]}：{r.leaves} 笔，账目 {r.entries} 项；"
            f"期初 {r.opening} + 入账 {r.entered} − 销账 {r.written_off} = {left}\n"
            f"核对文本 {r.texts} 段，已知检查点 {r.known} 个\n"
            f"The proof holds: {c.origin}, checkpoint of {c.size} leaves ({c.hash_id})\n"
            f"{whole[1]} of them exported: {r.leaves} leaves, {r.entries} entries; "
            f"opening {r.opening} + entered {r.entered} − written off {r.written_off} = {left}\n"
            f"texts checked: {r.texts}, known checkpoints: {r.known}"
        )
    try:
        document = json.loads(Path(arguments.file).read_text(encoding="utf-8"))
    except ValueError:
        raise Invalid(
            f"{arguments.file} 既不是导出文件（zip），也不是证明（JSON）",
            f"{arguments.file} is neither an export (zip) nor a proof (JSON)",
        ) from None
    if isinstance(document, dict) and document.get("format") == STEPS:
        c = check_steps(document, keys, arguments.origin)
        return (
            f"证明成立：{c.origin}，{c.size} 笔的账是先前检查点的延续\n"
            f"The proof holds: {c.origin}, the account of {c.size} leaves continues the earlier checkpoint"
        )
    c = check_proof(document, keys, arguments.origin)
    _against(known, keys, c)
    index = document["index"]
    return (
        f"证明成立：{c.origin}，第 {index} 笔在检查点 {c.size} 笔（{c.hash_id}）之内\n"
        f"The proof holds: {c.origin}, leaf {index} is in the checkpoint of {c.size} leaves ({c.hash_id})"
    )


def _against(known: Iterable[str], keys: Sequence[Key], checkpoint: Checkpoint) -> None:
    for note in known:
        one = check_checkpoint(note, keys, checkpoint.origin)
        if one.size > checkpoint.size:
            raise Invalid(
                f"检查点被换成旧的：它有 {checkpoint.size} 叶，留存的有 {one.size} 叶",
                f"an older checkpoint was put back: it has {checkpoint.size} leaves, one that is known {one.size}",
            )
        if one.size == checkpoint.size and one.root != checkpoint.root:
            raise Invalid(f"{one.size} 叶有两个根", f"two roots for one size, {one.size}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when what the file says is proven, 1 with the reason when it isn't, 2 when it can't be read."""
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="核对账本的导出或证明，无需系统在场。 Checks an exported account, or a proof, without the system.",
    )
    parser.add_argument("file", help="导出的 zip，或一笔账、一次延续的证明（JSON） an export, or a proof")
    parser.add_argument(
        "--key",
        action="append",
        required=True,
        help="公钥 name+hash+base64，或含公钥的文件 a public key, or a file of them",
    )
    parser.add_argument("--origin", help="账本的名称；不给则由公钥判断 the account's name")
    parser.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="FILE",
        help="以前留存的检查点 a checkpoint that you kept",
    )
    given = parser.parse_args(arguments)
    try:
        said = _check(given)
    except Invalid as error:
        print(f"证明不成立：{error.zh}\nThe proof does not hold: {error.en}")
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"无法读取：{error}\nCan't be read: {error}", file=sys.stderr)
        return 2
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
