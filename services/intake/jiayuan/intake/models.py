"""Which trained model is in force, which runs in its shadow, and how the two compare.

The models are rows of the database, their files included, so that all replicas have the same ones; each process looks
every few seconds, with the reports that it takes in, whether another was put in force.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jiayuan.chassis.work import Work

from . import store
from .category import Catalogue, Guess
from .classifier import Classifier
from .model import BadModel, Model, check_codes, unpack

log = logging.getLogger("jiayuan.intake.models")

LOOK_SECONDS: Final = 5.0
# In the shadow a model reads so many reports of a batch at most: it may slow a batch down by this much and no more.
MOST_SHADOWED: Final = 50


@dataclass(slots=True)
class _Looked:
    """What this process knows: of which database (its engine), when it looked, what it has in use."""

    database: Any = None
    at: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


_looked = _Looked()


def refresh(work: Work, classifier: Classifier, *, now: bool = False) -> None:
    """Puts the models in use that the database names; looks at most every few seconds, unless `now`.

    A model that can't be used is logged and left out: reports are taken all the same.
    """
    database = work.engine
    if not now and database is _looked.database and time.monotonic() - _looked.at < LOOK_SECONDS:
        return
    if database is not _looked.database:
        _looked.versions = {}
        classifier.use(None)
    _looked.database, _looked.at = database, time.monotonic()
    wanted = store.models_in_use(work)
    if wanted == _looked.versions:
        return
    known = {m.version: m for m in (classifier.model, classifier.shadow) if m is not None}
    found: dict[str, Model] = {}
    for state, version in wanted.items():
        try:
            one = known.get(version) or unpack(store.model_content(work, version), f"model {version}")
            check_codes(one, names(classifier.catalogue))
            found[state] = one
        except BadModel as error:
            log.error("a model can't be used", extra={"version": version, "why": str(error)})
    classifier.use(found.get(store.CURRENT), found.get(store.SHADOW))
    _looked.versions = wanted
    log.info(
        "models in use", extra={"current": wanted.get(store.CURRENT), "shadow": wanted.get(store.SHADOW)}
    )


def forget() -> None:
    """Forgets what was looked up, as a new process would know nothing."""
    _looked.database, _looked.versions = None, {}


def names(catalogue: Catalogue) -> dict[str, str]:
    """code: name of a catalogue."""
    return {c.code: c.name for c in catalogue.categories.values()}


def record(work: Work, classifier: Classifier, taken: Sequence[tuple[str, str, str, Guess]]) -> None:
    """Keeps what the model in the shadow says of new reports: (id, title that was given, text, what was decided)."""
    shadow = classifier.shadow
    if shadow is None:
        return
    rows = []
    for id_, title, text, decided in taken[:MOST_SHADOWED]:
        guess = classifier.by_model(shadow, title, text)
        rows.append(
            {
                "version": shadow.version,
                "report": id_,
                "label": guess.label,
                "code": guess.category.code,
                "confidence": guess.confidence,
                "current_version": classifier.model.version if classifier.model and decided.label else None,
                "current_label": decided.label or None,
                "current_code": decided.category.code,
                "current_confidence": decided.confidence,
            }
        )
    if rows:
        store.add_shadow_guesses(work, rows)


# -- what commands do --------------------------------------------------------------------------------


def add(work: Work, raw: bytes, name: str, catalogue: Catalogue, who: str, reason: str) -> Model:
    """Keeps a model's file as a candidate. BadModel when it can't be used here; the same file again changes nothing."""
    found = unpack(raw, name)
    check_codes(found, names(catalogue))
    store.hold_models(work)
    if store.add_model(work, found.version, found.digest, dict(found.document), raw):
        store.note_step(work, found.version, "add", None, who, reason)
        return found
    for row in store.model_list(work):
        if row.version == found.version and row.digest != found.digest:
            raise BadModel(f"there is another model {found.version} already, of digest {row.digest[:16]}")
    return found


def shadow(work: Work, version: str, who: str, reason: str) -> None:
    """Lets a model run in the shadow of the one in force, instead of any other."""
    store.hold_models(work)
    states = _states(work, version)
    if states[version] == store.CURRENT:
        raise BadModel(f"{version} is in force; a model can't be its own shadow")
    for other, state in states.items():
        if state == store.SHADOW:
            store.model_state(work, other, store.CANDIDATE)
    store.model_state(work, version, store.SHADOW)
    store.note_step(work, version, "shadow", None, who, reason)


def promote(work: Work, version: str, who: str, reason: str, *, worse: bool = False) -> str | None:
    """Puts a model in force; gives the version that was until then. Refuses one with worse figures unless `worse`."""
    store.hold_models(work)
    states = _states(work, version)
    before = next((v for v, s in states.items() if s == store.CURRENT), None)
    if before == version:
        raise BadModel(f"{version} is in force already")
    documents = {r.version: r.document for r in store.model_list(work)}
    if before is not None and not worse:
        new, old = (documents[v]["figures"]["macro_f1"] for v in (version, before))
        if new < old:
            raise BadModel(
                f"{version} has macro-F1 {new:.4f}, {before} in force has {old:.4f}; "
                "--worse puts it in force all the same"
            )
    _put(work, version, before)
    store.note_step(work, version, "promote", before, who, reason)
    return before


def rollback(work: Work, who: str, reason: str) -> tuple[str | None, str | None]:
    """Undoes the last promotion that stands: (what was in force, what is now; None: keywords alone)."""
    store.hold_models(work)
    current = store.models_in_use(work).get(store.CURRENT)
    if current is None:
        raise BadModel("no model is in force: there is nothing to undo")
    came = next(s for s in store.model_steps(work) if s.action == "promote" and s.version == current)
    _put(work, came.before, current)
    store.note_step(work, current, "rollback", came.before, who, reason)
    return current, came.before


def _put(work: Work, version: str | None, before: str | None) -> None:
    if before is not None:
        store.model_state(work, before, store.RETIRED)
    if version is not None:
        store.model_state(work, version, store.CURRENT)


def _states(work: Work, version: str) -> dict[str, str]:
    states = {r.version: r.state for r in store.model_list(work)}
    if version not in states:
        here = ", ".join(states) or "none"
        raise BadModel(f"there is no model {version}; there are: {here}")
    return states


@dataclass(slots=True)
class Comparison:
    """A model in the shadow beside what was decided.

    `same`: of `reports`, those where both mean the same label, or where the decided code is one of the shadow's
    label. `apart`: (decided, shadow): how often. `corrected`: reports that the desk put right since, and of these
    those where the decision and where the shadow had meant what the desk said.
    """

    reports: int = 0
    same: int = 0
    apart: Counter[tuple[str, str]] = field(default_factory=Counter)
    corrected: int = 0
    decided_right: int = 0
    shadow_right: int = 0


def compare(work: Work, version: str, catalogue: Catalogue) -> Comparison:
    """How a model did in the shadow."""
    documents = {r.version: r.document for r in store.model_list(work)}
    if version not in documents:
        _states(work, version)
    out = Comparison()
    for row in store.shadow_guesses(work, version):
        out.reports += 1
        meant = documents[version]["codes"][row.label]
        decided = documents[row.current_version]["codes"][row.current_label] if row.current_version else None
        if row.current_label == row.label or (decided is None and _among(row.current_code, meant, catalogue)):
            out.same += 1
        else:
            out.apart[row.current_label or row.current_code, row.label] += 1
        if row.corrected is not None:
            out.corrected += 1
            out.shadow_right += _among(row.corrected, meant, catalogue)
            out.decided_right += _among(row.corrected, decided or [row.current_code], catalogue)
    return out


def _among(code: str, codes: Sequence[str], catalogue: Catalogue) -> bool:
    return not set(codes).isdisjoint((code, *catalogue.line(code)))
