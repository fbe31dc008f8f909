"""Forms as browsers and simple clients send them: urlencoded in any charset, and multipart with files."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from jiayuan.contracts.check import FieldProblem

from .errors import Problem

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
_MOST_FIELDS: Final = 500
_MOST_TEXT: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form: its field's name, the file name and type that the sender claims, its content."""

    name: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Fields in the order they came, a name perhaps several times, and files. Never logged."""

    fields: list[tuple[str, str]] = field(default_factory=list, repr=False)
    uploads: list[Upload] = field(default_factory=list)


def read(body: bytes, content_type: str) -> Form:
    """The form in a body.

    Problem 415 when the type is no form's or the charset unknown; 400 when the body isn't what its type says, has
    more than 500 fields, or holds a character that cannot be stored.
    """
    kind, options = parse_options_header(content_type)
    charset = _charset(options.get("charset") or "utf-8")
    if kind == URLENCODED:
        form = Form(_urlencoded(body, charset))
    elif kind == MULTIPART:
        form = _multipart(body, options.get("boundary") or "", charset)
    else:
        raise Problem(
            415,
            "The body is no form",
            f"its Content-Type is {kind[:80] or 'missing'}; allowed: {URLENCODED}, {MULTIPART}",
        )
    for name, value in form.fields:
        if "\0" in name or "\0" in value:
            raise _malformed("it holds U+0000, which cannot be stored", name.replace("\0", "")[:100])
    return form


def _charset(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    # codecs knows "rot13" and "zip" too, which are none.
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise Problem(415, "The charset is unknown", f"{name[:40]!r}; use utf-8")
    return found.name


def _urlencoded(body: bytes, charset: str) -> list[tuple[str, str]]:
    try:
        # Names and values are ASCII with escapes; what some clients send without escapes is in the charset itself.
        plain = body.decode("ascii") if body.isascii() else body.decode(charset)
        return parse_qsl(
            plain, keep_blank_values=True, encoding=charset, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeError:
        raise _malformed(f"it is not {charset}") from None
    except ValueError:
        raise _malformed(f"it has more than {_MOST_FIELDS} fields") from None


def _multipart(body: bytes, boundary: str, charset: str) -> Form:
    if not boundary:
        raise _malformed("its Content-Type names no boundary")
    decoder = MultipartDecoder(
        boundary.encode("ascii", "replace"), max_form_memory_size=_MOST_TEXT, max_parts=_MOST_FIELDS
    )
    form = Form()
    part: Field | File | None = None
    pieces: list[bytes] = []
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                part, pieces = event, []
            elif isinstance(event, Data) and part is not None:
                pieces.append(event.data)
                if not event.more_data:
                    _take(form, part, b"".join(pieces), charset)
                    part = None
    except ValueError:
        raise _malformed("it is not the multipart form that its Content-Type says") from None
    return form


def _take(form: Form, part: Field | File, content: bytes, charset: str) -> None:
    headers: Headers = part.headers
    kind, options = parse_options_header(headers.get("content-type") or "")
    if isinstance(part, File):
        # A file input without a file is sent as one without a name.
        if part.filename or content:
            form.uploads.append(Upload(part.name, part.filename or "", kind, content))
        return
    own = _charset(options.get("charset") or charset)
    try:
        form.fields.append((part.name, content.decode(own)))
    except UnicodeError:
        raise _malformed(f"it is not {own}", part.name) from None


def _malformed(why: str, name: str = "body") -> Problem:
    return Problem(400, "The form is not usable", why, [FieldProblem(name, why, "a form in its own charset")])
