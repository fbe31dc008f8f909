"""`jiayuan intake gazetteer`: check and import lists of places, see and revoke versions, learn fallback points,
measure."""

from __future__ import annotations

import csv
import getpass
import hashlib
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import orjson

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import coordinates, fallbacks, measuring, place
from .fallbacks import Row
from .gazetteer_files import Draft, Finding
from .service_points import ZONE

_LAT: Final = ("lat", "latitude", "纬度", "place.lat")
_LONG: Final = ("long", "lon", "lng", "longitude", "经度", "place.long")
_SAID: Final = ("address", "location", "地址", "地点", "位置", "place", "place_text", "place.text")
_FILES: Final = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
_CRS: Final = click.option(
    "--crs",
    type=click.Choice(coordinates.SYSTEMS),
    default=coordinates.WGS84,
    show_default=True,
    help="Of the files' coordinates; files from AMap and DataV are gcj02.",
)
_FRESH: Final = click.option("--fresh", is_flag=True, help="Start from nothing instead of the list in force.")


@click.group("gazetteer")
def gazetteer() -> None:
    """The list of places that reports are matched with."""


def _works() -> Callable[[], AbstractContextManager[Work]]:
    """Transactions on intake's database."""
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from . import handlers, keys, store

    settings = load(keys.IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    return Runtime(settings, store.metadata, handlers.HANDLERS).work


def use_in_force() -> None:
    """Takes up the places in force in the database, for a command that is about to look."""
    from . import places

    with _works()() as work:
        places.refresh(work)


def _draft(files: tuple[Path, ...], crs: str, base: Any, fresh: bool) -> Draft:
    draft = Draft(base, fresh=fresh)
    # Lists before polygons, streets before what lies in them, whatever the order on the command line.
    for file in sorted(files, key=lambda f: (f.suffix.lower() in (".geojson", ".json"), files.index(f))):
        draft.read(file, crs if file.suffix.lower() not in (".yaml", ".yml") else coordinates.WGS84)
    return draft


def _told(findings: list[Finding]) -> tuple[int, int]:
    for finding in findings:
        click.echo(str(finding))
    fatal = sum(f.fatal for f in findings)
    return fatal, len(findings) - fatal


def _counts(draft: Draft) -> dict[str, int]:
    counts = Counter(p["kind"] for p in draft.places.values())
    counts["polygons"] = sum(bool(p.get("area")) for p in draft.places.values())
    counts["service_points"] = len(draft.points)
    return {k: n for k, n in counts.items() if n}


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in counts.items())


@gazetteer.command("check")
@_FILES
@_CRS
@_FRESH
def check(files: tuple[Path, ...], crs: str, fresh: bool) -> None:
    """Look for what is wrong in FILES; nothing goes in and no database is needed (the base is the bundled list).

    Exit code 1: something is wrong that keeps them from being imported.
    """
    draft = _draft(files, crs, place.document(), fresh)
    fatal, warnings = _told(draft.check())
    click.echo(f"{_said(_counts(draft))}: {fatal} wrong, {warnings} warnings")
    sys.exit(1 if fatal else 0)


@gazetteer.command("import")
@_FILES
@_CRS
@_FRESH
@click.option(
    "--effective", default="", help="From when on, such as 2026-04-01 (local midnight); now by default."
)
@click.option("--name", default="", help="Of the version; the day by default.")
@click.option("--whole-points", is_flag=True, help="The files name all service points: others close today.")
def import_(
    files: tuple[Path, ...], crs: str, fresh: bool, effective: str, name: str, whole_points: bool
) -> None:
    """Import streets, communities, grids, polygons and service points from FILES as a new version.

    CSV, XLSX, GeoJSON, and documents in YAML or JSON. They are added to the list that is in force at that time, by
    code. Running replicas take the version up within seconds of its time. When anything is wrong nothing goes in:
    exit code 1.
    """
    from . import places, store

    try:
        at = _moment(effective) if effective else None
    except ValueError:
        raise click.BadParameter(
            f"--effective {effective}: a day such as 2026-04-01, or a time with an offset"
        ) from None
    works = _works()
    with works() as work:
        in_force = store.in_force(work, at)
        base = store.gazetteer_document(work, in_force.version) if in_force.version else place.document()
    draft = _draft(files, crs, base, fresh)
    fatal, _ = _told(draft.check())
    if fatal:
        click.echo(f"{fatal} wrong: nothing was imported", err=True)
        sys.exit(1)
    counts = _counts(draft)
    document = draft.document(name or f"{datetime.now(ZONE):%Y.%m.%d}")
    place.Gazetteer(document)  # whatever can't be loaded is found here and not in the replicas
    raw = orjson.dumps(document)
    who = getpass.getuser()
    with works() as work:
        closed = 0
        if draft.points:
            points = [_resolved(p, document) for p in draft.points.values()]
            store.put_service_points(work, points)
            if whole_points:
                closed = store.close_other_points(work, draft.points, work.now.astimezone(ZONE).date())
        same = document["places"] == base.get("places") and document["county"] == base.get("county")
        number = 0
        if not same:
            number = store.add_version(
                work,
                {
                    "name": document["version"],
                    "effective_from": iso(at or work.now),
                    "document": orjson.Fragment(raw),
                    "digest": hashlib.sha256(raw).hexdigest(),
                    "counts": counts,
                    "imported_at": iso(work.now),
                    "imported_by": who,
                },
            )
        places.refresh(work)
    if number:
        click.echo(
            f"version {number} ({document['version']}), in force {f'from {effective}' if effective else 'now'}: "
            f"{_said(counts)}"
        )
    else:
        click.echo(f"the list of places is as before: {_said(counts)}")
    if closed:
        click.echo(f"{closed} other service points close today")


def _resolved(point: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A service point with street and community, by its coordinates where it names none and polygons are known."""
    if point.get("community") or point.get("street"):
        return point
    found = place.Gazetteer(document).locate(
        words=point.get("address") or "", lat=point["lat"], long=point["long"]
    )
    return {**point, "street": found.street, "community": found.community}


def _moment(written: str) -> datetime:
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=ZONE)


@gazetteer.command("list")
def list_() -> None:
    """Show the versions, the latest in effect first; the one in force has a star."""
    from . import store

    with _works()() as work:
        now, rows = store.in_force(work), store.versions(work)
    for r in rows:
        star = "*" if r.number == now.version else " "
        gone = f"  revoked: {r.revoked_reason}" if r.revoked_at else ""
        click.echo(
            f"{star} {r.number}  {r.name}  from {r.effective_from.astimezone(ZONE):%Y-%m-%d %H:%M}  "
            f"by {r.imported_by}  {_said(r.counts)}  {r.digest[:12]}{gone}"
        )
    click.echo(f"{'*' if not now.version else ' '} 0  {place.bundled().version}  comes with intake")


@gazetteer.command("revoke")
@click.argument("number", type=int)
@click.option("--reason", required=True)
def revoke(number: int, reason: str) -> None:
    """Take version NUMBER out of force; the one before it is in force again within seconds."""
    from . import store

    with _works()() as work:
        done = store.revoke_version(work, number, f"{getpass.getuser()}: {reason}")
    click.echo(
        f"version {number} is revoked" if done else f"there is no version {number} that could be revoked"
    )
    sys.exit(0 if done else 1)


# -- fallback points ---------------------------------------------------------------------------------


@gazetteer.command("fallbacks")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--since", default="", help="Look at the reports taken in since, such as 2026-03-01 or 30d.")
@click.option("--keep", is_flag=True, help="Keep what is found: such coordinates are no place from then on.")
@click.option("--known", is_flag=True, help="Show what is kept.")
@click.option("--forget", nargs=2, type=float, metavar="LAT LONG", help="It is a place after all.")
@click.option("--lat", "lat_column", default="", help="The column of the latitude, if its name doesn't tell.")
@click.option("--long", "long_column", default="")
@click.option("--said", "said_column", default="", help="The column of the address.")
@_CRS
def find_fallbacks(
    file: Path | None,
    since: str,
    keep: bool,
    known: bool,
    forget: tuple[float, float] | None,
    lat_column: str,
    long_column: str,
    said_column: str,
    crs: str,
) -> None:
    """Find coordinates that mean "unknown", in FILE (CSV or JSON lines) or in the reports that are here.

    A point is one when reports that name many different places share it to the last digit.
    """
    from . import store

    if known or forget is not None:
        with _works()() as work:
            if forget is not None and not store.forget_fallback(work, *forget):
                click.echo("there is no such point", err=True)
                sys.exit(1)
            for r in store.fallback_points(work):
                click.echo(
                    f"{r.lat:.6f}, {r.long:.6f}  {r.reports} reports, {r.places} places  {r.reason}  ({r.added_by})"
                )
        return
    if (file is None) == (not since):
        raise click.UsageError("give either FILE or --since")
    if file is not None:
        try:
            rows = list(_rows(file, (lat_column, long_column, said_column), crs))
        except (ValueError, UnicodeDecodeError, csv.Error) as error:
            raise click.BadParameter(f"{file.name}: {error}") from None
    else:
        try:
            at = _since(since)
        except ValueError:
            raise click.BadParameter(f"--since {since}: a day such as 2026-03-01, or 30d") from None
        with _works()() as work:
            rows = [
                Row(r.lat, r.long, _without_point(r.place_evidence), str(r.reporter or ""))
                for r in store.points_since(work, at)
            ]
    found = fallbacks.learn(rows)
    click.echo(f"{len(rows)} reports with coordinates, {len({(r.lat, r.long) for r in rows})} points")
    for s in found:
        click.echo(
            f"{s.lat:.6f}, {s.long:.6f}  {s.reports} reports ({s.share:.1%})  {s.verdict}: {s.why}"
            + "".join(f"\n    {example}" for example in s.examples)
        )
    if keep:
        new = [s for s in found if s.verdict == fallbacks.FALLBACK]
        with _works()() as work:
            count = store.keep_fallbacks(
                work,
                [
                    {
                        "lat": s.lat,
                        "long": s.long,
                        "reason": s.why,
                        "reports": s.reports,
                        "places": s.places,
                        "added_by": getpass.getuser(),
                    }
                    for s in new
                ],
            )
        click.echo(f"{count} kept, {len(new) - count} were known")


def _since(written: str) -> datetime:
    if written.endswith("d") and written[:-1].isdigit():
        return datetime.now(UTC) - timedelta(days=int(written[:-1]))
    return _moment(written)


def _without_point(evidence: str) -> str:
    """What the words said: evidence without what the coordinates did."""
    return "；".join(part for part in evidence.split("；") if not part.startswith("坐标"))


def _rows(file: Path, given: tuple[str, str, str], crs: str) -> Iterator[Row]:
    columns: tuple[str, str, str] | None = None
    for number, record in enumerate(_records(file), 1):
        if columns is None:
            names = {str(k).strip().lower(): k for k in record}
            picked = [
                own or next((names[n] for n in known if n in names), "")
                for own, known in zip(given, (_LAT, _LONG, _SAID), strict=True)
            ]
            for what, column in zip(("lat", "long"), picked, strict=False):
                if column not in record:
                    raise ValueError(f"has no column for --{what}; it has {', '.join(map(str, record))}")
            columns = (picked[0], picked[1], picked[2])
        lat, long = (str(record.get(c) or "").strip() for c in columns[:2])
        if not lat or not long:
            continue
        try:
            point = coordinates.to_wgs84(float(lat), float(long), crs)
        except ValueError:
            raise ValueError(f"row {number}: {lat[:20]!r}, {long[:20]!r} are no coordinates") from None
        yield Row(*point, str(record.get(columns[2]) or ""))


def _records(file: Path) -> Iterator[dict[str, Any]]:
    content = file.read_bytes()
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        for line in content.splitlines():
            if line.strip():
                record = json.loads(line)
                where = record.get("place")
                if isinstance(where, dict):
                    record |= {"lat": where.get("lat"), "long": where.get("long"), "place": where.get("text")}
                yield record
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030")
    yield from csv.DictReader(io.StringIO(text, newline=""))


# -- figures -----------------------------------------------------------------------------------------


@gazetteer.command("measure")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@_CRS
@click.option(
    "--messages",
    type=click.Path(path_type=Path, exists=True),
    help="Of another city (JSON lines: title, detail).",
)
@click.option(
    "--grids",
    default=874,
    show_default=True,
    help="How many invented grids the look-ups of points are timed with.",
)
@click.option("--points", default=100_000, show_default=True)
@click.option("--show", is_flag=True, help="Show each wrong one.")
def measure(
    files: tuple[Path, ...], crs: str, messages: Path | None, grids: int, points: int, show: bool
) -> None:
    """How well places are found, and how fast: with FILES as the whole list, or with the bundled one.

    Every name in every form of address; how many messages of another city get a place here; µs per text and point.
    """
    if files:
        draft = _draft(files, crs, place.document(), True)
        if any(f.fatal for f in draft.check()):
            _told(draft.findings)
            sys.exit(1)
        document = draft.document("measured")
    else:
        document = place.document()
    started = time.perf_counter()
    loaded = place.Gazetteer(document)
    click.echo(f"{len(loaded.nodes)} places, loaded in {time.perf_counter() - started:.2f} s")
    for line in measuring.names(loaded, show=show):
        click.echo(line)
    if messages is not None:
        for line in measuring.elsewhere(loaded, messages, show=show):
            click.echo(line)
    for line in measuring.speed(loaded):
        click.echo(line)
    for line in measuring.points(grids, points):
        click.echo(line)
