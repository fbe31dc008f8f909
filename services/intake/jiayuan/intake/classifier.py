"""Which matter a report is about: what the sender said, the trained model's label, and keywords for the leaf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from . import category as categories
from .category import KEYWORDS, Catalogue, Guess
from .model import BadModel, Model, check_codes

MODEL: Final = "model"
# Above this, keywords for a leaf that no label of the model names stand against the model.
_SURE_WORDS: Final = 0.6


class Classifier:
    """The catalogue with the model in force, if there is one, and perhaps a second that runs in its shadow.

    Without a model the catalogue's keywords decide, with low confidence. The confidence of a model's guess is the
    calibrated probability of its label; the leaf within it is the keywords' choice and has no figure of its own.
    """

    def __init__(self, catalogue: Catalogue, model: Model | None = None) -> None:
        self.catalogue = catalogue
        self.model: Model | None = None
        self.shadow: Model | None = None
        self._within: dict[str, frozenset[str]] = {}
        self._beyond: frozenset[str] = frozenset()
        if model is not None:
            self.use(model)

    def use(self, model: Model | None, shadow: Model | None = None) -> None:
        """Puts a model in force. BadModel, and nothing changes, when one of them isn't made for this catalogue."""
        for one in (model, shadow):
            if one is not None:
                check_codes(one, {c.code: c.name for c in self.catalogue.categories.values()})
        within = {} if model is None else {k: self.catalogue.under(model.codes[k]) for k in model.labels}
        covered = frozenset().union(*within.values())
        self._within, self._beyond = within, self.catalogue.leaves - covered
        self.model, self.shadow = model, shadow

    def classify(self, title: str, text: str, given: str = "") -> Guess:
        """The category of a report in normal form. A code that the sender gave is believed, if it exists."""
        model = self.model
        if model is None or given in self.catalogue.categories:
            return self.catalogue.classify(title, text, given)
        return self.by_model(model, title, text, self._within, self._beyond)

    def by_model(
        self,
        model: Model,
        title: str,
        text: str,
        within: Mapping[str, frozenset[str]] | None = None,
        beyond: frozenset[str] = frozenset(),
    ) -> Guess:
        """What a model makes of a report; without `within` the label's own category, whatever keywords say."""
        said = model.guess(title, text)
        codes = model.codes[said.label]
        default = self.catalogue.categories[codes[0]]
        second = model.codes[said.second][0]
        confidence = round(said.confidence, 4)
        if within is None:
            return Guess(default, confidence, MODEL, (), second, said.label)
        found = self.catalogue.words_of(title, text)
        if beyond and found:
            free = self.catalogue.by_words(found)
            if free.category.code in beyond and free.confidence >= _SURE_WORDS:
                return free
        leaf = self.catalogue.by_words(found, within[said.label])
        if leaf.method == KEYWORDS:
            return Guess(leaf.category, confidence, MODEL, leaf.why, second, said.label)
        return Guess(default, confidence, MODEL, (), second, said.label)


@lru_cache(maxsize=1)
def bundled_labels() -> dict[str, tuple[str, ...]]:
    """What labels stand for, as intake ships it."""
    source = resources.files("jiayuan.intake").joinpath("data/labels.yaml").read_bytes()
    return _labels(source, "data/labels.yaml")


def read_labels(path: Path) -> dict[str, tuple[str, ...]]:
    """What labels stand for, from a file like data/labels.yaml. BadModel says what is wrong with it."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadModel(f"{path} can't be read: {error}") from None
    return _labels(source, str(path))


def _labels(source: bytes, name: str) -> dict[str, tuple[str, ...]]:
    try:
        document: Any = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BadModel(f"{name} is not YAML: {error}") from None
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise BadModel(f"{name}: `labels` is missing; it maps each label to a list of codes")
    out = {}
    for label, codes in labels.items():
        if not isinstance(codes, list) or not codes or not all(isinstance(c, str) for c in codes):
            raise BadModel(f'{name}: labels.{label} must be a list of codes in quotes, like ["04", "0101"]')
        out[str(label)] = tuple(codes)
    return out


def codes_of(
    labels: Iterable[str], mapped: Mapping[str, tuple[str, ...]], catalogue: Catalogue
) -> dict[str, tuple[str, ...]]:
    """What each label stands for. BadModel names the labels that are neither mapped nor codes, and unknown codes."""
    out: dict[str, tuple[str, ...]] = {}
    unmapped = []
    for label in labels:
        if label in mapped:
            out[label] = mapped[label]
        elif label in catalogue.categories:
            out[label] = (label,)
        else:
            unmapped.append(label)
    if unmapped:
        raise BadModel(
            f"no code of the catalogue for the label(s) {'、'.join(sorted(unmapped))}; "
            "add them to a file like data/labels.yaml and name it with --labels"
        )
    unknown = sorted({c for codes in out.values() for c in codes} - set(catalogue.categories))
    if unknown:
        raise BadModel(f"the labels name codes that the catalogue doesn't have: {', '.join(unknown)}")
    return out


def label_of(code: str, codes: Mapping[str, tuple[str, ...]], catalogue: Catalogue) -> str | None:
    """The label that a code of the catalogue belongs to, for training on it; None where it isn't one alone."""
    for one in catalogue.line(code):
        found = [k for k, v in codes.items() if one in v]
        if found:
            return found[0] if len(found) == 1 else None
    return None


@lru_cache(maxsize=1)
def bundled() -> Classifier:
    """A classifier on the catalogue that comes with intake, without a model until one is put in force."""
    return Classifier(categories.bundled())
