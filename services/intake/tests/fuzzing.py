"""A fuzz of everything that intake reads from strangers: files, bus bodies, photos, voice notes, forms, tokens.

    python services/intake/tests/fuzzing.py --seconds 60 [--seed 7] [--only photos]

Each target takes bytes, and may raise nothing but what its callers are told of. Inputs are good ones, broken: bits
turned, pieces cut, doubled and swapped, lengths made absurd, words of the format put where they don't belong; archives
and checksums are made whole again, so that the breaks reach what lies inside. An input that raises something else,
takes more than ten seconds of the processor, or makes the process grow by more than 500 MB is a failure, and is kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

SECONDS: Final = 10.0
MEGABYTES: Final = 500
HERE: Final = Path(__file__).resolve().parent
SECRET: Final = "for fuzzing only, thirty-two or more characters"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures: Any = _load("pictures")


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes: `run` raises only `allowed`; `mend` makes checksums of a broken input right."""

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], Any]
    allowed: tuple[type[BaseException], ...]
    words: tuple[bytes, ...] = ()
    mend: Callable[[bytes], bytes] | None = None


class Failure(Exception):
    """An input that a target didn't deal with."""

    def __init__(self, target: str, data: bytes, why: str) -> None:
        self.target, self.data = target, data
        super().__init__(f"{target}: {why}")


class Hang(BaseException):
    """Ten seconds are over. Not an Exception: nobody may swallow it."""


# -- breaking ------------------------------------------------------------------------------------------

_NUMBERS: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def broken(rng: random.Random, target: Target) -> bytes:
    """A seed with one to eight breaks."""
    data = bytearray(rng.choice(target.seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        at = rng.randrange(len(data))
        what = rng.randrange(9)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at] = rng.randrange(256)
        elif what == 2:
            del data[at:]
        elif what == 3:
            end = min(len(data), at + rng.randrange(1, 64))
            del data[at:end]
        elif what == 4:
            end = min(len(data), at + rng.randrange(1, 256))
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif what == 5:
            size, order = rng.choice((1, 2, 4, 8)), rng.choice(("<", ">"))
            number = rng.choice(_NUMBERS) & (1 << 8 * size) - 1
            data[at : at + size] = struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], number)
        elif what == 6 and target.words:
            word = rng.choice(target.words)
            data[at : at + rng.choice((0, len(word)))] = word
        elif what == 7:
            other = rng.choice(target.seeds)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]
        else:
            data += rng.choice((b"\x00" * 64, b"PK\x03\x04" + bytes(30), b"<script>", bytes(data[:64])))
        if len(data) > 2_000_000:
            del data[2_000_000:]
    out = bytes(data)
    return target.mend(out) if target.mend is not None and rng.random() < 0.7 else out


def _png(data: bytes) -> bytes:
    """The same chunks with right checksums."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        body = data[at + 4 : end - 4]
        out += data[at : end - 4] + struct.pack(">I", zlib.crc32(body))
        at = end
    return out + data[at:]


class _Parts:
    """Workbooks, as one text of their parts, so that what breaks is inside them."""

    mark = b"\n=====part:%s=====\n"

    @classmethod
    def opened(cls, workbook: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
            return b"".join(cls.mark % n.encode() + archive.read(n) for n in archive.namelist())

    @classmethod
    def closed(cls, text: bytes) -> bytes:
        out = io.BytesIO()
        names: set[str] = set()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for piece in text.split(b"\n=====part:")[1:]:
                name, _, content = piece.partition(b"=====\n")
                said = name.decode("utf-8", "replace")[:100].replace("\x00", "?") or "x"
                if said not in names:
                    names.add(said)
                    archive.writestr(said, content)
        return out.getvalue()


# -- targets -------------------------------------------------------------------------------------------


def targets() -> list[Target]:
    """All of them."""
    return [
        *_files(),
        *_media(),
        *_messages(),
        *_web(),
    ]


def _reading(form: str, *, answer: bool = False) -> Callable[[bytes], None]:
    from jiayuan.intake import answers, files, report

    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"a.{form}")
            path.write_bytes(data)
            reader = files.reader(path)
            words = {}
            for line in reader:
                assert line.problems or line.document
                words[line.number] = "受理 & <结果>\x00"
                if line.document:
                    try:
                        report.clean(
                            report.from_document(line.document, channel="file_import"), report.rules()
                        )
                    except report.BadSubmission as error:
                        line.problems += error.problems
                        assert line.problems
            if answer:
                answers.write(reader, path, Path(folder, "b"), words)

    return run


def _files() -> Iterator[Target]:
    from jiayuan.intake import files, mapping

    rows = [
        ["编号", "内容", "电话", "发生时间", "纬度", "经度", "地点"],
        [
            "1",
            "龙津社区路灯坏了",
            "１３８００１３８０００",
            "2026年3月1日 下午3点",
            "26.88",
            "120.0",
            "松城街道",
        ],
        ["2", "井盖，没了\n第二行", "13900139000", "46082.5", "", "", ""],
    ]
    table = "\n".join(",".join(f'"{c}"' for c in row) for row in rows) + "\n"
    notes = "意见箱登记表\n,,\n" + table
    words = tuple(
        w.encode()
        for w in (
            '"',
            '""',
            ",",
            "\t",
            "\r",
            "\n",
            "\r\n",
            "\x00",
            "\ufeff",
            "内容",
            "受理结果",
            "1E+400",
            "nan",
            "9" * 400,
        )
    )
    yield Target(
        "csv",
        (table.encode(), notes.encode("gb18030"), table.encode("utf-16"), table.encode("utf-8-sig")),
        _reading("csv", answer=True),
        (files.Unreadable,),
        (*words, b"\xff\xfe", b"\x81\x30\x81", b'"' * 100),
    )
    line = b'{"text": "\xe8\xb7\xaf", "place": {"lat": 26.9, "long": 120}, "contact": {"phone": "13800138000"}}\n'
    yield Target(
        "json lines",
        (line * 3, b'\xef\xbb\xbf{"id": 7, "detail": "x", "time": "2019-02-28 11:25:05"}\n'),
        _reading("jsonl"),
        (files.Unreadable,),
        (
            b"[" * 2000,
            b'{"a":' * 2000,
            b"1e999",
            b"-0",
            b'"\\ud800"',
            b"\\u0000",
            b"null",
            b"true",
            b"9" * 5000,
            b"{}",
        ),
    )
    book = _workbook(rows)
    yield Target(
        "workbooks, parts",
        (_Parts.opened(book),),
        lambda data: _reading("xlsx", answer=True)(_Parts.closed(data)),
        (files.Unreadable,),
        (
            b'<row r="9999999">',
            b"<row>",
            b"</row>",
            b'<c r="XFD1" t="s"><v>99999</v></c>',
            b' t="s"',
            b' t="b"',
            b' t="d"',
            b' s="99"',
            b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
            b"&b;",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b'r="A0"',
            b'r="0"',
            b"<sheetData>",
            b"</sheetData>",
            b"<cols>",
            b"<dimension ref='A1:XFD1048576'/>",
            b'"',
            b"<x:row r='3'>",
        ),
    )
    yield Target(
        "workbooks, archives",
        (book,),
        _reading("xlsx", answer=True),
        (files.Unreadable,),
        (b"PK\x01\x02", b"PK\x05\x06"),
    )
    plan = (HERE.parents[0] / "jiayuan/intake/data/mappings/boston-311.yaml").read_bytes()

    def load(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "m.yaml")
            path.write_bytes(data)
            read = mapping.load(path, tuple(files.COLUMNS))
            read.wants(lambda _: "x")
            for rule in read.fields.values():
                rule.read(lambda _: 1.5)

    yield Target(
        "mappings",
        (
            plan,
            b"fields: {text: A, 'place.lat': {column: B, values: {1: 2}}}\nonly: [{column: C, is: [x]}]\n",
        ),
        load,
        (mapping.BadMapping,),
        (
            b"&a [*a]",
            b"*a",
            b"!!python/name:os.system",
            b"- ",
            b"{",
            b"[",
            b": ",
            b"0x",
            b"2026-01-01",
            b"~",
            b"..",
            b"<<: ",
        ),
    )


def _workbook(rows: Sequence[Sequence[str]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.active.merge_cells("A1:A2")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _media() -> Iterator[Target]:
    from PIL import Image

    from jiayuan.intake import exif, media

    limits = media.Limits(pixels=4_000_000, whole=2_000_000)

    def run(data: bytes) -> None:
        kept = media.clean(data, limits)
        if kept.kind == media.PHOTO:
            assert not dict(Image.open(io.BytesIO(kept.data)).getexif())
        assert media.clean(kept.data, limits).digest == kept.digest, "cleaned again it is another file"

    def photo(form: str, **how: Any) -> bytes:
        return bytes(pictures.picture(form, exif=pictures.exif(**how)))

    markers = tuple(
        bytes((0xFF, n))
        for n in (0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xE1, 0xFE, 0x00, 0xFF)
    )
    yield Target(
        "jpeg",
        (photo("JPEG"), photo("JPEG", orientation=6), pictures.picture(progressive=True)),
        run,
        (media.BadMedia,),
        (*markers, b"Exif\0\0II*\0", b"Exif\0\0MM\0*"),
    )
    yield Target(
        "png",
        (photo("PNG"), pictures.picture("PNG"), pictures.png_bomb(300, 300)),
        run,
        (media.BadMedia,),
        (b"IHDR", b"IDAT", b"IEND", b"acTL", b"eXIf", b"PLTE", b"zTXt"),
        _png,
    )
    yield Target(
        "webp",
        (photo("WEBP"), pictures.picture("WEBP", lossless=True)),
        run,
        (media.BadMedia,),
        (b"VP8X", b"VP8L", b"VP8 ", b"ANIM", b"ANMF", b"EXIF", b"ALPH", b"RIFF"),
    )
    yield Target(
        "heic",
        (photo("HEIF"),),
        run,
        (media.BadMedia,),
        (b"meta", b"mdat", b"iloc", b"iprp", b"ispe", b"hvcC", b"ftyp", b"idat", b"grid", b"irot"),
    )
    yield Target(
        "voice notes",
        (
            pictures.amr(20),
            pictures.mp3(8),
            pictures.wav(),
            pictures.m4a(pictures.box(b"\xa9xyz", b"+26+120/")),
            pictures.ogg(b"x=y"),
        ),
        run,
        (media.BadMedia,),
        (
            b"ID3\x03\0\0\0\0\x7f\x7f",
            b"TAG",
            b"fmt ",
            b"data",
            b"LIST",
            b"moov",
            b"trak",
            b"mdia",
            b"hdlr",
            b"OggS",
            b"OpusTags",
        ),
    )
    yield Target(
        "exif",
        (pictures.exif(), pictures.exif(datum="GCJ-02")),
        lambda d: exif.read(d),
        (),
        (b"II*\0", b"MM\0*"),
    )


def _messages() -> Iterator[Target]:
    from jiayuan.contracts import envelope, names
    from jiayuan.contracts.ids import new_id
    from jiayuan.intake import report

    body = json.dumps(
        {
            "specversion": "1.0",
            "id": new_id(),
            "source": "/partners/hotline-12345",
            "type": "cn.jiayuan.report.submitted.v1",
            "time": "2026-03-01T01:30:00Z",
            "datacontenttype": "application/json",
            "data": {
                "external_id": "H1",
                "text": "西关社区井盖没了，电话13800138000",
                "kind": "problem",
                "place": {"text": "松城街道", "lat": 26.9, "long": 120.0},
                "contact": {"name": "例张三", "phone": "13800138000"},
                "occurred_at": "2026-03-01T01:30:00Z",
            },
        },
        ensure_ascii=False,
    ).encode()

    def decode(data: bytes) -> None:
        event = envelope.decode(
            data,
            "application/cloudevents+json; charset=utf-8",
            exchange=names.INBOUND_EXCHANGE,
            user_id="hotline-12345",
        )
        if event.name != "report.submitted":
            return
        made = report.from_document(event.data, channel="government_system", cause=event)
        report.clean(made, report.rules())

    words = (
        b'"data":',
        b"{",
        b"[" * 3000,
        b"}",
        b'"',
        b"\\u0000",
        b"\\ud83d",
        b"1e999",
        b"null",
        b"NaN",
        b"\xff",
        b'"id": 7,',
    )
    yield Target("bus bodies", (body,), decode, (envelope.BadEvent, report.BadSubmission), words)

    def text(data: bytes) -> None:
        said = data.decode("utf-8", "surrogateescape")
        made = report.Submission(
            "mini_program",
            said,
            title=said[:200],
            place_text=said[-300:],
            place_code="",
            lat=26.9,
            long=120.0,
        )
        clean = report.clean(made, report.rules())
        (clean.title + clean.text + clean.place.evidence).encode()
        report.read_code(said)

    messages = (
        "龍津社區聽雨街12号楼3单元路灯壞了，打我电话138 0013 8000或座机0593-8812345，身份证350921199001011234",
        "三楼着火了！！快来",
    )
    odd = (
        "\u200b",
        "\u202e",
        "\ufeff",
        "😀",
        "①",
        "㎡",
        "\x00",
        "<b>",
        "&amp;",
        "１２３",
        "號",
        "社区",
        "闽J12345",
        "1" * 60,
        "号楼",
    )
    yield Target(
        "texts",
        tuple(m.encode() for m in messages),
        text,
        (report.BadSubmission,),
        tuple(o.encode() for o in odd),
    )


def _web() -> Iterator[Target]:
    import jwt
    from werkzeug.test import EnvironBuilder

    from jiayuan.chassis import forms, seal, tokens
    from jiayuan.chassis.errors import Problem
    from jiayuan.chassis.web import Call
    from jiayuan.intake import attachments, keys, report, schemas

    def form(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        forms.read(io.BytesIO(body), head.decode("latin-1"))

    part = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.jpg"\r\n'
    part += b"Content-Type: image/jpeg\r\n\r\nxxxx\r\n"
    field = b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\nwords\r\n--b--\r\n'
    yield Target(
        "forms",
        (
            b"multipart/form-data; boundary=b\n" + part + field,
            b"application/x-www-form-urlencoded; charset=gbk\na=%C2%B7&b=1&c",
            b"application/x-www-form-urlencoded\n" + b"a=1&" * 100,
        ),
        form,
        (Problem,),
        (
            b"--b",
            b"--b--",
            b"\r\n\r\n",
            b"boundary=",
            b"charset=utf-7",
            b"filename*=UTF-8''%ff",
            b"%00",
            b"%",
            b"&" * 600,
            b"=;",
        ),
    )

    yield _open311(forms, Problem)

    def multipart(data: bytes) -> None:
        from jiayuan.intake.channels import media

        call = Call(
            EnvironBuilder(
                method="POST", data=data, content_type="multipart/form-data; boundary=b"
            ).get_environ()
        )
        with media._files(call) as files:
            for _, stream in files:
                stream.read()

    from werkzeug.exceptions import HTTPException

    yield Target(
        "uploads",
        (part + field, part * 3 + b"--b--\r\n"),
        multipart,
        (Problem, HTTPException),
        (b"--b", b"--b--\r\n", b"\r\n\r\n"),
    )

    good = tokens.issue(SECRET, "someone", ("desk",), street="350921001").encode()
    none = jwt.encode({"sub": "x", "roles": ["county"]}, "", algorithm="none").encode()
    yield Target(
        "tokens",
        (good, none, b"eyJhbGciOiJIUzI1NiJ9.e30."),
        lambda data: tokens.read(SECRET, data.decode("latin-1")),
        (Problem,),
        (b".", b"eyJhbGciOiJub25lIn0", b"=", b"\x00", b"eyJhbGciOiJSUzI1NiIsImp3ayI6e319"),
    )

    body = json.dumps(
        {
            "text": "路灯坏了",
            "title": "路灯",
            "place": {"lat": 26.9, "long": 120.0, "crs": "gcj02"},
            "contact": {"phone": "13800138000"},
            "occurred_at": "2026-03-01T01:30:00Z",
            "attachments": ["0" * 64],
        },
        ensure_ascii=False,
    ).encode()

    def document(data: bytes) -> None:
        call = Call(EnvironBuilder(method="POST", data=data, content_type="application/json").get_environ())
        report.clean(
            report.from_document(call.json_body(schemas.NewReport), channel="mini_program"), report.rules()
        )

    words = (
        b"{",
        b"[" * 3000,
        b"}",
        b'"',
        b"\\u0000",
        b"\\ud83d",
        b"1e999",
        b"-0.0",
        b"null",
        b"true",
        b"9" * 400,
        b"\xff",
        b"[]",
    )
    yield Target("JSON bodies", (body,), document, (Problem, report.BadSubmission), words)

    own = keys.Keys(*_keys())
    link = attachments.link("0" * 64, "r", 4_000_000_000, own).encode()

    def links(data: bytes) -> None:
        said = data.decode("utf-8", "surrogateescape")
        assert not attachments.link_is_good("0" * 64, "r", said, said, own)
        attachments.is_id(said)

    yield Target("links", (link, b"4000000000"), links, (), ("²".encode(), b"-1", b"9" * 5000, b"\x00"))
    sealer = own.sealer
    yield Target(
        "sealed values",
        (sealer.seal({"a": 1}, "x").encode(), sealer.seal_bytes(b"abc", "x")),
        lambda data: (sealer.open(data.decode("latin-1"), "y"), sealer.open_bytes(data, "y")),
        (seal.SealError,),
        (b".", b"fuzz.", b"=", b"\xff"),
    )


def _open311(forms: ModuleType, problem: type[Exception]) -> Target:
    """Open311 takes forms, and answers in XML and JSON: whatever was sent, the answer can be read."""
    from xml.etree import ElementTree

    from jiayuan.intake.channels.open311 import answers, asked, places

    directory = places.load()
    jurisdiction = directory.jurisdictions[directory.default]
    code = next(iter(directory.services))

    def run(data: bytes) -> None:
        try:
            given = asked.Parameters(
                forms.read(io.BytesIO(data), "application/x-www-form-urlencoded; charset=utf-8").fields
            )
            asked.query(given, datetime(2026, 3, 1, tzinfo=UTC))
            asked.new_request(given, directory, given.jurisdiction(directory))
            asked.new_update(given)
            given.check()
        except problem as error:
            for path in ("/x.xml", "/x.json"):
                said = answers.refusal(path, error).get_data()  # type: ignore[arg-type]
                assert json.loads(said) if path.endswith("json") else ElementTree.fromstring(said) is not None
            raise

    request = f"api_key=k&service_code={code}&lat=26.9&long=120.0&description=%E8%B7%AF%E7%81%AF&email=a%40example.org"
    request += f"&jurisdiction_id={jurisdiction.id}&attribute[A]=1&attribute[B][]=2&media_url=https%3A%2F%2Fa.example"
    update = (
        "update_id=1&service_request_id=2&status=OPEN&updated_datetime=2026-01-31T08:00:00Z&description=x"
    )
    listing = (
        "start_date=2026-01-01T00:00:00Z&end_date=2026-01-31&status=open,closed&page=2&page_size=10&after=x"
    )
    words = (
        b"&",
        b"=",
        b"%00",
        b"%0C",
        b"%EF%BF%BE",
        b"%F0%9F%98%80",
        b"]]>",
        b"%3C!DOCTYPE",
        b"%26a;",
        b"[",
        b"]",
        b"nan",
        b"inf",
        b"1e999",
        b"%C2%B2",
        b"9" * 5000,
        b"0000-00-00T00:00:00Z",
        b"9999-12-31T23:59:59-14:00",
        b"24:00:00",
    )
    return Target("Open311", (request.encode(), update.encode(), listing.encode()), run, (problem,), words)


def _keys() -> tuple[Any, Any, bytes]:
    from jiayuan.chassis.seal import Sealer, new_key

    sealer = Sealer(new_key("fuzz"))
    return sealer, sealer, b"secret"


# -- running -------------------------------------------------------------------------------------------


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Hang

    # Of the processor: on a busy machine the wall's seconds say nothing.
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def one(target: Target, data: bytes) -> None:
    """Gives a target one input; Failure when it doesn't deal with it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _within(SECONDS):
            target.run(data)
    except target.allowed:
        pass
    except Hang:
        raise Failure(target.name, data, f"takes longer than {SECONDS:g} s of the processor") from None
    except Exception as error:
        raise Failure(target.name, data, "".join(traceback.format_exception(error))[-3000:]) from error
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if grown > MEGABYTES:
        raise Failure(target.name, data, f"made the process grow by {grown} MB")


def fuzz(target: Target, rng: random.Random, runs: int, until: float = float("inf")) -> int:
    """Seeds as they are, then `runs` broken ones, or until that moment; how many it was."""
    for seed in target.seeds:
        one(target, seed)
    count = 0
    while count < runs and time.monotonic() < until:
        one(target, broken(rng, target))
        count += 1
    return count


def main(arguments: Sequence[str]) -> int:
    """The long form; the exit code is the number of targets that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each target")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="")
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir(), "jiayuan-fuzz"))
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(4), "big")
    failed = 0
    print(f"seed {seed}")
    for target in targets():
        if given.only and given.only not in target.name:
            continue
        rng = random.Random(f"{seed} {target.name}")
        started = time.monotonic()
        try:
            count = fuzz(target, rng, 1 << 62, started + given.seconds)
        except Failure as failure:
            failed += 1
            given.save.mkdir(parents=True, exist_ok=True)
            kept = (
                given.save
                / f"{target.name.replace(' ', '-').replace(',', '')}-{zlib.crc32(failure.data):08x}"
            )
            kept.write_bytes(failure.data)
            print(f"{target.name}: FAILED, input kept as {kept}\n{failure}")
            continue
        print(f"{target.name}: {count} inputs in {time.monotonic() - started:.0f} s")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
