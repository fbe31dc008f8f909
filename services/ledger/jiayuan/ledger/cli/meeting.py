"""`jiayuan ledger meeting`: the joint meeting 聯席會議 at the command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.contracts.times import iso

from ..lists.quarter import Quarter
from ..meeting.agenda import KIND_NAMES, STALLED_DAYS
from ..meeting.decision import BECOMES, BECOMES_NAMES, OUTCOME_NAMES
from ..meeting.minutes import ATTENDANCE
from ..meeting.stage import PART_NAMES, PARTS, STATE_NAMES, STATES
from .common import JSON, TOKEN, Id, Moment, OutFile, QuarterType, do, echo_json

MEETING: Final = click.argument("meeting", type=Id())
_FILE: Final = click.argument("file", type=OutFile())


@click.group()
def meeting() -> None:
    """The joint meeting 联席会议 of a street about a quarter."""


@meeting.command()
@click.argument("quarter", type=QuarterType())
@click.option("--street", required=True)
@click.option(
    "--number", type=int, default=None, help="The street's n-th meeting about the quarter; 1 when absent."
)
@click.option(
    "--stalled-days", type=int, default=None, help=f"Without a posting for so long; {STALLED_DAYS}."
)
@JSON
@TOKEN
def draft(
    quarter: Quarter, street: str, number: int | None, stalled_days: int | None, token: str, as_json: bool
) -> None:
    """Begin a meeting, or let its agenda learn what has come since."""
    said = {"street": street, "quarter": str(quarter), "number": number, "stalled_days": stalled_days}
    found = do(token, "draft_meeting", {k: v for k, v in said.items() if v is not None})
    _say(found, as_json)


@meeting.command("list")
@click.option("--street", default=None)
@click.option("--quarter", type=QuarterType(), default=None)
@click.option("--state", type=click.Choice(STATES), default=None)
@TOKEN
def list_(token: str, **query: Any) -> None:
    """List meetings."""
    found = do(token, "joint_meetings", query={k: str(v) for k, v in query.items() if v})
    for m in found["meetings"]:
        click.echo(
            f"{m['id']}  {m['street']}  {m['quarter']}-{m['number']}  {STATE_NAMES[m['state']]}  {m['title']}"
        )


@meeting.command()
@MEETING
@JSON
@TOKEN
def show(meeting: str, token: str, as_json: bool) -> None:
    """Show a meeting: agenda, attendance, decisions and what became of them."""
    _say(do(token, "joint_meeting", meeting=meeting), as_json)


@meeting.command()
@MEETING
@click.option("--title", default=None)
@click.option("--organ", default=None, help="Whose meeting it is, as the minutes say it.")
@click.option("--place", default=None)
@click.option("--chair", default=None, help="Who led it.")
@click.option("--begins-at", type=Moment(), default=None)
@click.option(
    "--record", type=click.File(encoding="utf-8"), default=None, help="A text file: a paragraph a line."
)
@TOKEN
def change(meeting: str, token: str, record: Any, begins_at: datetime | None, **said: str | None) -> None:
    """Change a draft; signatures are taken back by it."""
    body: dict[str, Any] = {k: v for k, v in said.items() if v is not None}
    if record is not None:
        body["minutes"] = record.read()
    if begins_at is not None:
        body["begins_at"] = iso(begins_at)
    _say(do(token, "change_meeting", body, meeting=meeting), False)


@meeting.command()
@MEETING
@click.argument("items", nargs=-1)
@click.option("--add", multiple=True, help="The title of a new item, at the end.")
@TOKEN
def agenda(meeting: str, items: tuple[str, ...], add: tuple[str, ...], token: str) -> None:
    """Put the agenda in the order of the ITEMS (ids); others are left out."""
    said: list[dict[str, str]] = [*({"id": i} for i in items), *({"title": t} for t in add)]
    _say(do(token, "arrange_agenda", {"items": said}, meeting=meeting), False)


def _person(_context: Any, _parameter: Any, values: tuple[str, ...]) -> list[dict[str, str]]:
    out = []
    for value in values:
        part, _, rest = value.partition("=")
        if part not in ATTENDANCE or not rest:
            raise click.BadParameter(f"{value!r} is no {'|'.join(ATTENDANCE)}=UNIT/NAME/OFFICE")
        said = dict(zip(("unit", "name", "office"), rest.split("/"), strict=False))
        out.append({"part": part, **{k: v for k, v in said.items() if v}})
    return out


@meeting.command()
@MEETING
@click.option(
    "--person", "people", multiple=True, callback=_person, help="attended|excused|observer=UNIT/NAME/OFFICE"
)
@TOKEN
def attend(meeting: str, people: list[dict[str, str]], token: str) -> None:
    """Say who attended, was excused or sat in: all of them."""
    _say(do(token, "attend_meeting", {"people": people}, meeting=meeting), False)


@meeting.command()
@MEETING
@click.argument("text")
@click.option("--becomes", type=click.Choice(BECOMES), required=True)
@click.option("--unit", default=None, help="Who does it; of a whistle the lead.")
@click.option("--assistant", "assistants", multiple=True, help="Of a whistle.")
@click.option("--person", default=None)
@click.option("--due-at", type=Moment(), default=None, help="By when: a day or a time.")
@click.option("--case", default=None, help="Of a whistle: the case's number.")
@click.option("--entry", default=None, help="Of a posting: the entry.")
@click.option("--category", default=None, help="Of an entry.")
@TOKEN
def decide(
    meeting: str, token: str, due_at: datetime | None, assistants: tuple[str, ...], **said: str | None
) -> None:
    """Add a decision to a draft."""
    body: dict[str, Any] = {k: v for k, v in said.items() if v is not None}
    if assistants:
        body["assistants"] = list(assistants)
    if due_at is not None:
        body["due_at"] = iso(due_at)
    _say(do(token, "add_decision", body, meeting=meeting), False)


@meeting.command()
@MEETING
@click.argument("number", type=click.IntRange(min=1))
@TOKEN
def drop(meeting: str, number: int, token: str) -> None:
    """Take a decision out of a draft."""
    _say(do(token, "drop_decision", meeting=meeting, number=number), False)


@meeting.command()
@MEETING
@click.option("--as", "part", type=click.Choice(PARTS), required=True)
@click.option("--digest", required=True, help="Of the version that you looked at, as `show` tells it.")
@TOKEN
def hold(meeting: str, part: str, digest: str, token: str) -> None:
    """Sign as recorder or convener; with both the meeting is held."""
    _say(do(token, "sign_meeting", {"part": part, "digest": digest}, meeting=meeting), False)


@meeting.command()
@MEETING
@TOKEN
def publish(meeting: str, token: str) -> None:
    """Publish a meeting that was held."""
    found = do(token, "publish_meeting", meeting=meeting)
    click.echo(f"{found['id']}  {STATE_NAMES[found['state']]}  {found['published_at']}")


@meeting.command()
@MEETING
@click.argument("text")
@TOKEN
def amend(meeting: str, text: str, token: str) -> None:
    """Add what was wrong or missing to minutes that were signed."""
    click.echo(do(token, "amend_meeting", {"text": text}, meeting=meeting)["number"])


@meeting.command()
@MEETING
@_FILE
@TOKEN
def minutes(meeting: str, file: Path, token: str) -> None:
    """Write the minutes as a Word document in the official layout."""
    file.write_bytes(do(token, "meeting_minutes", meeting=meeting).get_data())
    click.echo(str(file))


@meeting.command("export")
@MEETING
@_FILE
@TOKEN
def export_(meeting: str, file: Path, token: str) -> None:
    """Write the decisions as a workbook."""
    file.write_bytes(do(token, "decisions_workbook", meeting=meeting).get_data())
    click.echo(str(file))


@meeting.command("import")
@MEETING
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--result",
    type=OutFile(),
    default=None,
    help="What became of each row.",
)
@TOKEN
def import_(meeting: str, file: Path, result: Path | None, token: str) -> None:
    """Take decisions from a workbook; exit code 1 when a row was refused."""
    answer = do(token, "take_decisions_workbook", content=file.read_bytes(), meeting=meeting)
    if result is not None:
        result.write_bytes(answer.get_data())
    counts = {
        n: int(answer.headers[f"Rows-{n.title()}"]) for n in ("added", "changed", "unchanged", "refused")
    }
    click.echo("，".join(f"{n} {count}" for n, count in counts.items()))
    if counts["refused"]:
        raise SystemExit(1)


def _say(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(found)
        return
    click.echo(f"{found['id']}  {found['title']}（{STATE_NAMES[found['state']]}）")
    for note in found["notes"]:
        click.echo(f"  {note}")
    for item in found["agenda"]:
        if not item["left_out"]:
            click.echo(f"  {item['id']}  {KIND_NAMES[item['kind']]}  {item['title']}  {item['detail']}")
    for part, label in ATTENDANCE.items():
        of = [p for p in found["attendance"] if p["part"] == part]
        there = [" ".join(filter(None, (p["unit"], p["name"], p["office"]))) for p in of]
        if there:
            click.echo(f"{label}：{'、'.join(there)}")
    for d in found["decisions"]:
        outcome = (
            f"  {OUTCOME_NAMES[d['outcome']]}{'：' + d['reason'] if d['reason'] else ''}"
            if d["outcome"]
            else ""
        )
        click.echo(
            f"{d['number']:>3}  {BECOMES_NAMES[d['becomes']]}  {d['text']}  {d['unit'] or ''}{outcome}"
        )
    signed = "、".join(f"{PART_NAMES[s['part']]} {s['who']}" for s in found["signatures"])
    click.echo(f"签字：{signed or '无'}  {found['digest']}")
