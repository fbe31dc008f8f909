"""Golden examples: what was ever good must stay good."""

from __future__ import annotations

import re
import subprocess

import jsonschema  # type: ignore[import-untyped]
import pytest

from jiayuan.contracts import check, envelope, names
from jiayuan.contracts.generate import GOLDEN, MANIFEST, REPOSITORY, everything, json_schema, manifest

from .examples import KINDS, Example, examples, exchange, read

pytestmark = pytest.mark.unit

# Times are held to their pattern, which takes what the reader takes: a blank for the T as RFC 3339, 5.6, allows, and
# +0800. A validator that asserts `date-time` as well (they may, and some do) is stricter with what it sends.
FORMATS = jsonschema.FormatChecker(
    [f for f in jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers if f != "date-time"]
)
SCHEMAS = {
    e.name: jsonschema.Draft202012Validator(json_schema(e), format_checker=FORMATS) for e in everything()
}


def test_every_event_has_one() -> None:
    assert {e.kind.name for e in examples()} == set(KINDS)


@pytest.mark.parametrize("example", examples(), ids=str)
def test_good_for_the_reader_marshmallow_and_json_schema(example: Example) -> None:
    event = read(example.document, example.kind)
    assert event.name == example.kind.name
    assert check.explain(example.kind.schema, event.data) == []
    assert list(SCHEMAS[event.name].iter_errors(example.document)) == []
    # What we read we can write, and read again.
    partner = event.source.removeprefix("/partners/")
    again = envelope.decode(
        envelope.encode(event), names.CONTENT_TYPE, exchange=exchange(example.kind), user_id=partner
    )
    assert again == event


@pytest.mark.parametrize("kind", everything(), ids=lambda e: e.name)
def test_json_schemas_are_schemas(kind: object) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind.name].schema)  # type: ignore[attr-defined]


def test_none_was_changed_or_removed() -> None:
    """Raises GoldenChanged; a new one has no line yet: write it by `python -m jiayuan.contracts.generate`."""
    assert manifest(REPOSITORY) == (REPOSITORY / MANIFEST).read_text()


def test_no_line_of_the_manifest_was_ever_taken_out() -> None:
    """Not even together with its example: asks the history, where there is one (an export has none)."""
    if not (REPOSITORY / ".git").exists():
        return
    log = subprocess.run(
        ["git", "log", "-p", "--format=", "--no-renames", "--", MANIFEST],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.findall(r"^-([0-9a-f]{64} .*)$", log, re.MULTILINE) == []
    committed = set(re.findall(r"^\+([0-9a-f]{64}  .*)$", log, re.MULTILINE))
    assert committed <= set((REPOSITORY / MANIFEST).read_text().splitlines())


def test_no_personal_data_in_them() -> None:
    for path in sorted((REPOSITORY / GOLDEN).glob("*/*.json")):
        text = path.read_text()
        assert not re.search(r"(?<![0-9a-f-])1[3-9][0-9]{9}(?![0-9a-f])", text), f"a mobile number in {path}"
        assert not re.search(r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9])", text), (
            f"an identity number in {path}"
        )
