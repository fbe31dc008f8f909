"""Stops, alarms and weights at the command line, and what a running sender makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import REGISTRY
from rigs import Rig, Scripted

from jiayuan.notify import store
from jiayuan.notify.cli import notify
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome

pytestmark = pytest.mark.store


class Command:
    """The command line on a database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str, file: Any) -> None:
        monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", url)
        file.write_text("providers: [{name: a, kind: http}, {kind: tencent}]")
        self.file = file
        monkeypatch.setenv("JIAYUAN_NOTIFY_PROVIDERS", str(file))

    def __call__(self, *words: str, code: int = 0) -> str:
        """What it says."""
        done = CliRunner().invoke(notify, list(words))
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def command(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Command:
    """The command line."""
    return Command(monkeypatch, rig.opened.url, tmp_path / "providers.yaml")


def test_a_stop_by_hand_holds_and_a_start_sends_what_waited(rig: Rig, command: Command) -> None:
    a = Scripted("a")
    sender = Sender(rig.runtime, [Route(a)], inline=True)
    rig.reports(2)
    said = command("stop", "template", "received", "--reason", "a wrong word", "--who", "lin")
    assert "template received is stopped" in said
    assert "already" in command("stop", "template", "received", "--reason", "again", code=1)
    sender.sweep()
    while sender.turn():
        pass
    assert (a.calls, rig.states()) == ([], ["deferred"] * 2)
    assert REGISTRY.get_sample_value("jiayuan_notify_stopped", {"kind": "template", "name": "received"}) == 1
    command("start", "template", "received", "--reason", "corrected", "--who", "lin")
    assert "is not stopped" in command("start", "template", "received", "--reason", "x", code=1)
    sender.sweep()
    while sender.turn():
        pass
    assert len(a.calls) == 2  # at once: nobody waits for a retry
    assert "template received: started" in command("providers")


def test_only_what_there_is_can_be_stopped(command: Command) -> None:
    for kind, name in (("provider", "b"), ("channel", "pigeon"), ("template", "poem")):
        said = command("stop", kind, name, "--reason", "x", code=1)
        assert f"there is no {kind} {name}; allowed: " in said


def test_alarms_are_listed_with_their_reason_and_cleared(rig: Rig, command: Command) -> None:
    refuse = Outcome("content_refused", error="word 13900000000 not allowed")
    sender = Sender(rig.runtime, [Route(Scripted("a", lambda _m: refuse))], inline=True)
    rig.reports(3)
    while sender.turn():
        pass
    said = command("alarms")
    assert "content_refused a/received, 3 times" in said
    assert "139****0000" in said
    sender.sweep()
    labels = {"kind": "content_refused", "subject": "a/received"}
    assert REGISTRY.get_sample_value("jiayuan_notify_alarms", labels) == 3
    assert "1 cleared" in command("alarms", "--clear", "a/received", "--who", "lin")
    assert command("alarms") == "none\n"
    assert "cleared by lin" in command("alarms", "--all")
    assert "nothing is raised" in command("alarms", "--clear", "a/received", code=1)
    sender.sweep()
    assert REGISTRY.get_sample_value("jiayuan_notify_alarms", labels) is None


def test_weights_and_moves_are_told_with_their_reasons(rig: Rig, command: Command) -> None:
    sender = Sender(
        rig.runtime, [Route(Scripted("a"), weight=7), Route(Scripted("b"), weight=3)], inline=True
    )
    sender.sweep()
    with rig.opened() as work:
        store.operating.stop(work, "provider", "a", reason="misconfigured: 401", by="notify", wall=work.now)
    said = command("providers", "--hours", "8760")
    assert "sms          a                 70 points (70 at rest)" in said
    assert "provider a: stopped, since" in said
    assert "misconfigured: 401" in said
    assert '"points": 30' in command("providers", "--json")


def test_providers_are_listed_with_their_state_and_need_no_secrets(command: Command) -> None:
    command.file.write_text(
        "providers: [{name: a, kind: aliyun, secret: {env: NOWHERE}}, {kind: wechat, test: true}, {kind: sink}]"
    )
    command("stop", "channel", "mini_program", "--reason", "x")
    lines = command("providers").splitlines()
    assert lines[:3] == [
        "sms          a                aliyun   open",
        "mini_program wechat           wechat   stopped, test key mode: sends nothing",
        "sms          sink             sink     open, keeps what it gets and sends nothing",
    ]
    assert "JIAYUAN_NOTIFY_PROVIDERS" not in "".join(lines)


def test_a_providers_file_that_is_wrong_keeps_nobody_from_looking_and_stopping(command: Command) -> None:
    command.file.write_text("providers: [{name: a, kind: pigeon}]")
    said = command("providers")
    assert "the providers' file is wrong: " in said
    assert "aliyun, " in said
    assert "is stopped" in command("stop", "channel", "sms", "--reason", "x")
    assert "must have `providers`" in command("stop", "provider", "a", "--reason", "x", code=1)
    assert "channel sms: stopped" in command("providers")


def test_where_only_the_sink_is_there_it_is_listed_and_how_to_add_others(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIAYUAN_NOTIFY_PROVIDERS", "")
    said = command("providers")
    assert said.startswith(
        "sms          sink             sink     open, keeps what it gets and sends nothing\n"
    )
    assert "JIAYUAN_NOTIFY_PROVIDERS=FILE" in said
    (one,) = json.loads(command("providers", "--json"))["providers"]
    assert (one["provider"], one["state"], one["sends"]) == ("sink", "open", False)
