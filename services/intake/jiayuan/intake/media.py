"""Photos and voice notes: what they are by their content, whether they may be kept, and what of them is kept. Pure.

Nothing here believes a name or a declared type. What comes out holds the picture or the sound and nothing else: no
EXIF, no comments, no second file glued to it; the place and time that were in it are facts beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from . import photos, voices
from .media_errors import BadMedia

__all__ = ["MAX_PHOTOS", "MAX_VOICES", "BadMedia", "Limits", "Media", "clean", "is_digest"]

MAX_PHOTOS: Final = 9
MAX_VOICES: Final = 1
PHOTO: Final = "photo"
VOICE: Final = "voice"

# What else people send, by its first bytes: a refusal that names it helps more than one that doesn't.
_OTHERS: Final = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"<", "HTML, SVG or XML"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"#!SILK", "a SILK recording"),
    (b"\x02#!SILK", "a SILK recording"),
    (b"fLaC", "FLAC"),
)
TAKEN: Final = "photos: JPEG, PNG, WebP, HEIC; voice notes: AMR, M4A, MP3, WAV, OGG"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, pixels as width × height. `whole`: formats that are decoded in one piece, eight bytes a pixel; of
    WebP, with sixteen, half as many.
    """

    photo_bytes: int = 10 * 1024 * 1024
    voice_bytes: int = 10 * 1024 * 1024
    pixels: int = 50_000_000
    whole: int = 25_000_000
    side: int = 16_384

    @property
    def largest(self) -> int:
        """The most bytes that any file may have."""
        return max(self.photo_bytes, self.voice_bytes)


@dataclass(frozen=True, slots=True)
class Media:
    """A file as it is kept: `digest` is the SHA-256 of `data` in hex, `type` a media type, `kind` photo or voice.

    `width`, `height`: pixels, 0 for voice; `seconds`: 0.0 where it is unknown; `taken_at`, `lat`, `long`, `crs`: of
    the EXIF that was taken out.
    """

    data: bytes
    type: str
    kind: str
    digest: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    taken_at: datetime | None = None
    lat: float | None = None
    long: float | None = None
    crs: str = "wgs84"


def clean(raw: bytes, limits: Limits | None = None) -> Media:
    """What is kept of a file; BadMedia says what is wrong with it and what is allowed."""
    limits = limits or Limits()
    if not raw:
        raise BadMedia("is empty", TAKEN)
    form = sniff(raw)
    if form in voices.FORMS:
        _check_size(raw, limits.voice_bytes)
        sound = voices.clean(raw, form)
        return Media(sound.data, sound.type, VOICE, _digest(sound.data), seconds=sound.seconds)
    _check_size(raw, limits.photo_bytes)
    photo = photos.clean(raw, form, limits.pixels, limits.whole, limits.side)
    facts = photo.facts
    return Media(
        photo.data,
        photo.type,
        PHOTO,
        _digest(photo.data),
        photo.width,
        photo.height,
        0.0,
        facts.taken_at,
        facts.lat,
        facts.long,
        facts.crs,
    )


def sniff(raw: bytes) -> str:
    """The format by the first bytes: one of photos.FORMS or voices.FORMS; BadMedia for anything else."""
    form = photos.sniff(raw) or voices.sniff(raw)
    if form:
        return form
    head = raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:16]
    for mark, name in _OTHERS:
        if head.startswith(mark):
            raise BadMedia(f"is {name}", TAKEN)
    if raw[4:8] == b"ftyp":
        raise BadMedia("is a video or a picture of another kind", TAKEN)
    raise BadMedia("is no photo and no voice note", TAKEN)


def _check_size(raw: bytes, most: int) -> None:
    if len(raw) > most:
        raise BadMedia(f"has {len(raw)} bytes", f"at most {most} bytes")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_digest(value: str) -> bool:
    """Whether it has the form of a digest: 64 lower-case hex digits."""
    return len(value) == 64 and all(c in "0123456789abcdef" for c in value)
