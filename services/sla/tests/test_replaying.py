"""Another city's cases through our clocks: invented files, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jiayuan.sla.cli import sla

BOSTON = """\
CASE_ENQUIRY_ID,OPEN_DT,TARGET_DT,CLOSED_DT,OnTime_Status,TYPE
1,06/01/2015 08:00:00 AM,06/02/2015 08:00:00 AM,06/02/2015 08:00:00 AM,ONTIME,Lamp
2,06/01/2015 08:00:00 AM,06/02/2015 08:00:00 AM,06/02/2015 08:00:01 AM,OVERDUE,Lamp
3,06/01/2015 08:00:00 AM,06/03/2015 08:00:00 AM,,OVERDUE,Road
4,06/01/2015 08:00:00 AM,08/01/2015 08:00:00 AM,,ONTIME,Road
5,06/01/2015 08:00:00 AM,,06/05/2015 08:00:00 AM,ONTIME,Talk
6,06/01/2015 08:00:00 AM,06/02/2015 08:00:00 AM,06/01/2015 09:00:00 AM,OVERDUE,Lamp
7,never,,,ONTIME,Lamp
"""
BALTIMORE = """\
SRRecordID,SRType,CreatedDate,DueDate,CloseDate
a,Rats,03/01/2018 08:00:00 AM,03/06/2018 08:00:00 AM,03/05/2018 08:00:00 AM
b,Rats,03/08/2018 08:00:00 AM,03/13/2018 08:00:00 AM,03/15/2018 08:00:00 AM
c,Rats,03/20/2018 08:00:00 AM,03/26/2018 08:00:00 AM,03/20/2018 09:00:00 AM
d,Bulk,03/01/2018 08:00:00 AM,,
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def command(form: str, text: str, *words: str) -> Result:
        path = tmp_path / "file"
        path.write_text(text, encoding="utf-8")
        return CliRunner().invoke(sla, ["replay", form, str(path), *words], catch_exceptions=False)

    return command


def test_boston_is_compared_with_its_own_word(run: Any) -> None:
    done = run("boston", BOSTON)
    # As of 5 June: 1, 2, 3 and 6 were due, of which 1 and 6 were in time; 4 is due in August, 5 never.
    assert "on time of what was due: 2/4; without a limit: 1 of 6" in done.output
    assert "the city's own word: 4 of 5 the same; not 6" in done.output
    assert "without a limit the city says on time of 1, late of 0" in done.output
    assert "record 7 is left out" in done.stderr
    assert "3/5" not in run("boston", BOSTON, "--as-of", "2015-06-02").output


def test_baltimores_limits_are_learned_from_one_row_and_tried_on_the_others(run: Any) -> None:
    done = run("baltimore", BALTIMORE)
    assert (
        "limits of 1 types learned from the first row of each: 1 of 2 other due dates are the same; not c"
        in (done.output)
    )
    # c, learned to be due on 25 March, is not due before the last thing that happened (20 March).
    assert "on time of what was due: 1/2; without a limit: 1 of 4" in done.output
    # With daylight saving the days of b have an hour less.
    assert "0 of 2 other" in run("baltimore", BALTIMORE, "--zone", "America/New_York").output


def test_messages_by_several_limits(run: Any) -> None:
    lines = [
        {"id": n, "time": "2019-04-01 09:00:00", "reply_time": f"2019-04-{day:02} 09:00:00"}
        for n, day in enumerate((2, 3, 20))
    ]
    done = run("messages", "\n".join(map(json.dumps, lines)), "--limit", "24h", "--limit", "5d")
    assert "limit 24h: 1/3" in done.output
    assert "limit 5d: 2/3" in done.output
    assert "the median after 2.0 days" in done.output


@pytest.mark.parametrize(
    ("form", "text", "words", "said"),
    [
        ("boston", BALTIMORE, (), "no file of the form boston"),
        ("messages", "no json", (), "no file of the form messages"),
        ("baltimore", "", (), "no row could be read"),
        ("boston", BOSTON, ("--zone", "Mars/Base"), "zone: is 'Mars/Base'"),
        ("messages", "{}", ("--limit", "soon"), "limit: is 'soon'"),
        ("boston", BOSTON, ("--as-of", "x"), "as-of: is 'x'"),
    ],
)
def test_what_is_wrong_is_said(run: Any, form: str, text: str, words: tuple[str, ...], said: str) -> None:
    done = run(form, text, *words)
    assert done.exit_code == 1
    assert said in done.stderr
