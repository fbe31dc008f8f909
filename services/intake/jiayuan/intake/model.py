"""The trained classifier of reports: what its file holds, and what it makes of a text. Needs numpy, nothing else.

A text is read as two bags of character n-grams (1 to 4): the title's own, and that of title and text together. Every
n-gram has a row of a table, found by its hash, with how telling it was and what it says for each label. A slot holds
one n-gram and 16 more bits of its hash: others that fall on it, and those never met in training, count for nothing. So
the model is a table in a file, no vocabulary is kept, and what it knows of the training texts is sums over many.

The file has the layout of safetensors: the length of a JSON header (8 bytes, little-endian), the header, the arrays.
What `train` found out stands in the header as `__metadata__`: see `Document`.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FORMAT: Final = "jiayuan-category/1"
SUFFIX: Final = ".model"
MOST_TEXT: Final = 4000
LONGEST: Final = 4
TAG_BITS: Final = 16
_MOST_HEADER: Final = 4 * 1024 * 1024
_MOST_BYTES: Final = 512 * 1024 * 1024
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
}
_TITLE, _ALL = 0, 1
# Odd 64-bit constants: any would do, but a file is read with those it was made with, so they belong to the format.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_SALTS: Final = (np.uint64(1), np.uint64(2))
_32, _29, _TAG = np.uint64(32), np.uint64(29), np.uint64(TAG_BITS)
_LOG: Final = (1 + np.log(np.arange(1, 1024, dtype=np.float64))).astype(np.float32)

Floats = npt.NDArray[np.float32]


class BadModel(ValueError):
    """A file that is no model, or not one for this release or this catalogue; says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the model made of a text: the label and how sure (0 to 1), the next one, and all probabilities."""

    label: str
    confidence: float
    second: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reason:
    """An n-gram of a text and how much it spoke for the label (negative: for the next one instead)."""

    words: str
    weight: float


def grams(text: str, field: int, bits: int) -> npt.NDArray[np.uint64]:
    """The keys of all n-grams of a text, one of every position: those of length 1 first, then 2, and so on.

    A key is `bits` bits of slot and, below them, the tag.
    """
    raw = text.lower().encode("utf-32-le", "surrogatepass")
    code = np.frombuffer(raw, np.uint32).astype(np.uint64)
    code *= _MIX
    code ^= code >> _32
    state = code * _STEP + _SALTS[field]
    found = [state]
    for length in range(2, min(LONGEST, len(code)) + 1):
        head = state[:-1]
        state = (head ^ (head >> _29)) * _STEP + code[length - 1 :]
        found.append(state)
    return (np.concatenate(found) * _MIX) >> np.uint64(64 - bits - TAG_BITS)


def bag(text: str, field: int, bits: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The different keys of a text's n-grams, and how often each occurs."""
    keys = grams(text, field, bits)
    keys.sort()
    last = np.flatnonzero(keys[1:] != keys[:-1])
    last = np.append(last, len(keys) - 1)
    return keys[last], np.diff(last, prepend=-1)


def fields_of(title: str, text: str) -> tuple[str, str]:
    """The two texts that are read: the title, and title and text."""
    return title, f"{title}\n{text[:MOST_TEXT]}"


class Model:
    """A model in memory, ready to be asked. `document` is what `train` wrote about it."""

    def __init__(
        self, document: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]], digest: str
    ) -> None:
        self.document, self.digest = document, digest
        self.version: str = document["version"]
        self.labels: tuple[str, ...] = tuple(document["labels"])
        self.codes: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in document["codes"].items()}
        self.bits: int = document["bits"]
        self._weights = tuple(np.float32(w) for w in document["field_weights"])
        self._tags, self._slots, self._table = tensors["tags"], tensors["slots"], tensors["table"]
        self._bias = tensors["bias"].astype(np.float32)
        self._scale = tensors["scale"].astype(np.float32)
        self._shift = tensors["shift"].astype(np.float32)

    def scores(self, title: str, text: str) -> Floats:
        """The raw score of every label, in the order of `labels`."""
        out = self._bias.copy()
        for field, said in enumerate(fields_of(title, text)):
            if not said:
                continue
            keys = grams(said, field, self.bits)
            slots = keys >> _TAG
            # Only what is known is counted: that spares sorting half of a text's n-grams.
            rows = self._slots[slots[self._tags[slots] == keys.astype(np.uint16)]]
            if not len(rows):
                continue
            rows.sort()
            last = np.append(np.flatnonzero(rows[1:] != rows[:-1]), len(rows) - 1)
            known = np.take(self._table, rows[last], axis=0).astype(np.float32)
            count = last.copy()
            count[0] += 1
            count[1:] -= last[:-1]
            value = _LOG[np.minimum(count, len(_LOG)) - 1] * known[:, 0]
            norm = float(value @ value)
            if norm > 0:
                out += (value @ known[:, 1:]) * (self._weights[field] / np.float32(norm**0.5))
        return out

    def _known(
        self, keys: npt.NDArray[np.uint64], count: npt.NDArray[np.int64]
    ) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Of n-grams those that the model knows: their rows of the table, their counts, and which they were."""
        slots = (keys >> _TAG).astype(np.int64)
        there = self._tags[slots] == keys.astype(np.uint16)
        rows = self._slots[slots[there]]
        # The last row is all zeros: an empty slot's tag may be right by chance.
        return self._table[rows].astype(np.float32), count[there], there

    def guess(self, title: str, text: str) -> Label:
        """The label of a text in normal form, with a calibrated probability."""
        sure = probabilities(self.scores(title, text), self._scale, self._shift)
        first, second = (int(i) for i in np.argsort(-sure)[:2])
        return Label(
            self.labels[first],
            float(sure[first]),
            self.labels[second],
            dict(zip(self.labels, (float(p) for p in sure), strict=True)),
        )

    def reasons(self, title: str, text: str, most: int = 8) -> tuple[list[Reason], list[Reason]]:
        """The n-grams that spoke most for the label, and those that spoke most for the next one; strongest first.

        Of n-grams that lie within each other only the strongest is named.
        """
        guess = self.guess(title, text)
        first, second = self.labels.index(guess.label), self.labels.index(guess.second)
        weights: dict[str, float] = {}
        for field, said in enumerate(fields_of(title, text)):
            if not said:
                continue
            keys, lowered = grams(said, field, self.bits), said.lower()
            at = [
                (i, n) for n in range(1, min(LONGEST, len(lowered)) + 1) for i in range(len(lowered) - n + 1)
            ]
            different, where, counts = np.unique(keys, return_index=True, return_counts=True)
            known, count, there = self._known(different, counts)
            value = _LOG[np.minimum(count, len(_LOG)) - 1] * known[:, 0]
            norm = float(value @ value) ** 0.5
            if not norm:
                continue
            spoke = value * (known[:, 1 + first] - known[:, 1 + second]) * (self._weights[field] / norm)
            for index, weight in zip(where[there], spoke, strict=True):
                start, length = at[index]
                words = lowered[start : start + length]
                weights[words] = weights.get(words, 0.0) + float(weight)
        ranked = sorted(weights.items(), key=lambda w: -abs(w[1]))
        pro: list[Reason] = []
        contra: list[Reason] = []
        for words, weight in ranked:
            side = pro if weight > 0 else contra
            within = any(words in r.words or r.words in words for r in side)
            if weight and words.strip() and not within and len(side) < most:
                side.append(Reason(words, weight))
        return pro, contra


def probabilities(scores: Floats, scale: Floats, shift: Floats) -> Floats:
    """Calibrated probabilities of raw scores (last axis: labels): softmax of scores @ scale + shift."""
    z = scores @ scale + shift
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(z / z.sum(axis=-1, keepdims=True), np.float32)


# -- the file ----------------------------------------------------------------------------------------


def pack(document: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of a model's file. Adds to the document the digest of the arrays."""
    names = {v: k for k, v in _DTYPES.items()}
    header: dict[str, Any] = {}
    body = bytearray()
    for name, tensor in sorted(tensors.items()):
        raw = np.ascontiguousarray(tensor).tobytes()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    written = {**document, "format": FORMAT, "arrays_sha256": hashlib.sha256(body).hexdigest()}
    # safetensors allows texts only in its metadata.
    header["__metadata__"] = {"jiayuan": json.dumps(written, ensure_ascii=False, sort_keys=True)}
    head = json.dumps(header, ensure_ascii=False, sort_keys=True).encode()
    head += b" " * (-len(head) % 64 + 56)  # the arrays begin at a multiple of 64
    return len(head).to_bytes(8, "little") + head + bytes(body)


def load(path: Path) -> Model:
    """The model in a file, its arrays mapped, not read. BadModel says why it can't be used."""
    try:
        with path.open("rb") as handle:
            if path.stat().st_size > _MOST_BYTES:
                raise BadModel(f"{path} is no model of this release: it is larger than {_MOST_BYTES} bytes")
            raw = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        if isinstance(error, BadModel):
            raise
        raise BadModel(f"{path} can't be read: {error}") from None
    return unpack(raw, str(path))


def unpack(raw: bytes | mmap.mmap, name: str) -> Model:
    """The model in bytes; `name` is for errors. BadModel says why it can't be used."""
    document, header, start = _header(raw, name)
    if document.get("format") != FORMAT:
        raise BadModel(f"{name} has the format {document.get('format')!r}; this release reads {FORMAT!r}")
    view = memoryview(raw)[start:]
    said = hashlib.sha256(view).hexdigest()
    if said != document.get("arrays_sha256"):
        raise BadModel(
            f"{name} is damaged: its arrays have the digest {said[:12]}…, not the one in its header"
        )
    tensors: dict[str, npt.NDArray[Any]] = {}
    try:
        for key, entry in header.items():
            first, last = entry["data_offsets"]
            dtype = _DTYPES[entry["dtype"]]
            tensors[key] = np.frombuffer(view[first:last], dtype).reshape(entry["shape"])
        _check_shapes(document, tensors)
        return Model(document, tensors, hashlib.sha256(raw).hexdigest())
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BadModel(f"{name} is not whole: {type(error).__name__}: {error}") from None


def _header(raw: bytes | mmap.mmap, name: str) -> tuple[dict[str, Any], dict[str, Any], int]:
    size = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or not 2 <= size <= min(_MOST_HEADER, len(raw) - 8):
        raise BadModel(f"{name} is no model: it doesn't begin with a header")
    try:
        header = json.loads(raw[8 : 8 + size])
        document = json.loads(header.pop("__metadata__")["jiayuan"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadModel(f"{name} is no model: its header is not one of `jiayuan intake train`") from None
    if not isinstance(document, dict):
        raise BadModel(f"{name} is no model: its header is not one of `jiayuan intake train`")
    return document, header, 8 + size


def _check_shapes(document: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    labels = len(document["labels"])
    wanted = {
        "tags": (1 << document["bits"],),
        "slots": (1 << document["bits"],),
        "table": (len(tensors["table"]), 1 + labels),
        "bias": (labels,),
        "scale": (labels, labels),
        "shift": (labels,),
    }
    for key, shape in wanted.items():
        if tensors[key].shape != shape:
            raise ValueError(f"{key} has the shape {tensors[key].shape}, not {shape}")
    if not len(tensors["table"]) or int(tensors["slots"].max()) >= len(tensors["table"]):
        raise ValueError("slots name rows that the table doesn't have")
    if labels < 2 or len(document["field_weights"]) != len(_SALTS):
        raise ValueError("it has fewer than two labels or other fields")


def check_codes(model: Model, names: Mapping[str, str]) -> None:
    """BadModel unless every label stands for codes that the catalogue (code: name) has, under the same names."""
    for label in model.labels:
        for code in model.codes.get(label, ()):
            if code not in names:
                raise BadModel(
                    f"model {model.version}: its label {label} stands for {code}, which this catalogue doesn't have; "
                    "train it again for this catalogue"
                )
            trained = model.document["code_names"].get(code)
            if trained != names[code]:
                raise BadModel(
                    f"model {model.version}: {code} was {trained} when it was trained and is {names[code]} here; "
                    "train it again for this catalogue"
                )
        if not model.codes.get(label):
            raise BadModel(f"model {model.version}: its label {label} stands for no code of the catalogue")


def names_of(codes: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """code: name, for the document of a model."""
    return {code: names[code] for code in codes}
