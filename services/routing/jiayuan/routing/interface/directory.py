"""`/directory`: grids with their people, and units."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import Operation, Operations, many, text, told

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
    people=many(told("GridPerson", "Somebody of a grid.", id=text(), name=text(), role=text())),
    children=many(fields.String()),
)
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
        )
    ),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/directory/grids/<string:code>"): Operation("directory", {200: Grid}, refuses=(404,)),
    ("GET", "/directory/units"): Operation("directory", {200: Units}),
}
