"""Exports and single proofs, checked by the verifier alone; what somebody did to them on the way is found and named."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, decode, encode, make
from jiayuan.contracts.times import iso
from jiayuan.ledger import exporting, proving, verify, verifying
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.cli import ledger as command
from jiayuan.ledger.exporting import Wanted
from jiayuan.ledger.proving import ProofSettings
from jiayuan.ledger.store import leaves, trees
from jiayuan.ledger.verify import Checkpoint, Invalid, check_export, check_proof, check_steps
from jiayuan.ledger.verifying import Trust

pytestmark = pytest.mark.store

SIGNER = Signer.new("jiayuan.example/ledger")
KEYS = [SIGNER.key]
STORIES = 50


def take(opened: Opened, events: Sequence[Event]) -> None:
    opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    )


def turn(opened: Opened) -> None:
    assert isinstance(opened.settings, ProofSettings)
    with opened() as work:
        proving.turn(work, SIGNER, replace(opened.settings, checkpoint_interval=0.0))
    opened.clock.time += timedelta(hours=1)


@pytest.fixture(scope="module")
def books(databases: Databases, stories: Any) -> Iterator[Opened]:
    """50 cases in two streets, published once after 150 leaves, 301 leaves in all."""
    opened = Opened("ledger", databases.fresh("ledger"))
    told = [
        stories.usual(stories.Story(street=f"35092100{n % 2 + 1}", title=f"例{n}号楼路灯不亮"))
        for n in range(STORIES)
    ]
    events = [e for s in told for e in s.events]
    take(opened, events[:150])
    with opened() as work:
        proving.publish(work, SIGNER, "account 2026")
    opened.clock.time += timedelta(hours=1)
    take(opened, events[150:])
    with opened() as work:
        leaves.put(work, [{"leaf": "test/1", "n": 1}])
    turn(opened)
    yield opened
    opened.close()
    databases.forget(opened.url)


def exported(books: Opened, file: Path, **wanted: Any) -> Path:
    with books() as work:
        exporting.export(work, file, Wanted(**wanted))
    return file


def notes(books: Opened) -> list[str]:
    with books() as work:
        return [s.note for s in trees.get_checkpoints(work, 1)]


def an_entry(books: Opened) -> str:
    with books() as work:
        return str(work.execute("SELECT entry_id FROM leaf WHERE index = 70").scalar())


# -- exports ---------------------------------------------------------------------------------------------


def test_the_whole_account_is_proven_and_nothing_can_be_left_out(books: Opened, tmp_path: Path) -> None:
    file = exported(books, tmp_path / "all.zip")
    report = check_export(file, KEYS, "jiayuan.example/ledger", notes(books))
    assert (report.leaves, report.entries, report.complete, report.known) == (301, 50, True, 2)
    assert (report.opening, report.entered, report.written_off) == (0, 50, 50)
    with zipfile.ZipFile(file) as found:
        assert found.read("nodes.txt") == b""
        assert "texts.jsonl" not in found.namelist()
        leaf = json.loads(found.read("leaves.jsonl").splitlines()[0])
        everything = found.read("leaves.jsonl").decode()
    assert (leaf["leaf"], leaf["kind"]) == ("posting/1", "opening")
    assert "路灯不亮" not in everything  # a title is free text: a digest stands for it


@pytest.mark.parametrize("wanted", [{"street": "350921001"}, {"year": 2026, "street": "350921002"}])
def test_a_part_of_the_account_is_proven_too(books: Opened, tmp_path: Path, wanted: dict[str, Any]) -> None:
    report = check_export(exported(books, tmp_path / "part.zip", **wanted), KEYS)
    assert (report.leaves, report.entries, report.complete) == (151, 25, False)


def test_an_entry_with_its_texts_is_proven(books: Opened, tmp_path: Path) -> None:
    file = exported(books, tmp_path / "entry.zip", entry=an_entry(books), texts=True)
    report = check_export(file, KEYS, known=notes(books)[:1])
    assert (report.leaves, report.entries, report.texts, report.known) == (6, 1, 1, 1)


def test_a_year_without_entries_has_its_documents_only(books: Opened, tmp_path: Path) -> None:
    assert check_export(exported(books, tmp_path / "none.zip", year=2031), KEYS).leaves == 1


def test_without_a_checkpoint_there_is_no_export(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        exported(opened, tmp_path / "early.zip")
    assert raised.value.status == 409


def test_the_verifier_runs_alone(books: Opened, tmp_path: Path) -> None:
    """As somebody without the system would: a copy of the file, an isolated interpreter, the public key."""
    file = exported(books, tmp_path / "all.zip")
    alone = tmp_path / "verify.py"
    alone.write_bytes(Path(verify.__file__).read_bytes())
    key = tmp_path / "key.txt"
    key.write_text(f"# the county's\n{SIGNER.key}\n", encoding="utf-8")
    known = tmp_path / "known.txt"
    known.write_text(notes(books)[0], encoding="utf-8")
    run = [sys.executable, "-I", str(alone), str(file), "--key", str(key), "--known", str(known)]
    good = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "期初 0 + 入账 50 − 销账 50 = 0" in good.stdout
    other = subprocess.run(
        [*run[:4], "--key", str(Signer.new(SIGNER.name).key)], capture_output=True, text=True, check=False
    )
    said = [line.partition("：")[0].partition(":")[0] for line in other.stdout.splitlines()]
    assert (other.returncode, said) == (1, ["证明不成立", "The proof does not hold"])
    gone = subprocess.run([*run[:3], "nothing.zip", "--key", str(key)], capture_output=True, check=False)
    assert gone.returncode == 2


# -- exports that somebody changed -----------------------------------------------------------------------


def changed(file: Path, name: str, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A copy in which the lines of one file are others."""
    copy = file.with_name(f"changed-{name}.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for each in old.namelist():
            data = old.read(each)
            if each == name:
                data = b"".join(change(data.splitlines(keepends=True)))
            new.writestr(each, data)
    return copy


def line(n: int, old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        assert old in lines[n]
        return [*lines[:n], lines[n].replace(old, new, 1), *lines[n + 1 :]]

    return change


def without(n: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [*lines[:n], *lines[n + 1 :]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:20], lines[21], lines[20], *lines[22:]]


def flipped(lines: list[bytes]) -> list[bytes]:
    return [lines[0][:-2] + (b"0" if lines[0][-2:-1] != b"0" else b"1") + b"\n", *lines[1:]]


CHANGES: list[tuple[str, str, Callable[[list[bytes]], list[bytes]], str]] = [
    ("a field edited", "leaves.jsonl", line(20, b'"at":"2026', b'"at":"2025'), "leaf 20 (entry"),
    ("a row deleted in the middle", "leaves.jsonl", without(20), "leaf 20 (entry"),
    ("a row deleted at the end", "leaves.jsonl", lambda x: x[:-1], "leaf 300 is missing"),
    ("a row and its place deleted", "places.txt", without(20), "leaf 21 (entry"),
    ("two swapped", "leaves.jsonl", swapped, "leaf 20 (entry"),
    ("two places swapped", "places.txt", swapped, "leaf 21 (entry"),
    ("one inserted", "leaves.jsonl", lambda x: [*x[:5], x[5], *x[5:]], "leaf 6 (entry"),
    ("one added", "leaves.jsonl", lambda x: [*x, x[-1]], "has no place in the tree"),
    ("a place added", "places.txt", lambda x: [*x, b"301" + x[-1][3:]], "a sequence gap"),
    ("a checkpoint edited", "checkpoint.txt", line(1, b"301", b"300"), "signature"),
    ("a line broken off", "leaves.jsonl", lambda x: [*x[:-1], x[-1][:-9]], "breaks off"),
    (
        "an old checkpoint's proof",
        "consistency.json",
        lambda x: [x[0].replace(b'"proof":["', b'"proof":["0')],
        "hash",
    ),
    ("another account's name", "manifest.json", lambda x: [x[0].replace(b"ledger", b"ledgex")], "format"),
]


@pytest.mark.parametrize(("name", "part", "change", "said"), CHANGES, ids=[c[0] for c in CHANGES])
def test_what_was_done_to_an_export_is_named(
    books: Opened,
    tmp_path: Path,
    name: str,
    part: str,
    change: Callable[[list[bytes]], list[bytes]],
    said: str,
) -> None:
    file = exported(books, tmp_path / "all.zip")
    with pytest.raises(Invalid) as raised:
        check_export(changed(file, part, change), KEYS)
    assert said in str(raised.value), name


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("a bit flipped", flipped, "don't lead to the signed root"),
        ("too short", without(3), "too short"),
        ("too long", lambda x: [*x, b"3 33 " + b"0" * 64 + b"\n"], "too long"),
        ("no numbers", lambda x: [b"x" + x[0], *x[1:]], "no height, index and hash"),
    ],
)
def test_what_was_done_to_the_proof_of_a_part_is_found(
    books: Opened, tmp_path: Path, name: str, change: Callable[[list[bytes]], list[bytes]], said: str
) -> None:
    file = exported(books, tmp_path / "part.zip", entry=an_entry(books))
    with pytest.raises(Invalid) as raised:
        check_export(changed(file, "nodes.txt", change), KEYS)
    assert said in str(raised.value), name


def rewritten(file: Path, at: int) -> Path:
    """A copy in which a leaf was edited and its hash computed again."""

    def edit(lines: list[bytes]) -> list[bytes]:
        return [*lines[:at], lines[at].replace(b'"number":', b'"forged":1,"number":'), *lines[at + 1 :]]

    def place(lines: list[bytes]) -> list[bytes]:
        with zipfile.ZipFile(edited) as found:
            leaf = found.read("leaves.jsonl").splitlines()[at]
        return [*lines[:at], b"%d %s\n" % (at, verify.leaf_hash(leaf).hex().encode()), *lines[at + 1 :]]

    edited = changed(file, "leaves.jsonl", edit)
    return changed(edited, "places.txt", place)


@pytest.mark.parametrize(("at", "said"), [(20, "leaves 0 to 149"), (200, "leaves 150 to 300")])
def test_a_leaf_and_its_hash_rewritten_are_named_between_checkpoints(
    books: Opened, tmp_path: Path, at: int, said: str
) -> None:
    with pytest.raises(Invalid) as raised:
        check_export(rewritten(exported(books, tmp_path / "all.zip"), at), KEYS)
    assert said in str(raised.value)


def test_an_older_checkpoint_put_back_is_seen_by_who_kept_the_newer_one(
    opened: Opened, stories: Any, tmp_path: Path
) -> None:
    take(opened, stories.usual(stories.Story()).events)
    turn(opened)
    old = exported(opened, tmp_path / "old.zip")
    take(opened, stories.usual(stories.Story()).events)
    turn(opened)
    newest = notes(opened)[-1]
    assert check_export(old, KEYS).leaves == 6
    with pytest.raises(Invalid, match="an older checkpoint was put back"):
        check_export(old, KEYS, known=[newest])
    # One that is known but not in the export is computed from all leaves; of a part it must be asked for.
    assert check_export(exported(opened, tmp_path / "all.zip"), KEYS, known=notes(opened)[:1]).known == 1
    with opened() as work:
        entry = str(work.execute("SELECT entry_id FROM leaf WHERE index = 9").scalar())
    with pytest.raises(Invalid, match="ask the ledger for a proof of consistency"):
        check_export(exported(opened, tmp_path / "part.zip", entry=entry), KEYS, known=notes(opened)[:1])


def test_two_roots_for_one_size_are_seen(books: Opened, tmp_path: Path) -> None:
    file = exported(books, tmp_path / "all.zip")
    forged = SIGNER.sign(Checkpoint(SIGNER.name, 150, b"x" * 32, ("hash sha256",)))
    with pytest.raises(Invalid, match="two roots for one size"):
        check_export(file, KEYS, known=[forged])


# -- by HTTP and by the command line ---------------------------------------------------------------------


def test_proofs_by_http_are_for_everybody_and_hold(books: Opened) -> None:
    client, entry = Client(books), an_entry(books)
    status, proof = client("GET", f"/proof/inclusion?entry={entry}&number=3")
    assert status == 200
    assert check_proof(proof, KEYS, SIGNER.name).size == 301
    assert (proof["leaf"]["entry_id"], proof["leaf"]["number"]) == (entry, 3)
    status, steps = client("GET", "/proof/consistency?old=1")
    assert (status, check_steps(steps, KEYS).size) == (200, 301)
    assert client("GET", "/proof/checkpoint?number=1")[0] == 200
    assert client.content.decode() == notes(books)[0]
    assert client("GET", "/proof/keys")[1]["keys"][0]["key"] == str(SIGNER.key)
    status, places = client("GET", f"/proof/entries/{entry}")
    assert [p["number"] for p in places["postings"]] == [1, 2, 3, 4, 5, 6]

    # The proof of another entry, and one that is longer, shorter, or has a bit flipped.
    _, other = client("GET", f"/proof/inclusion?entry={entry}&number=4")
    for wrong in (
        {**proof, "leaf": other["leaf"]},
        {**proof, "index": other["index"]},
        {**proof, "proof": other["proof"]},
        {**proof, "proof": [*proof["proof"], proof["proof"][0]]},
        {**proof, "proof": proof["proof"][:-1]},
        {**proof, "proof": [f"{int(proof['proof'][0], 16) ^ 1:064x}", *proof["proof"][1:]]},
        {**proof, "checkpoint": notes(books)[0].replace("150", "151")},
        {**proof, "format": "other"},
        {**steps, "proof": steps["proof"][:-1]},
    ):
        with pytest.raises(Invalid):
            (check_steps if "old" in wrong else check_proof)(wrong, KEYS)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/proof/inclusion", 422),
        ("/proof/inclusion?entry=x&number=1", 422),
        ("/proof/inclusion?entry=0198c692-3fe5-7396-ac6c-d9343e11af77&number=1", 404),
        ("/proof/checkpoint?number=99", 404),
        ("/proof/checkpoint?number=0", 422),
        ("/proof/consistency?old=2&new=1", 422),
        ("/proof/consistency", 422),
        ("/proof/entries/x", 404),
    ],
)
def test_what_there_is_no_proof_of_is_refused(books: Opened, path: str, status: int) -> None:
    assert Client(books)("GET", path)[0] == status


def run(books: Opened, *args: str, key: str | None = None) -> Any:
    env = {"JIAYUAN_LEDGER_DATABASE_URL": books.url, "JIAYUAN_LEDGER_SIGNING_KEY": key or ""}
    return CliRunner().invoke(command, list(args), env=env, catch_exceptions=False)


def test_the_commands_make_keys_proofs_exports_and_verify(books: Opened, tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = run(books, "key", "new", "jiayuan.example/other", str(file))
    assert made.exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(books, "key", "public", str(file)).output == made.output
    assert run(books, "key", "new", "jiayuan.example/other", str(file)).exit_code == 1
    assert run(books, "key", "new", "a name", str(tmp_path / "k")).exit_code == 2

    entry = an_entry(books)
    proof = json.loads(run(books, "proof", "inclusion", entry, "3").output)
    assert check_proof(proof, KEYS).size == 301
    assert check_steps(json.loads(run(books, "proof", "consistency", "1", "2").output), KEYS).size == 301
    assert run(books, "proof", "consistency", "2", "1").exit_code == 1
    checkpoint = run(books, "proof", "checkpoint").output
    assert checkpoint == notes(books)[-1]
    assert "301 leaves" in run(books, "proof", "trees").output

    out = tmp_path / "street.zip"
    assert run(books, "export", str(out), "--street", "350921001").exit_code == 0
    assert verify.main([str(out), "--key", str(SIGNER.key)]) == 0

    kept = tmp_path / "kept.txt"
    kept.write_text(checkpoint, encoding="utf-8")
    good = run(books, "verify", "--key", str(SIGNER.key), "--known", str(kept))
    assert (good.exit_code, "与签名相符" in good.output, "未核对印记" in good.output) == (0, True, True)
    whole = json.loads(run(books, "verify", "--json", key=SIGNER.text()).output)
    assert (whole["good"], whole["marked"], whole["leaves"], whole["findings"]) == (True, True, 301, [])
    several = run(books, "verify", "--key", str(SIGNER.key), "--jobs", "2")
    assert several.output == run(books, "verify", "--key", str(SIGNER.key), "--jobs", "1").output
    wrong = run(books, "verify", "--key", made.output.strip())
    assert (wrong.exit_code, "第一处：" in wrong.output) == (1, True)
    assert run(books, "verify").exit_code == 2


# -- erasing ---------------------------------------------------------------------------------------------


def test_erasing_a_person_breaks_no_proof(opened: Opened, stories: Any, tmp_path: Path) -> None:
    mine, other = stories.Story(title="例某某家门口路灯"), stories.Story(title="另一处")
    mine.case["reports"][0]["reporter"] = "pseudonym-1"
    other.case["reports"][0]["reporter"] = "pseudonym-2"
    for story in (mine, other):
        story.step("case.opened")
    take(opened, [*mine.events, *other.events, mine.step("case.returned", reason="例某某不在家")])
    turn(opened)
    before = notes(opened)
    erased = make(
        "person.erased",
        names.source("intake"),
        {"reporter": "pseudonym-1", "at": iso(opened.clock.now())},
        at=opened.clock.now(),
        subject="pseudonym-1",
    )
    take(opened, [decode(encode(erased), names.CONTENT_TYPE)])
    take(opened, [mine.step("case.accepted")])
    turn(opened)
    with opened() as work:
        texts = work.execute("SELECT words FROM posting_text").scalars()
        titles = work.execute("SELECT title FROM entry ORDER BY title").scalars()
        documents = work.execute("SELECT document FROM leaf_document").scalars()
        assert work.execute("SELECT error FROM dead_letter").scalars() == []
    with opened() as work:
        result = verifying.verify(work, Trust(KEYS, SIGNER.macs(), before))
    assert texts == [{"title": "另一处"}]
    assert titles == ["另一处", "（已删除）"]
    (document,) = documents
    assert [number for _, number in document["postings"]] == [1, 2]
    assert "pseudonym-1" not in json.dumps(document)
    assert (result.findings, result.erased, result.texts) == ([], 2, 1)
    report = check_export(exported(opened, tmp_path / "all.zip", texts=True), KEYS, known=before)
    assert (report.leaves, report.texts) == (5, 1)
