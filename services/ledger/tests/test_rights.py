"""Every address of the ledger with every role: who may try it at all, and that nobody else gets further."""

from __future__ import annotations

import pytest

from jiayuan.chassis.testing import rights
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Opened
from jiayuan.ledger.interface.document import interface

pytestmark = pytest.mark.store

ENTRY = "/entries/<string:entry>"
STAFF = "grid_worker grid_leader grid_chief desk unit_clerk county operator service"
LIST_READERS = f"{STAFF} convener auditor"
COLLECTORS = "grid_worker grid_leader grid_chief desk county"
LIST_KEEPERS = "grid_chief desk county"
DESKS = "desk county"
CLAIMANTS = "unit_clerk desk county"
ACCOUNT = "/public/accounts/<string:name>"
LIST, CLAIM = "/lists/<string:list_id>", "/claims/<string:claim>"
MEETING = "/meetings/<string:meeting>"

# An address that isn't here is refused by the first test: whose it is has to be decided.
WHOSE: dict[str, dict[str, str]] = {
    "": {
        f"GET {path}": ""
        for path in (
            *("/healthz", "/readyz", "/metrics", "/openapi.json", "/accounts/<int:year>/summary"),
            *("/proof/checkpoint", "/proof/keys", "/proof/inclusion", "/proof/consistency"),
            "/proof/entries/<string:entry>",
            *("/public/reports/<string:period>", "/public/reports/<string:period>/page", "/public/accounts"),
            *(f"{ACCOUNT}{more}" for more in ("", "/checkpoint", "/proof")),
            f"{ACCOUNT}/file/<any(json,csv,xlsx):form>",
            *("/public/verify.js", "/public/account.schema.json"),
        )
    }
    | {f"POST {ACCOUNT}/{path}": "" for path in ("matters", "mine")},
    "publications": {
        "POST /accounts/<int:year>/publications": "county",
        "GET /accounts/<int:year>/publications": f"{STAFF} auditor",
    },
    "reading": {
        f"GET {path}": STAFF
        for path in (
            "/accounts/<int:year>",
            "/accounts/<int:year>/returning",
            "/entries",
            "/entries/<string:entry>",
        )
    },
    "the account": {
        "POST /entries": "desk county",
        f"POST {ENTRY}/postings": "grid_leader grid_chief unit_clerk desk county",
        f"POST {ENTRY}/inspections": "inspector convener county",
        f"POST {ENTRY}/answers": "desk county",
        f"POST {ENTRY}/write-off": "desk county",
        f"POST {ENTRY}/postings/<int:number>/reversal": "county",
    },
    "reports": {"GET /reports/<string:period>/matters": f"{STAFF} auditor"},
    "closings": {
        "GET /closings": f"{STAFF} auditor",
        "GET /closings/<string:period>": f"{STAFF} auditor",
        "POST /closings/<string:period>": "county",
        "POST /closings/<string:period>/decision": "county auditor",
    },
    "the lists": {f"GET {path}": LIST_READERS for path in ("/lists", LIST, f"{LIST}/workbook", "/lineage")}
    | {
        "POST /lists": LIST_KEEPERS,
        f"POST {LIST}/publication": LIST_KEEPERS,
        f"POST {LIST}/closing": LIST_KEEPERS,
        f"POST {LIST}/demands": COLLECTORS,
        f"POST {LIST}/demands/<int:number>": LIST_KEEPERS,
        f"POST {LIST}/workbook": f"{LIST_KEEPERS} unit_clerk",
        f"POST {LIST}/problems/<int:number>/decision": DESKS,
        f"POST {LIST}/problems/<int:number>/split": DESKS,
        f"POST {LIST}/merge": DESKS,
    },
    "joint meetings": {
        f"GET {path}": LIST_READERS
        for path in ("/meetings", MEETING, f"{MEETING}/minutes", f"{MEETING}/workbook")
    }
    | {
        "POST /meetings": DESKS,
        f"POST {MEETING}": DESKS,
        f"POST {MEETING}/agenda": DESKS,
        f"POST {MEETING}/attendance": DESKS,
        f"POST {MEETING}/decisions": DESKS,
        f"POST {MEETING}/decisions/<int:number>": DESKS,
        f"DELETE {MEETING}/decisions/<int:number>": DESKS,
        f"POST {MEETING}/signatures": f"{DESKS} convener",
        f"POST {MEETING}/publication": DESKS,
        f"POST {MEETING}/addenda": f"{DESKS} convener",
        f"POST {MEETING}/workbook": DESKS,
    },
    "claims": {
        f"POST {LIST}/lines/<int:number>/claims": CLAIMANTS,
        f"POST {CLAIM}": CLAIMANTS,
        f"POST {CLAIM}/release": CLAIMANTS,
        f"POST {CLAIM}/grant": DESKS,
        f"POST {CLAIM}/milestones/<int:number>": CLAIMANTS,
        f"POST {CLAIM}/completion": CLAIMANTS,
    },
}
TABLE = rights.table(WHOSE)


def test_the_table_is_complete() -> None:
    """A new address: a line in WHOSE."""
    rights.complete(interface(), TABLE)


@pytest.mark.parametrize("address", rights.guarded(TABLE))
def test_every_role_at_every_address(shared: Opened, address: str) -> None:
    rights.held(Client(shared), address, TABLE[address])
