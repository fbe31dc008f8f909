"""The people behind reports: how one is known again, and what names people masked in what they write."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from . import names, numbers

Span = numbers.Span
NAME: Final = "name"
_NOT_NUMBER: Final = re.compile(r"[^0-9]")


@dataclass(frozen=True, slots=True)
class Contact:
    """How a reporter can be reached; any of the three may be empty. Never logged, never stored in clear."""

    name: str = ""
    phone: str = ""
    openid: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.phone or self.openid)

    def __repr__(self) -> str:
        return "Contact(…)"

    def document(self) -> dict[str, str | None]:
        """What is sealed: name, phone, openid."""
        return {"name": self.name or None, "phone": self.phone or None, "openid": self.openid or None}


def mask(text: str) -> str:
    """A text in normal form in which nobody is named: see `find`."""
    return _hide(text, find(text))


def mask_together(*texts: str) -> tuple[str, ...]:
    """Texts that belong together, such as a title and its text: who is named in one is masked in all."""
    found = [find(text) for text in texts]
    known = {
        text[s.start : s.end]
        for text, spans in zip(texts, found, strict=True)
        for s in spans
        if s.kind == NAME
    }
    if not known:
        return tuple(_hide(text, spans) for text, spans in zip(texts, found, strict=True))
    return tuple(
        _hide(text, numbers.apart(spans + [Span(NAME, *place) for place in names.again(text, known)]))
        for text, spans in zip(texts, found, strict=True)
    )


def find(text: str) -> list[Span]:
    """Names of persons and numbers that name somebody, in order, without overlaps."""
    spans = [Span(NAME, *place) for place in names.find(text)]
    return numbers.apart(spans + numbers.find(text))


def _hide(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    out, at = [], 0
    for kind, start, end in spans:
        found = text[start:end]
        out += [text[at:start], names.masked(found) if kind == NAME else numbers.masked(kind, found)]
        at = end
    return "".join(out) + text[at:]


def phone_form(phone: str) -> str:
    """One form for every spelling of a phone number: digits only, without +86; "" when there are none."""
    digits = _NOT_NUMBER.sub("", unicodedata.normalize("NFKC", phone))
    for prefix in ("0086", "86"):
        rest = digits.removeprefix(prefix)
        if rest != digits and len(rest) == 11 and rest.startswith("1"):
            return rest
    return digits


def handle_of(contact: Contact, secret: bytes) -> str | None:
    """What a reporter is known by again: one person, one handle, for whoever has no secret meaningless.

    The phone decides where there is one, else the openid; a name alone is nobody. None: anonymous. A handle stays
    within intake; what everybody else sees is the pseudonym that `vault.persons` draws for it.
    """
    phone = phone_form(contact.phone)
    if phone:
        what = b"phone:" + phone.encode()
    elif contact.openid:
        what = b"openid:" + contact.openid.encode()
    else:
        return None
    return "p" + hmac.new(secret, what, hashlib.sha256).hexdigest()[:31]
