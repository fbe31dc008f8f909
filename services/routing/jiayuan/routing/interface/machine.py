"""Writes the tables of docs/routing/case.md from the machine, between their markers.

python -m jiayuan.routing.interface.machine            # writes
python -m jiayuan.routing.interface.machine --check    # exit code 1 when the page differs
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jiayuan.contracts.schemas.common import CASE_STATES, LEG_STATES

from ..case.machine import STANDINGS, TABLE, Rule
from ..case.terms import DEFAULT, SILENCE_GRANTS

PAGE: Final = Path(__file__).resolve().parents[5] / "docs" / "routing" / "case.md"


def tables() -> dict[str, str]:
    """The tables by the names of their markers."""
    rules = list(TABLE.values())
    return {
        "moves": _moves(rules),
        "leg-states": _states([r for r in rules if r.on == "leg"], LEG_STATES),
        "case-states": _states([r for r in rules if r.on == "case"], CASE_STATES),
        "standings": _table(("who", "谁"), [(f"`{k}`", v) for k, v in STANDINGS.items()]),
        "terms": _terms(),
    }


def _moves(rules: list[Rule]) -> str:
    rows = []
    for r in rules:
        needs = "；".join(n.words + ("（职责分离）" if n.ground == "duty" else "") for n in r.needs) or "—"
        by = "、".join(f"`{s}`" for s in STANDINGS if s in r.by)
        rows.append((f"`{r.name}`", r.chinese, "环节" if r.on == "leg" else "工单", by, needs, r.leads_to))
    return _table(("move", "动作", "对象", "谁可以", "条件", "结果"), rows)


def _states(rules: list[Rule], states: tuple[str, ...]) -> str:
    rows = [(f"`{r.name}`", *("●" if s in r.states else "" for s in states)) for r in rules]
    return _table(("move", *(f"`{s}`" for s in states)), rows)


def _terms() -> str:
    rows = [
        ("`approve_returns`", "、".join(f"`{s}`" for s in sorted(DEFAULT.approve_returns))),
        *(
            (
                f"`approval_limits.{kind}`",
                f"{limit // 3600} h；逾期{'视为同意' if kind in SILENCE_GRANTS else '视为不同意'}",
            )
            for kind, limit in DEFAULT.approval_limits.items()
        ),
        ("`reopen_days`", f"{DEFAULT.reopen_days} 天"),
        ("`inspect_before_close`", "是" if DEFAULT.inspect_before_close else "否"),
        ("`most_extension`", f"{DEFAULT.most_extension // 86400} 天"),
        ("`most_pause`", f"{DEFAULT.most_pause // 86400} 天"),
    ]
    return _table(("策略 `moves`", "默认"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(r) + " |" for r in rows)])


def written(page: str) -> str:
    """The page with its tables as they are now. KeyError for a marker that no table has."""
    made = tables()

    def put(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{made.pop(found[1])}\n<!-- /{found[1]} -->"

    out = re.sub(r"<!-- ([a-z-]+) -->\n.*?<!-- /\1 -->", put, page, flags=re.DOTALL)
    if made:
        raise KeyError(f"the page has no place for {', '.join(made)}")
    return out


def main() -> None:
    """Writes the page, or says that it differs."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/routing/case.md from the machine")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when it differs")
    check = parser.parse_args().check
    now = PAGE.read_text(encoding="utf-8")
    new = written(now)
    if new == now:
        return
    if check:
        sys.exit(f"{PAGE.name} differs from the machine: run `make definitions`")
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
