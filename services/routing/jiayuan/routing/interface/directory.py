"""`/directory`: grids with their people, units, committees, duty, service points, and the workbook."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    real,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import Demand, Time, said

from ..api import workbook

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _query(name: str, **members: str) -> type[Demand]:
    """Arguments of a query, all optional, with what they mean."""
    return type(
        name, (Demand,), {k: said(fields.String(), v) for k, v in members.items()} | {"__doc__": "The query."}
    )


_AT: Final = "A date or an RFC 3339 date-time; now when absent."
_Day = _query("Day", at=_AT)
_Pending = _query("Pending", pending="true: only what is still to come.")
_Duty = _query(
    "DutyQuery",
    place="The code of a grid, community or street. Needed.",
    role="worker, leader, chief, cadre, volunteer, mediator; worker when absent.",
    at="Now or later.",
    mode="normal or emergency.",
)
_Near = _query(
    "NearQuery",
    lat="WGS-84 degrees. Needed.",
    lon="WGS-84 degrees. Needed.",
    service="What is asked for, or a part of its name.",
    at=_AT,
    closed="true: also points that are closed then, after the others.",
    limit="1 to 50; 10 when absent.",
)
_Taking = _query(
    "WorkbookQuery",
    dry_run="true: only say what would change.",
    effective="From when on it holds: a date or a time; now when absent.",
    reason="Kept with the version.",
    allow_removals="true: also when a large part of a list would end.",
)
_PERSON = told(
    "GridPerson",
    "Somebody of a grid. `load`: open legs, where it is told.",
    id=text(),
    name=text(),
    role=text(),
    on_duty=fields.Boolean(),
    skills=fields.List(fields.String()),
    languages=fields.List(fields.String()),
    unit=fields.String(),
    stand_in=fields.String(),
    load=fields.Integer(),
)
Grid = told(
    "GridWithPeople",
    "A grid, or a community as the grid at the top.",
    code=text(),
    name=text(),
    kind=text(),
    parent=text(),
    community=fields.String(),
    street=fields.String(),
    party_group=fields.String(),
    functions=fields.List(fields.String()),
    predecessors=fields.List(fields.String()),
    at=Time(),
    people=many(_PERSON),
    children=many(fields.String()),
)
_HELD = told(
    "HeldGrid",
    "What held of a grid, from when to when.",
    valid_from=at(),
    valid_to=Time(),
    version=whole(),
    name=text(),
    parent=fields.String(),
    party_group=fields.String(),
    predecessors=fields.List(fields.String()),
)
_BELONGED = told(
    "HeldPerson",
    "Who belonged to a grid, from when to when.",
    valid_from=at(),
    valid_to=Time(),
    version=whole(),
    id=text(),
    name=text(),
    role=text(),
)
History = told(
    "GridHistory", "What ever held of a grid.", code=text(), grid=many(_HELD), people=many(_BELONGED)
)
Area = told(
    "GridArea",
    "A GeoJSON feature, WGS-84.",
    type=text(),
    id=text(),
    geometry=fields.Dict(keys=fields.String(), required=True, allow_none=True),
    properties=fields.Dict(keys=fields.String(), required=True),
)
_SEAT = told(
    "Seat", "A seat of a joint committee.", id=text(), name=text(), post=text(), unit=fields.String()
)
Committee = told(
    "Committee",
    "A street's joint committee.",
    street=text(),
    conveners=many(_SEAT),
    full_time=many(_SEAT),
    part_time=many(_SEAT),
    organisations=many(_SEAT),
)
Duty = told(
    "Duty",
    "Who is on duty in a place, and how many of the role aren't.",
    place=text(),
    role=text(),
    at=at(),
    holds_until=maybe_at(),
    people=many(_PERSON),
    away=whole(),
)
Near = told(
    "NearPoints",
    "Service points, the nearest first.",
    at=at(),
    crs=text(),
    circle_minutes=whole(),
    points=many(
        told(
            "NearPoint",
            "A service point and how far it is: metres as the crow flies, minutes on foot.",
            code=text(),
            name=text(),
            kind=text(),
            address=text(),
            services=many(fields.String()),
            hours=fields.Dict(keys=fields.String(), required=True),
            capacity=whole(),
            lat=real(),
            lon=real(),
            metres=whole(),
            minutes=whole(),
            in_circle=yes_no(),
            open=yes_no(),
            opens_at=Time(),
            closes_at=Time(),
        )
    ),
)
Versions = told(
    "DirectoryVersions",
    "Changes of the directory, the one that takes effect last first.",
    versions=many(
        told(
            "DirectoryVersion",
            "A change of the directory.",
            version=whole(),
            effective_at=at(),
            made_at=at(),
            made_by=text(),
            action=text(),
            reason=maybe(),
            changes=fields.Dict(keys=fields.String(), required=True),
            state=text(),
        )
    ),
)
Taken = told(
    "DirectoryTaken",
    "What a directory changes, or would change.",
    version=maybe_whole(),
    dry_run=yes_no(),
    effective_at=at(),
    state=text(),
    changes=fields.Dict(keys=fields.String(), required=True),
    differences=many(fields.Dict(keys=fields.String())),
)
Cancelled = told("DirectoryCancelled", "A change that is taken back.", version=whole(), state=text())
Units = told(
    "Units",
    "The member units, by code.",
    units=many(
        told(
            "MemberUnit",
            "A member unit.",
            code=text(),
            name=text(),
            kind=text(),
            member=text(),
            clerk=text(),
            system=text(),
            duties=many(fields.String()),
            escalation=many(
                told("Superior", "Whom a unit's cases rise to, in this order.", name=text(), post=text())
            ),
        )
    ),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/directory/grids/<string:code>"): Operation(
        "directory", {200: Grid}, query=_Day, refuses=(404, 422)
    ),
    ("GET", "/directory/grids/<string:code>/history"): Operation("directory", {200: History}, refuses=(404,)),
    ("GET", "/directory/grids/<string:code>/area"): Operation("directory", {200: Area}, refuses=(404,)),
    ("GET", "/directory/units"): Operation("directory", {200: Units}),
    ("GET", "/directory/committees/<string:street>"): Operation(
        "directory", {200: Committee}, refuses=(404,)
    ),
    ("GET", "/directory/duty"): Operation("directory", {200: Duty}, query=_Duty, refuses=(404, 422)),
    ("GET", "/directory/points/nearest"): Operation("directory", {200: Near}, query=_Near, refuses=(422,)),
    ("GET", "/directory/versions"): Operation("directory", {200: Versions}, query=_Pending, refuses=(422,)),
    ("GET", "/directory/workbook"): Operation("directory", {200: binary(_XLSX)}, query=_Day, refuses=(422,)),
    ("POST", "/directory/workbook"): Operation(
        "directory",
        {200: Taken},
        body=binary(_XLSX, "application/json", "application/yaml"),
        query=_Taking,
        refuses=(400, 422),
    ),
    ("POST", "/directory/versions/<int:version>/cancellation"): Operation(
        "directory", {200: Cancelled}, body=workbook.CancelBody, refuses=(404, 409)
    ),
}
