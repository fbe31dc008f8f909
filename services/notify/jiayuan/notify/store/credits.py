"""Consent credits: how many messages of a template somebody has agreed to. Each accept is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from jiayuan.chassis.work import Work

Key = tuple[str, str]
"""A keyed digest of the openid, and the vendor's id of the template."""

_GIVE: Final = """
INSERT INTO credit (person, template, balance, changed_at)
SELECT person, template, n, :now
FROM unnest(CAST(:people AS text[]), CAST(:templates AS text[]), CAST(:numbers AS int[])) AS g(person, template, n)
ORDER BY person, template
ON CONFLICT (person, template) DO UPDATE SET balance = least(credit.balance + excluded.balance, 1000),
                                             changed_at = excluded.changed_at
"""

# Rows are locked in their order; of one that others have used up meanwhile the newest balance counts.
_TAKE: Final = """
WITH wanted AS (
    SELECT * FROM unnest(CAST(:people AS text[]), CAST(:templates AS text[]), CAST(:numbers AS int[]))
        AS w(person, template, n)),
held AS (
    SELECT c.person, c.template, least(c.balance, w.n) AS taken
    FROM credit c JOIN wanted w USING (person, template)
    WHERE c.balance > 0 ORDER BY c.person, c.template FOR UPDATE OF c)
UPDATE credit c SET balance = c.balance - h.taken, changed_at = :now
FROM held h WHERE c.person = h.person AND c.template = h.template
RETURNING c.person, c.template, h.taken
"""


def give(work: Work, keys: Iterable[Key]) -> None:
    """One more message each; the same key may come several times."""
    if counted := Counter(keys):
        work.execute(_GIVE, now=work.now, **_columns(counted))


def take(work: Work, keys: Sequence[Key]) -> Counter[Key]:
    """Use up one credit for each of the keys, as far as there are any; how many of which."""
    if not keys:
        return Counter()
    found = work.execute(_TAKE, now=work.now, **_columns(Counter(keys)))
    return Counter({(row.person, row.template): row.taken for row in found})


def none(work: Work, keys: Iterable[Key]) -> None:
    """There is no consent (any more): whatever was counted, the vendor refuses."""
    people, templates = zip(*sorted(set(keys)), strict=True) if keys else ((), ())
    work.execute(
        "UPDATE credit SET balance = 0, changed_at = :now FROM unnest(CAST(:people AS text[]), "
        "CAST(:templates AS text[])) AS g(p, t) WHERE person = g.p AND template = g.t",
        now=work.now,
        people=list(people),
        templates=list(templates),
    )


def balances(work: Work, people: Sequence[str]) -> dict[Key, int]:
    """What is left."""
    found = work.execute(
        "SELECT person, template, balance FROM credit WHERE person = ANY(:people)", people=list(people)
    )
    return {(row.person, row.template): row.balance for row in found}


def _columns(counted: Counter[Key]) -> dict[str, list[str] | list[int]]:
    ordered = sorted(counted.items())
    return {
        "people": [person for (person, _), _ in ordered],
        "templates": [template for (_, template), _ in ordered],
        "numbers": [n for _, n in ordered],
    }
