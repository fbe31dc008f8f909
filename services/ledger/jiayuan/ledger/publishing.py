"""Publishing an account: its files are written once, their digests become a leaf, and a checkpoint is signed over it.

One transaction: an account that was published has its checkpoint, and one that could not be signed was not published.
The entries come from one cursor, so that all of them are of one moment and the figures are their sums; files grow on
disk, so that memory doesn't grow with the account.
"""

from __future__ import annotations

import logging
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

import orjson
from cryptography.hazmat.primitives import hashes

from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import proving, publication, sheeting, views
from .account import HEADINGS
from .checkpoint import Signer
from .publication import COLUMNS, FILES, FORMAT, LEAF, Name
from .store import leaves, lists, publications
from .store.cursors import PAGE

log = logging.getLogger("jiayuan.ledger.publishing")

_PIECE: Final = 1 << 18
_STATES: Final = {
    "open": "未结",
    "written_off": "已销账",
    "reversed": "已冲正",
    "carried_forward": "已结转",
}
_SOURCES: Final = {
    "case": "群众诉求",
    "meeting": "联席会议",
    "demand_list": "需求清单",
    "carried_forward": "上年结转",
}
_ANSWERS: Final = {"satisfied": "满意", "unsatisfied": "不满意", "lapsed": "逾期未答复", "withdrawn": "撤回"}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {"state": _STATES, "source": _SOURCES, "answer": _ANSWERS}


def order(work: Work, year: int, street: str, who: str, names: Mapping[str, Any]) -> str:
    """Orders an account to be published; the order's id. `names`: of streets, units and categories by code."""
    id_ = new_id()
    publications.add_order(
        work,
        {
            "id": id_,
            "year": year,
            "street": street,
            "ordered_at": work.now,
            "ordered_by": who,
            "names": dict(names),
        },
    )
    log.info("publication ordered", extra={"year": year, "street": street, "who": who})
    return id_


def publish(work: Work, signer: Signer, tree_hash: str = "sha256", id_: str | None = None) -> Name | None:
    """Publishes what was ordered first, or that order; its name, None when nothing waits or another is at it."""
    if not publications.lock(work):
        return None
    asked = publications.waiting(work, id_)
    if asked is None:
        return None
    number = publications.next_number(work, asked.year, asked.street)
    name = Name(asked.year, asked.street, number)
    hash_id = leaves.hash_of(work)
    with tempfile.TemporaryFile() as json, tempfile.TemporaryFile() as csv, tempfile.TemporaryFile() as xlsx:
        about = {
            "format": FORMAT,
            "name": str(name),
            "year": name.year,
            "street": name.street or None,
            "number": number,
            "at": iso(work.now),
            "names": asked.names,
            "lists": list(_lists(work, name)),
        }
        written = _write(work, name, about, json, csv, xlsx)
        files = {form: _described(to, hash_id) for form, to in zip(FILES, (json, csv, xlsx), strict=True)}
        leaf = {
            "leaf": LEAF,
            "publication": asked.id,
            "name": str(name),
            "year": name.year,
            "street": name.street,
            "number": number,
            "entries": written.count,
            "files": {form: said["digest"] for form, said in files.items()},
            "at": iso(work.now),
        }
        (leaf_id,) = leaves.put(work, [leaf])
        signed = proving.publish(work, signer, f"account {name}", tree_hash)
        row = {
            "id": asked.id,
            "year": name.year,
            "street": name.street,
            "number": number,
            "at": work.now,
            "leaf": leaf_id,
            "checkpoint": signed.number,
            "entries": written.count,
            "document": written.document,
            "files": files,
        }
        publications.add(work, row)
        for form, to in zip(FILES, (json, csv, xlsx), strict=True):
            bounds = written.bounds if form == "json" else None
            _keep(work, asked.id, form, to, bounds)
    log.info("published", extra={"account": str(name), "entries": written.count, "checkpoint": signed.number})
    return name


class _Written:
    """What was written: the document without its entries, how many these are, and where they stand in the JSON file
    (offset, length, first and last id of a page of them)."""

    def __init__(self) -> None:
        self.count = 0
        self.document: dict[str, Any] = {}
        self.bounds: list[tuple[int, int, str, str]] = []


def _write(
    work: Work, name: Name, about: dict[str, Any], json: IO[bytes], csv: IO[bytes], xlsx: IO[bytes]
) -> _Written:
    out, sums = _Written(), publication.Sums()
    table, book = sheeting.CsvFile(csv), sheeting.Book()
    headings = list(COLUMNS.values())
    table.row(headings)
    page = book.sheet("账目", headings)
    head = orjson.dumps(about)[:-1] + b',"entries":['
    json.write(head)
    offset = len(head)
    before = b""
    for rows in _pages(publications.entries(work, name.year, name.street)):
        lines = [publication.line(row) for row in rows]
        for line in lines:
            sums.add(line)
            cells = cells_of(line, about["names"])
            table.row(cells)
            book.add(page, cells)
        text = before + b",".join(b"\n" + orjson.dumps(line) for line in lines)
        json.write(text)
        out.bounds.append((offset, len(text), rows[0].id, rows[-1].id))
        offset += len(text)
        before = b","
        out.count += len(rows)
    figures = sums.document()
    json.write(b'\n],"figures":' + orjson.dumps(figures) + b"}\n")
    table.end()
    for by, heading in (("street", "街道"), ("unit", "责任单位")):
        book.sheet(f"{heading}账", [heading, *HEADINGS], _figure_rows(figures, by, about["names"]))
    book.sheet(
        "清单",
        ["清单", "季度", "街道", "社区", "序号", "事项类别", "事项", "需求数", "认领单位", "期限", "进度"],
        _list_rows(about),
    )
    book.sheet("说明", ["项目", "内容"], _explained(name, about))
    book.save(xlsx)
    out.document = {**about, "figures": figures}
    return out


def _pages(rows: Iterator[Any]) -> Iterator[list[Any]]:
    page: list[Any] = []
    for row in rows:
        page.append(row)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def cells_of(line: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """A line as CSV and XLSX have it: words for codes, the county's names where they are known."""
    out: list[Any] = []
    for column in COLUMNS:
        value = line[column]
        if column in WORDS:
            value = WORDS[column].get(value, value)
        elif column in names:
            value = names[column].get(value, value)
        elif column == "unsatisfied":
            value = int(value)
        out.append(value)
    return out


def _figure_rows(figures: Mapping[str, Any], by: str, names: Mapping[str, Any]) -> Iterator[list[Any]]:
    for line in (*figures[f"{by}s"], {by: "合计", **figures["total"]}):
        key = line[by]
        yield [
            "（网格）" if key is None else names.get(by, {}).get(key, key),
            *(line[n] for n in ("opening", "entered", "written_off", "reversed", "open", "unsatisfied")),
            "平" if line["balances"] else "不平",
        ]


def _list_rows(about: Mapping[str, Any]) -> Iterator[list[Any]]:
    kinds = {"demand": "需求清单", "problem": "问题清单", "service": "服务清单"}
    for found in about["lists"]:
        place = [kinds[found["kind"]], found["quarter"], found["street"], found["community"]]
        for line in found["lines"]:
            said = [line.get("number"), line["category"], line.get("title"), line.get("demands")]
            claims: list[dict[str, Any]] = line.get("claims") or [{}]
            for claim in claims:
                yield [*place, *said, claim.get("unit"), claim.get("due_at"), claim.get("standing")]


def _explained(name: Name, about: Mapping[str, Any]) -> Iterator[list[Any]]:
    yield ["账本", str(name)]
    yield ["公布时间", about["at"]]
    yield ["平衡式", "期初 + 本年入账 − 销账 ± 冲正 = 结存"]
    yield ["编号", "账目编号的摘要；凭查询码可在公布页面找到自己的账目"]
    yield ["检查点", "本文件的摘要已记入账本的默克尔树并签名，见公布页面的 checkpoint 与 proof"]


def _lists(work: Work, name: Name) -> Iterator[dict[str, Any]]:
    for n in range(1, 5):
        for state in ("published", "closed"):
            for found in lists.find_lists(
                work,
                kind=None,
                quarter=f"{name.year}Q{n}",
                street=name.street or None,
                community=None,
                state=state,
            ):
                yield publication.public_list(views.whole(work, found))


def _described(file: IO[bytes], hash_id: str) -> dict[str, Any]:
    state = hashes.Hash(hashes.SM3() if hash_id == "sm3" else hashes.SHA256())
    file.seek(0)
    size = 0
    while piece := file.read(_PIECE):
        state.update(piece)
        size += len(piece)
    return {"bytes": size, "digest": f"{hash_id}:{state.finalize().hex()}"}


def _keep(
    work: Work, id_: str, form: str, file: IO[bytes], bounds: list[tuple[int, int, str, str]] | None
) -> None:
    """Keeps a file piece by piece; of the JSON file a piece is a page of entries, so that one is found by its id."""
    file.seek(0, 2)
    size = file.tell()
    if bounds is None:
        parts: list[tuple[int, int, str | None, str | None]] = [
            (at, min(_PIECE, size - at), None, None) for at in range(0, size, _PIECE)
        ]
    else:
        end = bounds[-1][0] + bounds[-1][1] if bounds else 0
        start = bounds[0][0] if bounds else 0
        parts = [(0, start, None, None), *bounds, (end, size - end, None, None)]
    for number, (at, length, first, last) in enumerate((p for p in parts if p[1]), start=1):
        file.seek(at)
        row = {
            "publication_id": id_,
            "format": form,
            "number": number,
            "first_id": first,
            "last_id": last,
            "packed": zlib.compress(file.read(length), 6),
        }
        publications.add_pieces(work, [row])


def written(work: Work, found: Any, form: str, to: IO[bytes]) -> None:
    """Writes a file of a publication as it was published."""
    for packed in publications.pieces(work, found.id, form):
        to.write(zlib.decompress(packed))


def line_of(work: Work, found: Any, entry: str) -> dict[str, Any] | None:
    """The line of an entry as it was published; None when it isn't in."""
    packed = publications.piece_with(work, found.id, entry)
    if packed is None:
        return None
    mark = orjson.dumps({"ref": publication.ref(entry)})[:-1]
    for text in zlib.decompress(packed).split(b"\n"):
        if text.startswith(mark):
            line: dict[str, Any] = orjson.loads(text.rstrip(b","))
            return line
    return None
