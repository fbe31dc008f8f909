"""From lines of a file to reports, a batch at a time; and what each line is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from . import category as categories
from . import handlers, report
from .files import Line
from .handlers import Receipt
from .keys import Keys
from .store import imports as rows
from .store.imports import Progress

BATCH: Final = 200
_CODE: Final = re.compile(r"已受理过? ?([A-Z]{2}[0-9A-Z]{10})")
# A count of the rows, which starts anew in every sheet, is nobody's number.
_COUNT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file's lines come from.

    `file`: what names a line that has no number of its own, together with its place; `source`: whose numbers the
    lines' own are. `channels`: those that lines may name; all when empty. `counted`: short numbers only count the rows.
    `place`: the code of lines that say no place.
    """

    channel: str
    source: str
    file: str
    submitter: str = ""
    channels: tuple[str, ...] = ()
    counted: bool = False
    place: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of a line: accepted, known (it is here already) or wrong; `words` tell people."""

    line: Line
    became: str
    words: str
    problems: list[FieldProblem] = field(default_factory=list)


def batches(lines: Iterable[Line], size: int = BATCH) -> Iterator[list[Line]]:
    """Lines in batches."""
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def submission(line: Line, origin: Origin) -> report.Submission:
    """A line as a submission."""
    document = line.document
    own = document.get("external_id") or ""
    if own and not (origin.counted and _COUNT.fullmatch(own)):
        source = document.get("source_system") or origin.source
    else:
        # Nothing names the line but its place in this very file.
        source, own = origin.file, str(line.number)
    made = report.from_document(document, channel=origin.channel, submitter=origin.submitter)
    changes: dict[str, Any] = {"source_system": source, "external_id": own}
    if origin.place and not (made.place_code or made.place_text or made.lat is not None):
        changes["place_code"] = origin.place
    return replace(made, **changes)


def take(work: Work, lines: Sequence[Line], origin: Origin, keys: Keys | None = None) -> list[Outcome]:
    """Takes a batch of lines in; one outcome for each that was not left out, in their order."""
    wanted = [line for line in lines if not line.left_out]
    told = {line.number: code for line in wanted if (code := _told(line.said))}
    here = rows.codes(work, told.values())
    out: dict[int, Outcome] = {}
    fresh: list[tuple[Line, report.Submission]] = []
    for line in wanted:
        code = told.get(line.number, "")
        if code in here:
            # The answer of an earlier time came back: this row is in already, whatever the file is called now.
            out[line.number] = Outcome(line, "known", f"已受理过 {code}")
        elif problems := line.problems or _foreign(line, origin):
            out[line.number] = _wrong(line, problems)
        else:
            fresh.append((line, submission(line, origin)))
    receipts = handlers.receive(work, [s for _, s in fresh], keys) if fresh else []
    for (line, made), receipt in zip(fresh, receipts, strict=True):
        out[line.number] = outcome(line, made, receipt)
    return [out[line.number] for line in wanted]


def _told(said: str) -> str:
    match = _CODE.search(said)
    return match[1] if match else ""


def _foreign(line: Line, origin: Origin) -> list[FieldProblem]:
    channel = line.document.get("channel")
    if channel and origin.channels and channel not in origin.channels:
        return [FieldProblem("channel", f"is not for this file: {channel}", ", ".join(origin.channels))]
    return []


def outcome(line: Line, made: report.Submission, receipt: Receipt) -> Outcome:
    """The outcome of a line by its receipt."""
    found = list(receipt.problems)
    if receipt.differs:
        found.append(
            FieldProblem(
                "external_id",
                f"{made.external_id} is another report's already",
                "an id of its own, or another --source",
            )
        )
    if found:
        return _wrong(line, found)
    if receipt.outcome == handlers.DUPLICATE:
        return Outcome(line, "known", f"已受理过 {receipt.tracking_code}")
    words = f"已受理 {receipt.tracking_code}"
    advice = categories.advice(receipt.clean.signs) if receipt.clean else ""
    return Outcome(line, "accepted", f"{words}。{advice}" if advice else words)


def _wrong(line: Line, problems: Sequence[FieldProblem]) -> Outcome:
    said = "；".join(f"{_field(p.field)}：{chinese(p)}" for p in problems)
    return Outcome(line, "wrong", f"未受理。{said}", list(problems))


def count(progress: Progress, lines: Sequence[Line], outcomes: Sequence[Outcome]) -> Progress:
    """The progress after a batch."""
    became = [o.became for o in outcomes]
    last = lines[-1].after
    return replace(
        progress,
        line=max(last.line, lines[-1].number),
        offset=last.offset,
        read=progress.read + len(lines),
        accepted=progress.accepted + became.count("accepted"),
        known=progress.known + became.count("known"),
        wrong=progress.wrong + became.count("wrong"),
        left_out=progress.left_out + len(lines) - len(outcomes),
    )


_FIELDS: Final = {
    "text": "内容",
    "line": "本行",
    "title": "标题",
    "external_id": "编号",
    "channel": "渠道",
    "kind": "类型",
    "category": "类别",
    "place.code": "地点代码",
    "place.text": "地点",
    "place.lat": "纬度",
    "place.long": "经度",
    "contact.name": "姓名",
    "contact.phone": "电话",
    "contact.openid": "用户",
    "occurred_at": "发生时间",
    "received_at": "受理时间",
    "source_system": "来源系统",
}
_PROBLEMS: Final = (
    (
        r"holds nothing that can be read|Missing data for required field|Field may not be null",
        "没有可读的内容",
    ),
    (r"(?:Longer than maximum|Length must be|Shorter than minimum).*", "长度不符"),
    (r"is not a number: (.*)", r"不是数字：\1"),
    (r"is not a time: (.*)", r"不是时间：\1"),
    (r"was rounded by the spreadsheet: (.*)", r"号码被表格软件舍入成了 \1，请把该列设为文本后重填"),
    (r"holds the spreadsheet's error (.*)", r"单元格是表格错误 \1"),
    (r"has more cells than the header", "单元格比表头多"),
    (r"holds bytes that are no characters in the file's encoding", "含有无法识别的字节"),
    (r"is longer than (\d+) bytes", r"超过 \1 字节"),
    (r"is not CSV: .*", "引号不成对，不是合格的 CSV"),
    (r"is unknown: (.*)", r"没有这一项：\1"),
    (r"is outside the county: (.*)", r"不在本县：\1"),
    (r"is not for this file: (.*)", r"本表不收这个渠道：\1"),
    (r"(.*) is another report's already", r"\1 已是另一条诉求的编号"),
    (r"is missing", "缺失"),
    (r"Must be one of: .*", "不在可选的值之内"),
    (r"(?:String does not match|Has not the form|Not a valid).*", "格式不符"),
    (r"(?:Must be|Must be greater|Must be less).*", "超出范围"),
)


def _field(name: str) -> str:
    return _FIELDS.get(name, name)


def chinese(problem: FieldProblem) -> str:
    """A problem in the words of those who fill in sheets; what has none yet stays as it is."""
    for form, words in _PROBLEMS:
        if match := re.fullmatch(form, problem.problem.rstrip("."), re.DOTALL):
            return match.expand(words)
    return f"{problem.problem}（{problem.allowed}）" if problem.allowed else problem.problem
