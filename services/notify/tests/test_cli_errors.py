"""What the command line says to wrong arguments and on a bad night: one line that names what is wrong and what is
allowed, on standard error, with an exit code, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.chassis.errors import EXIT_UNREACHABLE
from jiayuan.notify.cli import notify

WHY = ("--reason", "x y")
WRONG = {
    "status, both": (("status", "--case", "1", "--report", "2"), 2, "--case or --report, not both"),
    "status, no time": (
        ("status", "--since", "yesterday"),
        2,
        "no day, no RFC 3339 time and no span as 90m, 24h, 7d",
    ),
    "status, no span": (("status", "--since", "99999999999d"), 2, "no day, no RFC 3339 time and no span"),
    "status, state": (("status", "--state", "lost"), 2, "'accepted', 'delivered'"),
    "stop, kind": (("stop", "pigeon", "x", *WHY), 2, "'provider', 'channel', 'template'"),
    "stop, no name": (("stop", "provider", *WHY), 2, "Missing argument 'NAME'"),
    "stop, no reason": (("stop", "channel", "sms"), 2, "Missing option '--reason'"),
    "stop, empty reason": (("stop", "channel", "sms", "--reason", " "), 2, "must say why"),
    "stop, minutes": (("stop", "channel", "sms", *WHY, "--minutes", "0"), 2, "1<=x<="),
    "stop, unknown": (("stop", "channel", "pigeon", *WHY), 1, "allowed: sms, mini_program"),
    "start, unknown": (
        ("start", "template", "poem", *WHY),
        1,
        "there is no template poem; allowed: answered, ",
    ),
    "start, not stopped": (("start", "channel", "sms", *WHY), 1, "channel sms is not stopped"),
    "resend, no id": (("resend", "nonsense", *WHY), 1, "No such notice"),
    "resend, unknown": (("resend", "0198c0de-0000-7000-8000-000000000000", *WHY), 1, "No such notice"),
    "resend, empty reason": (("resend", "nonsense", "--reason", ""), 2, "must say why"),
    "alarms, unknown": (("alarms", "--clear", "moon"), 1, "nothing is raised about moon"),
    "statistics, by": (("statistics", "--by", "week"), 2, "'hour', 'day', 'provider', 'channel', 'template'"),
    "statistics, order": (("statistics", "--since", "2h", "--until", "24h"), 1, "until"),
    "statistics, month": (("statistics", "--since", "2026-13-01"), 2, "no day, no RFC 3339 time"),
    "reconciliation, no command": (("reconciliation",), 2, "settle"),
    "reconciliation, day": (("reconciliation", "list", "--day", "soon"), 2, "no day"),
    "settle, no number": (("reconciliation", "settle", "abc", *WHY), 2, "is not a valid integer"),
    "settle, too large": (("reconciliation", "settle", "9" * 30, *WHY), 2, "is not in the range"),
    "settle, none": (("reconciliation", "settle", "7", *WHY), 1, "none of these is open"),
    "settle, empty reason": (("reconciliation", "settle", "7", "--reason", ""), 2, "must say why"),
    "explain, nothing": (("explain", "moon"), 1, "no file and no golden example moon"),
    "explain, no event": (("explain", "README.md"), 1, "is not an event"),
    "explain, a folder": (("explain", "services"), 1, "no file and no golden example services"),
    "explain, no time": (("explain", "case.assigned", "--at", "noon"), 2, "RFC 3339 time with an offset"),
    "preview, nothing": (("preview",), 2, "give a template, or --event"),
    "preview, unknown": (("preview", "poem"), 2, "there is no template poem; there are answered, "),
    "preview, version": (
        ("preview", "received", "--version", "99"),
        2,
        "received has no version 99; there are 1",
    ),
    "preview, event": (("preview", "--event", "moon"), 1, "no file and no golden example moon"),
    "preview, other event": (("preview", "received", "--event", "case.assigned"), 1, "gives nobody received"),
    "preferences, type": (("preferences", "show", "pigeon", "c0"), 2, "'citizen', 'person', 'unit', 'desk'"),
    "preferences, unknown": (("preferences", "show", "citizen", "moon"), 1, "Nobody is known by that"),
    "preferences, subject": (
        ("preferences", "set", "citizen", "c0", "--refuse", "safety", *WHY),
        1,
        "safety can't be refused; allowed: ",
    ),
    "preferences, hours": (
        ("preferences", "set", "citizen", "c0", "--quiet", "25:00", "07:00", *WHY),
        2,
        "must be a time of day as 21:30",
    ),
    "resubscribe, unknown": (
        ("preferences", "resubscribe", "citizen", "moon", "sms", *WHY),
        1,
        "Nobody is known",
    ),
    "resubscribe, channel": (
        ("preferences", "resubscribe", "citizen", "c0", "webhook", *WHY),
        2,
        "'sms', 'mini_program'",
    ),
    "try": (("try", "123"), 2, "11 digits"),
    "unknown command": (("sttus",), 2, "No such command 'sttus'"),
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The repository, where golden examples are."""
    monkeypatch.chdir(request.config.rootpath)


@pytest.fixture(scope="module")
def url(databases: Any) -> str:
    """A database for this module, in which nothing is."""
    made: str = databases.fresh("notify")
    return made


@pytest.mark.store
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("words", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_said_to_wrong_arguments(
    url: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", url)
    done = CliRunner().invoke(notify, words)
    assert (done.exit_code, done.exception is None or isinstance(done.exception, SystemExit)) == (
        code,
        True,
    ), repr(done.exception)
    assert said in " ".join(done.stderr.split()), done.output
    assert done.stdout == ""


LOOKS = [
    ("status",),
    ("status", "--person", "c0"),
    ("providers",),
    ("alarms",),
    ("statistics",),
    ("budget",),
    ("reconciliation", "list"),
    ("preferences", "show", "citizen", "c0"),
]
ACTS = [("stop", "channel", "sms", *WHY), ("resend", "0198c0de-0000-7000-8000-000000000000", *WHY)]


@pytest.mark.parametrize("words", [*LOOKS, *ACTS], ids=lambda w: " ".join(w[:2]))
def test_without_the_database_one_line_says_so(words: tuple[str, ...]) -> None:
    """As a process, for what is said of errors is the program's, not the command's."""
    away = "postgresql://nobody:secret-word@127.0.0.1:1/nothing"
    done = subprocess.run(
        [sys.executable, "-m", "jiayuan.chassis.cli", "notify", *words],
        env={**os.environ, "JIAYUAN_NOTIFY_DATABASE_URL": away},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == EXIT_UNREACHABLE
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "does not answer" in done.stderr
