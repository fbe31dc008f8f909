"""Every address of routing with every role: who may try it at all, and that nobody else gets further."""

from __future__ import annotations

import pytest

from jiayuan.chassis.testing import rights
from jiayuan.chassis.testing.client import Client
from jiayuan.routing.interface.document import interface

pytestmark = pytest.mark.store

GRID = "grid_worker grid_leader grid_chief"
HELPERS = f"{GRID} mediator volunteer cadre"
STAFF = f"{HELPERS} desk unit_clerk county operator service convener inspector"
ASSIGNEES = f"{HELPERS} liaison unit_clerk desk county convener"
DESKS = "desk county"
COMMITTEE = f"{DESKS} convener"

CASE, LEG = "/cases/<string:case>", "/cases/<string:case>/legs/<string:leg>"
# An address that isn't here is refused by the first test: whose it is has to be decided.
WHOSE: dict[str, dict[str, str]] = {
    "": {f"GET {path}": "" for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")},
    "reading": {
        f"GET {path}": STAFF
        for path in (
            "/approvals",
            "/cases",
            CASE,
            f"{CASE}/explain",
            f"{CASE}/mediation",
            f"{CASE}/offers",
            "/legs",
            "/directory/committees/<string:street>",
            "/directory/duty",
            "/directory/grids/<string:code>",
            "/directory/grids/<string:code>/area",
            "/directory/grids/<string:code>/history",
            "/directory/units",
            "/emergencies",
            "/emergencies/<string:emergency>",
            "/emergencies/modes",
            "/policies",
            "/policies/<string:table>",
        )
    }
    | {"GET /directory/points/nearest": f"{STAFF} citizen agent rider"},
    "an assignee's": {
        f"POST {LEG}/{move}": ASSIGNEES
        for move in ("accept", "answer", "arrive", "extend", "pause", "refuse", "resolve", "return")
    }
    | {f"POST {CASE}/resume": ASSIGNEES, f"POST {LEG}/convene": ASSIGNEES},
    "a desk's": {
        f"POST {CASE}/{what}": DESKS
        for what in ("assignments", "offers", "reopen", "supervise", "triage", "unsupervise", "void")
    }
    | {
        f"GET {CASE}/matches": DESKS,
        "GET /triage": DESKS,
        "GET /mediations/due": DESKS,
        "GET /gaming": DESKS,
        "POST /gaming/looks": DESKS,
        "GET /gaming/looks/<string(length=20):finding>": DESKS,
        "POST /emergencies": DESKS,
        "POST /emergencies/<string:emergency>/extend": DESKS,
        "POST /emergencies/<string:emergency>/lift": DESKS,
    },
    "the committee's": {
        f"POST {CASE}/approvals/<string:approval>/decision": COMMITTEE,
        f"POST {CASE}/close": COMMITTEE,
        f"POST {CASE}/colour": COMMITTEE,
        f"POST {CASE}/recolour": COMMITTEE,
        f"POST {LEG}/release": COMMITTEE,
        f"POST {CASE}/urge": f"{COMMITTEE} grid_leader grid_chief",
        f"POST {CASE}/inspect": f"{COMMITTEE} grid_leader grid_chief inspector",
    },
    "whistles": {
        f"GET {CASE}/whistle": STAFF,
        f"POST {CASE}/whistle": f"{DESKS} grid_leader grid_chief",
        f"POST {CASE}/call": COMMITTEE,
        f"POST {CASE}/hand_over": COMMITTEE,
        f"POST {CASE}/agenda": "convener county",
        f"POST {CASE}/meeting": "convener county",
        "GET /whistles/unclaimed": f"{COMMITTEE} service",
    },
    "who helps": {
        f"POST {CASE}/mediation/sessions": f"{HELPERS} {DESKS}",
        f"POST {CASE}/mediation/sessions/<int:number>/outcome": f"{HELPERS} {DESKS}",
        f"POST {CASE}/mediation/follow-up": f"{HELPERS} {DESKS}",
        "GET /offers": f"{HELPERS} unit_clerk",
        f"POST {CASE}/offers/<any(take, decline):action>": f"{HELPERS} unit_clerk",
        f"POST {CASE}/point": f"{GRID} {DESKS}",
        "GET /points/<string:code>/visits": f"{GRID} {DESKS}",
    },
    "the county's and the organisation department's": {
        "GET /directory/versions": "county operator organisation service",
        "POST /directory/versions/<int:version>/cancellation": "county organisation",
        "GET /directory/workbook": "county organisation",
        "POST /directory/workbook": "county organisation",
        "POST /policies": "county",
        "POST /policies/<string:table>/verdicts": "county",
    },
    "personal data": {
        "POST /directory/contacts/<string:id>/reading": f"{GRID} desk unit_clerk county convener inspector mediator",
        "GET /reads": "auditor privacy_officer",
    },
}
TABLE = rights.table(WHOSE)


def test_the_table_is_complete() -> None:
    """A new address: a line in WHOSE."""
    rights.complete(interface(), TABLE)


@pytest.mark.parametrize("address", rights.guarded(TABLE))
def test_every_role_at_every_address(client: Client, address: str) -> None:
    rights.held(client, address, TABLE[address])
