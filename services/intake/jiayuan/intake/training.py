"""Training the classifier of reports on labelled messages, and measuring it. Needs `jiayuan-intake[train]`.

What nearly says the same stays on one side of every split, or the figures would flatter: by the groups that come with
the data, else by our own. Every figure is of messages that neither the weights nor the calibration have seen: each
fold's calibration is fitted on folds within its training part. How features are weighed was chosen on the splits of
seed 0 (docs/classifier.md): those of other seeds are the fairer ones.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import people, text
from .model import TAG_BITS, BadModel, Floats, Model, bag, fields_of, pack, probabilities, unpack

SURE_SHARE: Final = 0.85
FOLDS: Final = 5
BITS: Final = 22
# How much the title's own n-grams count beside those of title and text.
FIELD_WEIGHTS: Final = (0.5, 1.0)
_INNER_FOLDS: Final = 5
_MIN_DF: Final = 2
_C: Final = 1.0
_GRAVITY: Final = 7.0
_BINS: Final = 10
_TEXT_COLUMNS: Final = ("text", "detail", "content", "正文", "内容", "留言详情")
_TITLE_COLUMNS: Final = ("title", "subject", "标题", "主题", "留言主题")
_LABEL_COLUMNS: Final = ("label", "category", "类别", "一级标签", "一级分类")

Sparse = Any  # scipy.sparse.csr_matrix; scipy has no types


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled message in normal form, masked. `row`: its number in the file; `group`: of near duplicates."""

    title: str
    text: str
    label: str
    row: int
    group: int = -1


@dataclass(slots=True)
class Figures:
    """What a model got right on messages it had not seen; see docs/classifier.md.

    `sure_accuracy`: of the share `sure_share` with the longest lead over the next label; `sure_threshold`: that lead.
    """

    rows: int
    groups: int
    folds: int
    seeds: list[int]
    macro_f1: float
    macro_f1_by_seed: list[float]
    accuracy: float
    sure_share: float
    sure_accuracy: float
    sure_threshold: float
    expected_calibration_error: float
    reliability: list[dict[str, float]] = field(default_factory=list)
    by_label: dict[str, dict[str, float]] = field(default_factory=dict)
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As a model's file carries it."""
        return asdict(self)


# -- what is learned from ----------------------------------------------------------------------------


def read_messages(path: Path, *, columns: Mapping[str, str] | None = None) -> list[tuple[str, str, str, int]]:
    """The labelled messages of a JSONL or CSV file as they stand there: (title, text, label, row).

    `columns`: which column is `title`, `text` and `label`, where it isn't one of the usual names. BadModel names the
    line and the field that is missing, and what is allowed.
    """
    chosen = dict(columns or {})
    out: list[tuple[str, str, str, int]] = []
    for number, row in _rows(path):
        if not out:
            usual = {"text": _TEXT_COLUMNS, "title": _TITLE_COLUMNS, "label": _LABEL_COLUMNS}
            for what, names in usual.items():
                if what not in chosen:
                    chosen[what] = next((n for n in names if n in row), "")
            for what, column in chosen.items():
                if column not in row and (column or what != "title"):
                    raise BadModel(
                        f"{path}, line {number}: no {what}; its columns are {', '.join(map(str, row))}: "
                        f"name one with --{what}"
                    )
        label, said = row.get(chosen["label"]), row.get(chosen["text"])
        if not isinstance(label, str) or not label.strip():
            raise BadModel(f"{path}, line {number}: {chosen['label']} is empty or no text")
        if not isinstance(said, str):
            raise BadModel(f"{path}, line {number}: {chosen['text']} is no text")
        title = row.get(chosen["title"]) if chosen["title"] else ""
        id_ = _whole(row.get("row", number), number)
        out.append((title if isinstance(title, str) else "", said, label.strip(), id_))
    if not out:
        raise BadModel(f"{path} holds no message")
    return out


def example(title: str, said: str, label: str, row: int) -> Example:
    """An example brought to the form in which intake reads reports."""
    return Example(
        text.shorten(people.mask(text.one_line(title)), text.MAX_TITLE),
        text.shorten(people.mask(text.normal(said)), text.MAX_TEXT),
        label,
        row,
    )


def _whole(value: Any, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return otherwise


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if path.suffix.lower() == ".csv":
                yield from enumerate(csv.DictReader(lines), start=2)
                return
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise BadModel(f"{path}, line {number}: not a JSON object")
                yield number, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadModel(f"{path} can't be read: {error}") from None
    except json.JSONDecodeError as error:
        raise BadModel(f"{path}, line {number}: not JSON: {error}") from None


def with_groups(examples: Sequence[Example], path: Path | None) -> list[Example]:
    """The examples with their groups: by `near_duplicates`, and by a CSV (row, group) if there is one.

    A negative row is no row of the file (it is a correction): the CSV needs no line for it.
    """
    found = near_duplicates([f"{e.title}\n{e.text}" for e in examples])
    if path is None:
        return [_in_group(e, g) for e, g in zip(examples, found, strict=True)]
    known: dict[int, int] = {}
    for number, row in _rows(path):
        values = list(row.values())
        try:
            known[int(row.get("row", values[0]))] = int(row.get("neardup_group", values[-1]))
        except (TypeError, ValueError, IndexError):
            raise BadModel(f"{path}, line {number}: must hold two numbers, row and group") from None
    missing = [e.row for e in examples if e.row >= 0 and e.row not in known]
    if missing:
        raise BadModel(f"{path} names no group for {len(missing)} messages, the first is row {missing[0]}")
    # What either says is alike is one group.
    firsts: dict[int, int] = {}
    parent = list(range(len(examples)))
    for index, one in enumerate(examples):
        _join(parent, index, found[index])
        if one.row >= 0:
            _join(parent, index, firsts.setdefault(known[one.row], index))
    return [_in_group(e, _top(parent, i)) for i, e in enumerate(examples)]


def _top(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: list[int], a: int, b: int) -> None:
    parent[_top(parent, a)] = _top(parent, b)


def _in_group(one: Example, group: int) -> Example:
    return Example(one.title, one.text, one.label, one.row, group)


def near_duplicates(texts: Sequence[str], *, alike: float = 0.5) -> list[int]:
    """A group for every text: those that share at least `alike` of their runs of 5 characters are in one (Jaccard).

    Candidates by MinHash in 32 bands of 3 (a pair at .5 is missed once in 70), then the share itself is counted.
    Groups are chains: if a is like b and b like c, all three are one.
    """
    bands, each = 32, 3
    random = np.random.default_rng(5)
    factors = random.integers(1, 2**63, bands * each, dtype=np.uint64) | np.uint64(1)
    parent = list(range(len(texts)))
    shingles = [_shingles(t) for t in texts]
    buckets: dict[tuple[int, bytes], list[int]] = {}
    for index, set_ in enumerate(shingles):
        if not len(set_):
            continue
        least = (set_[:, None] * factors[None, :]).min(axis=0).reshape(bands, each)
        for band in range(bands):
            buckets.setdefault((band, least[band].tobytes()), []).append(index)
    seen: set[tuple[int, int]] = set()
    for members in buckets.values():
        # A bucket of many is one text again and again: each is held against the first few.
        for at, b in enumerate(members[1:], start=1):
            for a in members[: min(at, 5)]:
                if (a, b) in seen or _top(parent, a) == _top(parent, b):
                    continue
                seen.add((a, b))
                both = len(np.intersect1d(shingles[a], shingles[b], assume_unique=True))
                if both >= alike * (len(shingles[a]) + len(shingles[b]) - both):
                    _join(parent, b, a)
    return [_top(parent, i) for i in range(len(texts))]


def _shingles(said: str) -> npt.NDArray[np.uint64]:
    plain = "".join(c for c in said.lower() if c.isalnum())
    code = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(code) < 5:
        return np.unique(code)
    state = code[: len(code) - 4].copy()
    for offset in range(1, 5):
        state = state * np.uint64(0x100000001B3) + code[offset : len(code) - 4 + offset]
    state ^= state >> np.uint64(31)
    return np.unique(state * np.uint64(0x9E3779B97F4A7C15))


def digest_of(examples: Iterable[Example]) -> str:
    """The digest of what is learned from: the same for the same messages and labels, in whatever order."""
    lines = sorted(hashlib.sha256(f"{e.label}\0{e.title}\0{e.text}".encode()).digest() for e in examples)
    return hashlib.sha256(b"".join(lines)).hexdigest()


# -- learning ----------------------------------------------------------------------------------------


def _libraries() -> tuple[Any, Any, Any, Any]:
    try:
        import scipy.sparse
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise BadModel(
            f"training needs scikit-learn, which is not here ({error}): pip install 'jiayuan-intake[train]'"
        ) from None
    return scipy.sparse, LogisticRegression, StratifiedGroupKFold, LinearSVC


@dataclass(slots=True)
class Counts:
    """How often each n-gram is in each message: a sparse matrix for the title, and one for title and text.

    Column i of both is the n-gram with the key `keys[i]`, of `bits` bits of slot.
    """

    parts: list[Sparse]
    keys: npt.NDArray[np.uint64]
    bits: int


def counts(examples: Sequence[Example], bits: int = BITS) -> Counts:
    """Counts the n-grams of messages; those met in one message only are left out."""
    sparse, *_ = _libraries()
    bags = [
        [bag(said, which, bits) if (said := fields_of(e.title, e.text)[which]) else None for e in examples]
        for which in range(len(FIELD_WEIGHTS))
    ]
    met, often = np.unique(np.concatenate([b[0] for part in bags for b in part if b]), return_counts=True)
    keys = met[often >= _MIN_DF]
    parts = []
    for part in bags:
        start, columns, values = [0], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for one in part:
            if one:
                at = np.minimum(np.searchsorted(keys, one[0]), len(keys) - 1)
                known = keys[at] == one[0]
                columns.append(at[known])
                values.append(one[1][known])
                start.append(start[-1] + len(columns[-1]))
            else:
                start.append(start[-1])
        flat, where = np.concatenate(values).astype(np.float32), np.concatenate(columns).astype(np.int32)
        parts.append(sparse.csr_matrix((flat, where, start), shape=(len(examples), len(keys))))
    return Counts(parts, keys, bits)


def telling(found: Counts, y: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Floats:
    """How much each n-gram tells of the labels of the messages `rows`; 0 for those met only once there.

    1 + 7 x inverse gravity moment (Chen et al., 2016): the share of a label's messages that hold it, for the label
    where that is greatest, over the sum of the shares of all labels, each times its rank. It is greatest for what one
    label alone says. Of two n-grams with one slot the one that is met more often has it.
    """
    width = len(found.keys)
    shares = np.zeros((int(y.max()) + 1, width), np.float32)
    seen = np.zeros(width, np.int64)
    for label in range(len(shares)):
        mine = rows[y[rows] == label]
        met = np.zeros(width, np.int64)
        for part in found.parts:
            met += np.bincount(part[mine].indices, minlength=width)
        seen += met
        shares[label] = met / max(1, len(mine))
    shares = -np.sort(-shares, axis=0)
    ranked = (shares * np.arange(1, len(shares) + 1, dtype=np.float32)[:, None]).sum(axis=0)
    gravity = np.divide(shares[0], ranked, out=np.zeros_like(ranked), where=ranked > 0)
    slots = found.keys >> np.uint64(TAG_BITS)
    order = np.lexsort((found.keys, -seen, slots))
    first = np.ones(width, bool)
    first[1:] = slots[order][1:] != slots[order][:-1]
    owner = np.zeros(width, bool)
    owner[order[first]] = True
    return np.where(owner & (seen >= _MIN_DF), 1 + _GRAVITY * gravity, 0.0).astype(np.float32)


def weighed(parts: Sequence[Sparse], worth: Floats) -> Sparse:
    """The messages as the model sees them: (1 + log count) x how telling, each field of length 1 times its weight."""
    sparse, *_ = _libraries()
    total: Any = sparse.csr_matrix(parts[0].shape, dtype=np.float32)
    for part, weight in zip(parts, FIELD_WEIGHTS, strict=True):
        value = part.copy()
        value.data = (1 + np.log(value.data)) * worth[value.indices]
        norm = np.sqrt(np.asarray(value.multiply(value).sum(axis=1)).ravel())
        value = sparse.diags(np.divide(weight, norm, out=np.zeros_like(norm), where=norm > 0)) @ value
        total = total + value
    return total.tocsr().astype(np.float32)


@dataclass(slots=True)
class Learned:
    """How telling every n-gram is, its weight for every label, and each label's bias."""

    worth: Floats
    weights: Floats
    bias: Floats

    def scores(self, found: Counts, rows: npt.NDArray[np.int64]) -> Floats:
        """Raw scores of messages."""
        seen = weighed([p[rows] for p in found.parts], self.worth)
        return np.asarray(seen @ self.weights + self.bias, np.float32)


def learn(found: Counts, y: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Learned:
    """Learns from the messages `rows`: a linear support vector machine, each label against the rest."""
    *_, machine = _libraries()
    worth = telling(found, y, rows)
    kept = np.flatnonzero(worth)
    seen = weighed([p[rows] for p in found.parts], worth)[:, kept]
    svm = machine(C=_C, random_state=0).fit(seen, y[rows])
    coef, bias = svm.coef_, svm.intercept_
    if len(coef) == 1:  # of two labels scikit-learn gives the second one's score alone
        coef, bias = np.vstack([-coef, coef]), np.concatenate([-bias, bias])
    weights = np.zeros((len(worth), len(coef)), np.float32)
    weights[kept] = coef.T
    return Learned(worth, weights, np.asarray(bias, np.float32))


def calibrate(scores: Floats, y: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """What turns scores into probabilities (scale, shift), from scores of messages the weights hadn't seen."""
    _, regression, *_ = _libraries()
    fitted = regression(C=10.0, max_iter=2000).fit(scores, y)
    coef, shift = fitted.coef_, fitted.intercept_
    if len(coef) == 1:
        coef, shift = np.vstack([-coef / 2, coef / 2]), np.concatenate([-shift / 2, shift / 2])
    return np.asarray(coef.T, np.float32), np.asarray(shift, np.float32)


def _folds(y: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], n: int, seed: int) -> list[Any]:
    _, _, splitter, _ = _libraries()
    return list(splitter(n, shuffle=True, random_state=seed).split(y, y, groups))


def _unseen(
    found: Counts,
    y: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    folds: int,
    seed: int,
) -> Floats:
    """The scores of messages, each by weights that were learned without its fold."""
    out = np.zeros((len(rows), int(y.max()) + 1), np.float32)
    for train, test in _folds(y[rows], groups[rows], folds, seed):
        out[test] = learn(found, y, rows[train]).scores(found, rows[test])
    return out


def check_enough(examples: Sequence[Example], folds: int) -> list[str]:
    """The labels, sorted. BadModel unless there are two or more, each in as many groups as there are folds."""
    groups: dict[str, set[int]] = {}
    for e in examples:
        groups.setdefault(e.label, set()).add(e.group)
    few = sorted(k for k, g in groups.items() if len(g) < folds)
    if len(groups) < 2:
        raise BadModel(f"training needs at least two labels; the messages have {len(groups)}")
    if few:
        raise BadModel(
            f"{'、'.join(few)}: fewer than {folds} different messages; leave the label out or find more"
        )
    return sorted(groups)


def evaluate(
    examples: Sequence[Example],
    *,
    folds: int = FOLDS,
    seeds: Sequence[int] = (0,),
    bits: int = BITS,
    say: Any = lambda _line: None,
) -> Figures:
    """Measures on messages that were not learned from: `folds` grouped folds, for each seed once."""
    labels = check_enough(examples, folds)
    y, groups = _numbers(examples, labels)
    found = counts(examples, bits)
    all_sure, f1s = [], []
    for seed in seeds:
        sure = np.zeros((len(y), len(labels)), np.float32)
        for number, (train, test) in enumerate(_folds(y, groups, folds, seed), start=1):
            scale, shift = calibrate(_unseen(found, y, groups, train, _INNER_FOLDS, seed), y[train])
            learned = learn(found, y, train)
            sure[test] = probabilities(learned.scores(found, test), scale, shift)
            right = float((sure[test].argmax(1) == y[test]).mean())
            say(f"seed {seed}, fold {number} of {folds}: {right:.4f} of {len(test)} right")
        all_sure.append(sure)
        f1s.append(_macro_f1(y, sure.argmax(1), len(labels)))
    return _figures(y, groups, all_sure, f1s, labels, folds, list(seeds))


def sketch(examples: Sequence[Example], bits: int = BITS) -> Model:
    """A model that has learned from all examples, without calibration, figures or codes: to measure its speed."""
    labels = check_enough(examples, 1)
    y, _ = _numbers(examples, labels)
    found = counts(examples, bits)
    learned = learn(found, y, np.arange(len(y)))
    document = {
        "version": "sketch",
        "labels": labels,
        "codes": {k: [k] for k in labels},
        "bits": bits,
        "field_weights": list(FIELD_WEIGHTS),
    }
    plain = np.eye(len(labels), dtype=np.float32), np.zeros(len(labels), np.float32)
    return unpack(pack(document, _tensors(found, learned, *plain)), "sketch")


def speed(model: Model, messages: Sequence[tuple[str, str, str, int]]) -> float:
    """Messages a second on one core, from what was sent to the guess: normal form, masks, n-grams, probabilities."""
    began = time.process_time()
    for title, said, label, row in messages:
        one = example(title, said, label, row)
        model.guess(one.title, one.text)
    return len(messages) / (time.process_time() - began)


def _tensors(found: Counts, learned: Learned, scale: Floats, shift: Floats) -> dict[str, npt.NDArray[Any]]:
    kept = np.flatnonzero(learned.worth)
    rows = np.concatenate([learned.worth[kept, None], learned.weights[kept]], axis=1)
    table = np.concatenate([rows, np.zeros((1, rows.shape[1]))]).astype(np.float16)
    tags = np.zeros(1 << found.bits, np.uint16)
    slots = np.full(1 << found.bits, len(kept), np.uint32)
    at = found.keys[kept] >> np.uint64(TAG_BITS)
    tags[at] = found.keys[kept].astype(np.uint16)
    slots[at] = np.arange(len(kept))
    return {
        "tags": tags,
        "slots": slots,
        "table": table,
        "bias": learned.bias,
        "scale": scale,
        "shift": shift,
    }


def train(
    examples: Sequence[Example],
    codes: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    *,
    figures: Figures,
    origin: Mapping[str, Any],
    bits: int = BITS,
    made_at: str = "",
) -> bytes:
    """The file of a model that has learned from all examples.

    `codes`: what each label stands for; `names`: code: name of those codes; `figures`: what `evaluate` found of the
    same examples; `origin`: where they are from. The version is the day and the digest of what was learned from.
    """
    labels = check_enough(examples, FOLDS)
    y, groups = _numbers(examples, labels)
    found = counts(examples, bits)
    rows = np.arange(len(y))
    scale, shift = calibrate(_unseen(found, y, groups, rows, FOLDS, 0), y)
    learned = learn(found, y, rows)
    data = digest_of(examples)
    made = made_at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    import sklearn

    document = {
        "version": f"{made[:10]}-{data[:8]}",
        "made_at": made,
        "labels": labels,
        "codes": {k: list(codes[k]) for k in labels},
        "code_names": {c: names[c] for k in labels for c in codes[k]},
        "bits": bits,
        "field_weights": list(FIELD_WEIGHTS),
        "training": {
            "digest": data,
            "messages": len(examples),
            "groups": len(set(groups.tolist())),
            "by_label": dict(sorted(Counter(e.label for e in examples).items())),
            **origin,
        },
        "figures": figures.document(),
        "made_with": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    }
    packed = pack(document, _tensors(found, learned, scale, shift))
    unpack(packed, "the new model")  # what can't be read again must not be left behind
    return packed


def _numbers(
    examples: Sequence[Example], labels: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    number = {label: i for i, label in enumerate(labels)}
    return (
        np.array([number[e.label] for e in examples], np.int64),
        np.array([e.group for e in examples], np.int64),
    )


# -- figures -----------------------------------------------------------------------------------------


def _by_label(y: npt.NDArray[np.int64], found: npt.NDArray[np.int64], number: int) -> list[dict[str, float]]:
    out = []
    for i in range(number):
        both = int(((y == i) & (found == i)).sum())
        said, there = int((found == i).sum()), int((y == i).sum())
        precision, recall = both / said if said else 0.0, both / there if there else 0.0
        f1 = 2 * precision * recall / (precision + recall) if both else 0.0
        out.append({"precision": precision, "recall": recall, "f1": f1, "messages": there})
    return out


def _macro_f1(y: npt.NDArray[np.int64], found: npt.NDArray[np.int64], number: int) -> float:
    return float(np.mean([row["f1"] for row in _by_label(y, found, number)]))


def _figures(
    y: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    all_sure: Sequence[Floats],
    f1s: list[float],
    labels: Sequence[str],
    folds: int,
    seeds: list[int],
) -> Figures:
    truth = np.tile(y, len(all_sure))
    sure = np.concatenate(all_sure)
    found, confidence = sure.argmax(1), sure.max(1)
    right = found == truth
    # Sure is who is far ahead of the next: 0.5 against 0.1 more than 0.5 against 0.45.
    two = np.sort(sure, axis=1)[:, -2:]
    lead = two[:, 1] - two[:, 0]
    order = np.argsort(-lead, kind="stable")
    surest = order[: round(SURE_SHARE * len(order))]
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    reliability, error = [], 0.0
    for b in range(_BINS):
        here = bins == b
        if here.any():
            said, was = float(confidence[here].mean()), float(right[here].mean())
            error += float(here.mean()) * abs(said - was)
            reliability.append(
                {
                    "from": b / _BINS,
                    "to": (b + 1) / _BINS,
                    "messages": int(here.sum()),
                    "confidence": said,
                    "accuracy": was,
                }
            )
    confusion = {
        labels[i]: {
            labels[j]: n for j in range(len(labels)) if (n := int(((truth == i) & (found == j)).sum()))
        }
        for i in range(len(labels))
    }
    return Figures(
        rows=len(y),
        groups=len(set(groups.tolist())),
        folds=folds,
        seeds=seeds,
        macro_f1=float(np.mean(f1s)),
        macro_f1_by_seed=f1s,
        accuracy=float(right.mean()),
        sure_share=SURE_SHARE,
        sure_accuracy=float(right[surest].mean()),
        sure_threshold=float(lead[surest[-1]]),
        expected_calibration_error=error,
        reliability=reliability,
        by_label=dict(zip(labels, _by_label(truth, found, len(labels)), strict=True)),
        confusion=confusion,
    )
