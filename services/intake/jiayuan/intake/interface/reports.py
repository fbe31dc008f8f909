"""`/reports`, `/track`, `/public` and `/media`."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    maybe_yes_no,
    one_of,
    part,
    text,
    told,
)
from jiayuan.contracts.schemas.common import KINDS, Demand

from .. import schemas
from . import answers

_PHOTO: Final = ("image/jpeg", "image/png", "image/webp", "image/heic")
_VOICE: Final = ("audio/amr", "audio/mp4", "audio/mpeg", "audio/wav", "audio/ogg")


class ByCode(Demand):
    """The query of `GET /reports`."""

    tracking_code = fields.String(required=True, metadata={"description": "As the reporter tells it."})


class OfReport(Demand):
    """The query of `GET /media/{digest}`."""

    report = fields.String(metadata={"description": "The id of the report that the file belongs to."})
    until = fields.String(metadata={"description": "Of a link: until when it holds."})
    signature = fields.String(metadata={"description": "Of a link: by it, no tracking code is needed."})


Found = told(
    "FoundReport",
    "The report with that tracking code.",
    id=text(),
    case=maybe(
        metadata={"description": "The id of the case that it is handled in; null before there is one."}
    ),
)
Supplemented = told("Supplemented", "What was added, masked.", report=text(), text=text(), at=at())
Withdrawn = told("Withdrawn", "The report is withdrawn.", report=text(), state=one_of("withdrawn"), at=at())
RatedReport = told(
    "RatedReport",
    "What was said of the result, masked.",
    report=text(),
    solved=maybe_yes_no(),
    satisfaction=maybe_whole(),
    words=maybe(),
    at=at(),
)
NamedPlace = told("PublicPlace", "Roughly where.", street=maybe(), community=maybe(), name=text())
NamedCategory = told("PublicCategory", "What about.", code=text(), name=text())
PublicReport = told(
    "PublicReport",
    "A report as everybody may read it: nothing that leads to a person.",
    kind=one_of(*KINDS),
    category=part(NamedCategory),
    place=part(NamedPlace),
    received_at=at(),
    status=text(),
    words=text(),
    expected_at=maybe_at(),
    resolved_at=maybe_at(),
    closed_at=maybe_at(),
)
PublicReports = told("PublicReports", "A page, the newest first.", reports=many(PublicReport), next=maybe())
Uploaded = told("Uploaded", "The files that were kept.", media=many(answers.MediaFile))
Attached = told("Attached", "All files of the report.", report=text(), media=many(text()))

OPERATIONS: Final[Operations] = {
    ("POST", "/reports"): Operation(
        "reports",
        {201: answers.Receipt, 200: answers.Receipt},
        body=schemas.NewReport,
        refuses=(401, 403, 409),
        keyed=True,
    ),
    ("GET", "/reports"): Operation("reports", {200: Found}, query=ByCode, refuses=(404,)),
    ("GET", "/reports/<string(length=36):report>"): Operation(
        "reports", {200: answers.Report}, refuses=(403, 404), proof="code or token"
    ),
    ("GET", "/track/<string:code>"): Operation("reports", {200: answers.Report}, refuses=(404,)),
    ("POST", "/reports/<string:report>/supplements"): Operation(
        "reports",
        {201: Supplemented, 200: Supplemented},
        body=schemas.Supplement,
        refuses=(404, 409),
        keyed=True,
        proof="code",
    ),
    ("POST", "/reports/<string:report>/withdrawal"): Operation(
        "reports",
        {201: Withdrawn, 200: Withdrawn},
        body=schemas.Withdrawal,
        refuses=(404, 409),
        keyed=True,
        proof="code",
    ),
    ("POST", "/reports/<string:report>/rating"): Operation(
        "reports",
        {201: RatedReport, 200: RatedReport},
        body=schemas.Rating,
        refuses=(404, 409),
        keyed=True,
        proof="code",
    ),
    ("GET", "/public/reports"): Operation(
        "public", {200: PublicReports, 304: None}, query=schemas.PublicPage, refuses=(404,)
    ),
    ("POST", "/media"): Operation(
        "media",
        {201: Uploaded},
        body=binary("application/octet-stream")
        | {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"}
                    },
                    "required": ["file"],
                },
                "encoding": {"file": {"contentType": "application/octet-stream"}},
            },
        },
        described="The file itself, or several in a form. What it is, its content decides, not what it is called.",
    ),
    ("GET", "/media/<string:digest>"): Operation(
        "media",
        {200: binary(*_PHOTO, *_VOICE), 206: binary(*_PHOTO, *_VOICE), 304: None},
        query=OfReport,
        refuses=(403, 404, 416),
        proof="code or token",
    ),
    ("POST", "/reports/<string:report>/media"): Operation(
        "media",
        {201: Attached, 200: Attached},
        body=schemas.Attachments,
        refuses=(404, 409),
        keyed=True,
        proof="code",
    ),
}
