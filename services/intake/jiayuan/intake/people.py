"""The people behind reports: a pseudonym that is always the same, and numbers masked in what they write."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from jiayuan.chassis import redact

# What the chassis' masks leave, because in logs it would be an id more often than a number: phones glued to
# letters, spelt with a separator after any digit, and local numbers after a word that says they are phones.
# Bounded on both sides, so that no piece of a longer number (a bank card in groups of four) is taken for one.
_MOBILE: Final = re.compile(
    r"(?<![0-9])(?<![0-9][ .\-])(?:\+?86[ .\-]?)?1[ .\-_/]?[3-9](?:[ .\-_/]?[0-9]){9}(?![ .\-]?[0-9])"
)
_LOCAL: Final = re.compile(
    r"((?:电话|座机|手机|热线|联系方式|tel)[^0-9\n]{0,6})([2-9][0-9]{2,3}[ \-]?[0-9]{4})(?![0-9]|[.\-][0-9])",
    re.IGNORECASE,
)
# Seven digits, each perhaps with one separator: no phone is shorter, and most texts hold nothing of the kind.
_DIGITS: Final = re.compile(r"[0-9](?:[ .\-_/\u2010-\u2015]?[0-9]){6}")
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
    """A text in normal form with its phone and identity numbers masked."""
    if _DIGITS.search(text) is None:
        return text
    text = redact.mask(text)
    text = _MOBILE.sub(_masked_mobile, text)
    return _LOCAL.sub(_masked_local, text)


def _masked_mobile(match: re.Match[str]) -> str:
    digits = _NOT_NUMBER.sub("", match[0])
    return digits[:3] + "*" * (len(digits) - 7) + digits[-4:]


def _masked_local(match: re.Match[str]) -> str:
    digits = _NOT_NUMBER.sub("", match[2])
    return match[1] + digits[:2] + "*" * (len(digits) - 4) + digits[-2:]


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
