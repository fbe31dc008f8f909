"""Forms as browsers and simple clients send them: urlencoded in any charset, and multipart with files."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Final
from urllib.parse import parse_qsl

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from jiayuan.contracts.check import FieldProblem

from .errors import Problem

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
MOST_TEXT: Final = 1024 * 1024
_MOST_FIELDS: Final = 500
_PIECE: Final = 64 * 1024
_IN_MEMORY: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form: its field's name, the file name and type that the sender claims, its content.

    What is large lies on the disk; it goes with the form.
    """

    name: str
    filename: str
    content_type: str
    file: IO[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Fields in the order they came, a name perhaps several times, and files. Never logged."""

    fields: list[tuple[str, str]] = field(default_factory=list, repr=False)
    uploads: list[Upload] = field(default_factory=list)


def read(body: IO[bytes], content_type: str) -> Form:
    """The form in a body, which is read piece by piece.

    Problem 415 when the type is no form's or the charset unknown; 413 when there is more than a megabyte of text;
    400 when the body isn't what its type says, has more than 500 fields, or holds a character that cannot be stored.
    """
    kind, options = parse_options_header(content_type)
    charset = _charset(options.get("charset") or "utf-8")
    if kind == URLENCODED:
        form = Form(_urlencoded(body.read(MOST_TEXT + 1), charset))
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
    if len(body) > MOST_TEXT:
        raise _too_large()
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


def _multipart(body: IO[bytes], boundary: str, charset: str) -> Form:
    if not boundary:
        raise _malformed("its Content-Type names no boundary")
    decoder = MultipartDecoder(
        boundary.encode("ascii", "replace"), max_form_memory_size=MOST_TEXT, max_parts=_MOST_FIELDS
    )
    form, reader = Form(), _Reader(charset)
    while True:
        piece = body.read(_PIECE)
        try:
            decoder.receive_data(piece or None)
            while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
                reader.take(form, event)
        except RequestEntityTooLarge:
            raise _too_large() from None
        except ValueError:
            raise _malformed("it is not the multipart form that its Content-Type says") from None
        if isinstance(event, Epilogue):
            return form
        if not piece:
            raise _malformed("it ends before its last part does")


class _Reader:
    """Puts the parts of a multipart form together."""

    def __init__(self, charset: str) -> None:
        self.charset = charset
        self.text = 0
        self.part: Field | File | None = None
        self.pieces: IO[bytes] = BytesIO()

    def take(self, form: Form, event: Event) -> None:
        """One event of the decoder."""
        if isinstance(event, Field | File):
            self.part = event
            # An upload's file is closed with the form that it belongs to.
            self.pieces = SpooledTemporaryFile(_IN_MEMORY) if isinstance(event, File) else BytesIO()  # noqa: SIM115
        elif isinstance(event, Data) and self.part is not None:
            self.pieces.write(event.data)
            if isinstance(self.part, Field):
                self.text += len(event.data)
                if self.text > MOST_TEXT:
                    raise _too_large()
            if not event.more_data:
                self._keep(form, self.part)
                self.part = None

    def _keep(self, form: Form, part: Field | File) -> None:
        if part.name is None:
            raise _malformed("it has a part without a name")
        headers: Headers = part.headers
        kind, options = parse_options_header(headers.get("content-type") or "")
        if isinstance(part, File):
            # A file input without a file is sent as one without a name.
            if part.filename or self.pieces.tell():
                self.pieces.seek(0)
                form.uploads.append(Upload(part.name, part.filename or "", kind, self.pieces))
            return
        self.pieces.seek(0)
        own = _charset(options.get("charset") or self.charset)
        try:
            form.fields.append((part.name, self.pieces.read().decode(own)))
        except UnicodeError:
            raise _malformed(f"it is not {own}", part.name) from None


def _too_large() -> Problem:
    return Problem(413, "The form is too large", f"its fields may have {MOST_TEXT} bytes, files aside")


def _malformed(why: str, name: str = "body") -> Problem:
    return Problem(400, "The form is not usable", why, [FieldProblem(name, why, "a form in its own charset")])
