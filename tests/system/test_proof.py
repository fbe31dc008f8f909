"""A matter's line of the account is proven to whoever has the public key, while the services run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from town import Town

from jiayuan.chassis.testing.processes import until
from jiayuan.ledger import verify
from jiayuan.ledger.verify import Key, check_export, check_proof

pytestmark = pytest.mark.system


def test_what_was_reported_is_in_the_signed_account(town: Town, tmp_path: Path) -> None:
    who = town.somebody()
    receipt = town.report("龙津社区听雨街的路灯坏了三天", title="路灯不亮", contact=who.contact)
    case = town.case_of(receipt["id"])

    def entry() -> dict[str, Any] | None:
        found = town.cluster.get("ledger", f"/entries?case={case['id']}")["entries"]
        return found[0] if found and found[0]["postings"] >= 2 else None

    found = until(entry, "the matter is entered")
    assert found is not None
    # A publication signs at once, whatever waits; the interval would do it within a minute.
    note = town.command("ledger", "ledger", "proof", "checkpoint", "--sign", "test").stdout
    answer = town.call("ledger", "GET", "/proof/keys").json()
    keys = [Key.parse(k["key"]) for k in answer["keys"]]
    proof = town.call("ledger", "GET", f"/proof/inclusion?entry={found['id']}&number=1").json()
    assert check_proof(proof, keys).size > proof["index"]
    assert proof["leaf"]["facts"]["reports"] == [receipt["id"]]
    assert "路灯不亮" not in json.dumps(proof, ensure_ascii=False)

    file, kept = tmp_path / "account.zip", tmp_path / "kept.txt"
    kept.write_text(note, encoding="utf-8")
    town.command("ledger", "ledger", "export", str(file))
    assert check_export(file, keys, known=[note]).complete
    assert verify.main([str(file), "--key", str(keys[0]), "--known", str(kept)]) == 0
    said = town.command("ledger", "ledger", "verify", "--known", str(kept)).stdout
    assert "与签名相符" in said
