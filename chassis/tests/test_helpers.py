"""What other tests rely on: that they fail where they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.testing import processes, rights
from jiayuan.chassis.tokens import ROLES
from jiayuan.chassis.workbook import letters

pytestmark = pytest.mark.unit


def test_what_does_not_come_about_is_said() -> None:
    came = iter([None, 0, "it"])
    assert processes.until(lambda: next(came), "it comes") == "it"
    with pytest.raises(pytest.fail.Exception, match="not within 0 s: nothing of 3"):
        processes.until(lambda: False, lambda: f"nothing of {3}", timeout=0)


def test_a_process_knows_no_settings_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIAYUAN_MEDIA", "file:///elsewhere")
    found = processes.environment({"JIAYUAN_LIMITS": "off"})
    assert {k for k in found if k.startswith("JIAYUAN_")} == {"JIAYUAN_LIMITS"}
    assert "PATH" in found


def test_a_service_that_can_not_start_is_not_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "sla.log"
    with pytest.raises(AssertionError, match="amqp_uri is missing"), processes.running("sla", {}, log):
        pass


class Doors:
    """A client of addresses that let in some roles."""

    def __init__(self, lets_in: set[str]) -> None:
        self.lets_in = lets_in
        self.asked: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str, body: Any = None, role: str = "", **_: str) -> tuple[int, Any]:
        """401, 403 or 404."""
        self.asked.add((method, path))
        assert (body is None) is (method == "GET" or not role)
        if not role:
            return 401, {}
        return (404, {}) if role in self.lets_in else (403, {"detail": "this needs one of the roles desk"})


def test_an_address_that_lets_in_others_than_the_table_says_is_found() -> None:
    table = rights.table({"cases": {"GET /cases/<string:case>": "desk county"}, "": {"GET /healthz": ""}})
    (address,) = rights.guarded(table)
    doors = Doors({"desk", "county"})
    rights.held(doors, address, table[address])
    assert doors.asked == {("GET", "/cases/nowhere")}
    for others in ({"desk"}, {"desk", "county", "rider"}):
        with pytest.raises(AssertionError):
            rights.held(Doors(others), address, table[address])


def test_addresses_are_called_by_values_of_their_form() -> None:
    doors = Doors(set(ROLES))
    address = "POST /a/<any(take, decline):b>/<int:c>/<string(length=3):d>/<string(maxlength=9):e>"
    rights.held(doors, address, set(ROLES))
    assert doors.asked == {("POST", "/a/take/1/xxx/nowhere")}


def test_columns_have_the_names_of_spreadsheets() -> None:
    assert [letters(n) for n in (0, 25, 26, 51, 701, 702)] == ["A", "Z", "AA", "AZ", "ZZ", "AAA"]
