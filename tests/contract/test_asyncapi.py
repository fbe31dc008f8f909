"""contracts/asyncapi.json is good for AsyncAPI's own parser (node).

No marker: it needs no server, but seconds, and the first time the npm registry.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from jiayuan.chassis.testing.node import installed
from jiayuan.contracts import generate, names

HERE = Path(__file__).parent / "asyncapi"
# 3.0 is what the tools of other agencies can read.
ACCEPTED = {"asyncapi-latest-version"}


@pytest.fixture(scope="session")
def parse() -> Callable[[Path], dict[str, Any]]:
    """`parse(file)` → {"found": diagnostics, "summary": …}; installs the parser when it is missing."""
    installed(HERE, "@asyncapi/parser")

    def run(file: Path) -> dict[str, Any]:
        done = subprocess.run(
            ["node", str(HERE / "validate.mjs"), str(file)], cwd=HERE, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return run


def test_the_document_is_good(parse: Callable[[Path], dict[str, Any]]) -> None:
    answer = parse(generate.REPOSITORY / generate.ASYNCAPI)
    assert [f for f in answer["found"] if f["code"] not in ACCEPTED] == []
    summary = answer["summary"]
    assert summary["version"] == "3.0.0"
    assert set(summary["messages"]) == {names.event_type(e.name) for e in generate.everything()}
    for event in generate.everything():
        for owner in event.owner.split("|"):
            sends = summary["operations"][f"{owner}.sends.{event.name}"]
            assert sends == {
                "action": "send",
                "messages": [names.event_type(event.name)],
                "bindings": ["amqp"],
            }
    for service in names.SERVICES:
        for lane in names.LANES:
            if names.SUBSCRIPTIONS[service] or names.INBOUND.get(service):
                assert summary["operations"][f"{service}.receives.{lane}"]["action"] == "receive"


def test_the_parser_would_notice(parse: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    """A reference to nothing, and a binding that isn't one."""
    for spoil in (_dangling, _bad_binding):
        document = json.loads((generate.REPOSITORY / generate.ASYNCAPI).read_text())
        spoil(document)
        file = tmp_path / "asyncapi.json"
        file.write_text(json.dumps(document))
        assert [f for f in parse(file)["found"] if f["code"] not in ACCEPTED], spoil.__name__


@pytest.mark.unit
def test_the_examples_keep_their_payloads_schema() -> None:
    """The parser doesn't look at the examples of AsyncAPI 3."""
    document = json.loads((generate.REPOSITORY / generate.ASYNCAPI).read_text())
    for name, message in document["components"]["messages"].items():
        schema = jsonschema.Draft7Validator(
            {**document, "allOf": [{"$ref": f"#/components/messages/{name}/payload"}]}
        )
        (example,) = message["examples"]
        assert list(schema.iter_errors(example["payload"])) == []
        assert not schema.is_valid(example["payload"] | {"data": {}})


def _dangling(document: dict[str, Any]) -> None:
    document["operations"]["intake.sends.report.received"]["channel"]["$ref"] = "#/channels/nowhere"


def _bad_binding(document: dict[str, Any]) -> None:
    document["operations"]["intake.sends.report.received"]["bindings"]["amqp"]["deliveryMode"] = "always"
