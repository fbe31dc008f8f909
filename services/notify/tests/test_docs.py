"""The pages say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click import Command, Group

from jiayuan.notify import digest, preferences, rules, templates
from jiayuan.notify.cli import notify
from jiayuan.notify.interface.document import interface
from jiayuan.notify.preferences import BARRIERS, URGENCY
from jiayuan.notify.templates import wechat
from jiayuan.notify.templates.text import parse

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
PAGES = {
    name: (ROOT / f"docs/notify/{name}.md").read_text("utf-8")
    for name in ("rules", "templates", "preferences")
}


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first heading that is."""
    lines = PAGES[page].splitlines()
    (start,) = [n for n, line in enumerate(lines) if line.startswith(f"| {heading} |")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def test_every_key_of_a_rule_is_explained() -> None:
    said = {name for row in table("rules", "key") for name in re.findall(r"\w+", row[0])}
    assert said == rules._KEYS - {"name"}


def test_what_each_selector_can_fill() -> None:
    wanted = []
    for to, works_on in rules._SELECTORS.items():
        for of, facts in works_on.items():
            surely = sorted([*(f for f, always in facts.items() if always), "receipt"])
            perhaps = sorted(f for f, always in facts.items() if not always)
            wanted.append([to, of, ", ".join(surely), ", ".join(perhaps)])
    assert sorted(table("rules", "to")) == sorted(wanted)


def test_what_a_rule_can_ask_for() -> None:
    said = {row[0]: sorted(re.findall(r"\w+", row[1])) for row in table("rules", "of")}
    assert said == {of: sorted(facts) for of, facts in rules._FACTS.items() if facts}


def test_every_fact_is_explained() -> None:
    wanted = [[name, fact.kind, fact.meaning] for name, fact in templates.FACTS.items()]
    assert sorted(table("templates", "fact")) == sorted(wanted)


def test_the_example_of_a_template_is_one() -> None:
    text = re.search(r'text: "(.*)"', PAGES["templates"])
    assert text is not None
    assert parse(text[1], "the example").conditions == ("due",)


def test_wechats_kinds() -> None:
    wanted = [
        [name, str(kind.longest), f"cut with {kind.ellipsis}" if kind.ellipsis else "refused", kind.said]
        for name, kind in wechat.KINDS.items()
    ]
    assert table("templates", "kind") == wanted


def test_what_may_be_refused_and_what_passes() -> None:
    wanted = [
        [name, s.name, ", ".join(sorted(s.refusable)) or "nobody", ", ".join(sorted(s.overrides))]
        for name, s in preferences.bundled().subjects.items()
    ]
    assert table("preferences", "subject") == wanted
    assert {word for row in wanted for word in re.findall(r"\w+", row[3])} <= set(BARRIERS)


def test_hours_caps_and_digests() -> None:
    policy = preferences.bundled()
    said = table("preferences", "what")
    spans: dict[tuple[str, ...], set[str]] = {}
    for (role, urgency), found in policy.quiet.items():
        for span in found:
            words = f"{span.start:%H:%M} to {span.end:%H:%M}, then spread over {span.spread} minutes"
            spans.setdefault((words, URGENCY[urgency]), set()).add(role)
    for (words, urgency), roles in spans.items():
        assert [
            row
            for row in said
            if row[2] == words and urgency in row[1] and roles <= set(re.findall(r"\w+", row[1]))
        ]
    assert {row[1]: row[2] for row in said if row[0] == "cap"} == {
        r: f"{n} a day" for r, n in policy.cap.items()
    }
    (row,) = [row for row in said if row[0] == "digest"]
    found = policy.digest
    assert row[2] == (
        f"from {found.many} within {found.within.total_seconds() / 60:.0f} minutes on; "
        f"waits {found.wait.total_seconds():.0f} s for more; the daily one at {found.daily:%H:%M}"
    )
    assert digest.TEMPLATE in templates.bundled()


def test_every_command_and_address_that_is_named_is_there() -> None:
    text = "\n".join(PAGES.values())
    for words in re.findall(r"jiayuan notify ([a-z]+(?: set| show)?)", text):
        command: Command = notify
        for word in words.split():
            assert isinstance(command, Group)
            command = command.commands[word]
    there = {re.sub(r"<(?:[^:>]*:)?(\w+)>", r"<\1>", path) for _, path, _, _ in interface().entrypoints()}
    named = set(re.findall(r"`(?:GET`, `)?(?:PUT |POST )?(/[a-z]+/[^` ]+)", text))
    assert {n.replace("<notice>", "<id>") for n in named} <= {t.replace("<notice>", "<id>") for t in there}
