"""`jiayuan routing whistle`: units called to a case, refusals, and the cases that nobody takes."""

from __future__ import annotations

import json
from typing import Any

import click

from .common import environment, refusals

# What it is called here → the move, as `jiayuan routing case` has it.
_COMMANDS = {
    "blow": "whistle",
    "call": "call",
    "lead": "hand_over",
    "arrive": "arrive",
    "refuse": "refuse",
    "convene": "convene",
    "release": "release",
    "agenda": "agenda",
    "meeting": "meeting",
}
_WHY = {"released": "各单位均已解除", "undecided": "召集人到时未决定"}
_MISSING = {"lead": "无牵头", "assistant": "协办未定"}


class _Lazy(click.Group):
    """The moves are those of `jiayuan routing case`, made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from .case import moves

        found = super().get_command(ctx, cmd_name)
        return found or moves().get(_COMMANDS.get(cmd_name, ""))


@click.group(cls=_Lazy)
def whistle() -> None:
    """Call units to a case, decide on refusals, and list what nobody takes. 吹哨"""


@whistle.command("show")
@click.argument("name", metavar="CASE")
@click.option("--json", "as_json", is_flag=True)
def show(name: str, as_json: bool) -> None:
    """How the whistle of a case stands: who leads, who owes what by when, who has come, who refused."""
    from jiayuan.chassis.config import Settings, load
    from jiayuan.chassis.tokens import Principal
    from jiayuan.chassis.work import reading

    from ..api.whistles import shown

    with refusals(), reading(load(Settings, "routing", environment())) as work:
        found = shown(work, Principal("cli", ("county",)), name)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    about = found["whistle"]
    click.echo(
        f"{found['number']}  {found['state']}  {about['ground']}  {about.get('at', '')}  {about.get('reason', '')}"
    )
    for unit in found["units"]:
        click.echo(_unit(unit))
    for refusal in found["refusals"]:
        said = {None: f"待{refusal['of']}裁定", True: "维持吹哨", False: "已解除"}[refusal["upheld"]]
        click.echo(f"  {refusal['unit']} 拒绝：{refusal['reason']}（{said}）")
    if found["unclaimed"]:
        click.echo(f"  无人认领：{_WHY[found['unclaimed']]}")


def _unit(unit: dict[str, Any]) -> str:
    part = {"lead": "牵头", "assist": "协办"}[unit["part"]]
    came = (
        f"报到 {unit['reported_in_at']}" if unit["reported_in_at"] else f"应于 {unit['report_in_by']} 前报到"
    )
    late = "（迟）" if unit["late"] else ""
    arrival = unit.get("arrival") or {}
    people = f"{arrival['people']}人" if arrival.get("people") else ""
    there = f"  到场 {unit['arrived_at']} {arrival.get('place') or ''} {people}" if unit["arrived_at"] else ""
    return f"  {part} {unit['unit']} {unit['name']}  {unit['state']}  {came}{late}{there}".rstrip()


@whistle.command("unclaimed")
@click.option("--street", default=None, help="The code of a street.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="A JSON document a line.")
def unclaimed(street: str | None, limit: int, as_json: bool) -> None:
    """The cases that nobody takes: the agenda of the next quarterly meeting, the oldest first."""
    from jiayuan.chassis.config import Settings, load
    from jiayuan.chassis.work import reading

    from ..api.whistles import agenda

    with refusals(), reading(load(Settings, "routing", environment())) as work:
        found = agenda(work, None, {"street": street, "limit": limit})["cases"]
    for item in found:
        if as_json:
            click.echo(json.dumps(item, ensure_ascii=False))
            continue
        meeting = f"  已列入 {item['meeting']}" if item["meeting"] else ""
        click.echo(
            f"{item['number']}  {item['since']}  {_WHY[item['why']]}，{_MISSING[item['missing']]}  "
            f"{item['colour']}  {item['title']}  拒绝：{'、'.join(item['refused_by']) or '无'}{meeting}"
        )
    if not found and not as_json:
        click.echo("none")
