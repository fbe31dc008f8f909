"""`jiayuan routing explain`."""

from __future__ import annotations

import json
from typing import Any

import click

from ..explain import LANGUAGES
from .common import environment

LANG = click.option(
    "--lang", type=click.Choice(LANGUAGES), default="zh", show_default=True, help="Chinese or English."
)


@click.command()
@click.argument("case")
@LANG
@click.option("--json", "as_json", is_flag=True, help="Everything, as GET /cases/CASE/explain says it.")
def explain(case: str, lang: str, as_json: bool) -> None:
    """Say why a case (id or number) is where it is, and which other rules nearly decided."""
    from jiayuan.chassis.config import Settings, load
    from jiayuan.chassis.work import reading

    from ..api.explain import explained

    with reading(load(Settings, "routing", environment())) as work:
        said = explained(work, case, lang)
    if said is None:
        raise click.ClickException(f"there is no case {case}")
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for line in lines(said, lang):
        click.echo(line)


def lines(said: dict[str, Any], lang: str) -> list[str]:
    """An explanation as text."""
    zh = lang == "zh"
    out = [said["sentence"]]
    for decision in said["decisions"]:
        by = "" if decision["by"] == "routing" else f"（{decision['by']}）" if zh else f" ({decision['by']})"
        sure = ""
        if decision["confidence"] is not None:
            sure = f"，把握{decision['confidence']}" if zh else f", {decision['confidence']} sure"
        out.append(
            f"· {decision['words']}{by}{sure}：{decision['rule']}"
            if zh
            else f"- {decision['words']}{by}{sure}: {decision['rule']}"
        )
        for one in decision.get("candidates", ()):
            why = "、".join(one.get("why", ()))
            to = one.get("lead_name") or one.get("level") or ""
            shown = f"{one['code']} {one.get('name', '')}".strip()
            figure = f" {one['confidence']}" if one.get("confidence") is not None else ""
            words = f"（{why}）" if why else ""
            out.append(f"    {'候选' if zh else 'candidate'} {shown}{figure}{words} → {to}")
    if said["near"]:
        out.append("差一点适用的规则：" if zh else "Rules that nearly decided:")
        out += [f"  {n['rule']}：{n['why']}" if zh else f"  {n['rule']}: {n['why']}" for n in said["near"]]
    return out
