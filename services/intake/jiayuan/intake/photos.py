"""JPEG, PNG, WebP and HEIC: checked from the first byte to the last and stripped of everything but the picture.

Where the picture can be kept bit for bit it is: segments and chunks that are not needed to show it are left out. A
photo that EXIF turns, and every HEIC, is decoded and written anew, since its look would change otherwise.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from . import exif
from .exif import Facts
from .media_errors import BadMedia

JPEG, PNG, WEBP, HEIC = "jpeg", "png", "webp", "heic"
FORMS: Final = (JPEG, PNG, WEBP, HEIC)
TYPES: Final = {JPEG: "image/jpeg", PNG: "image/png", WEBP: "image/webp"}
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_HEIC_SEQUENCES: Final = (b"hevc", b"hevx", b"msf1", b"hevm", b"hevs")
_QUALITY: Final = 90
_MOST_SCANS: Final = 100  # a progressive photo has about ten; each costs a pass over the whole picture
_MOST_SEGMENTS: Final = 4096
_DAMAGED: Final = "an undamaged photo"


@dataclass(frozen=True, slots=True)
class Photo:
    """What is kept of a photo, and what its EXIF said."""

    data: bytes
    type: str
    width: int
    height: int
    facts: Facts


def sniff(raw: bytes) -> str:
    """The form by the first bytes, or ""."""
    if raw.startswith(b"\xff\xd8\xff"):
        return JPEG
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return WEBP
    if raw[4:8] == b"ftyp" and raw[8:12] in _HEIC_BRANDS + _HEIC_SEQUENCES:
        return HEIC
    return ""


def clean(raw: bytes, form: str, pixels: int, whole: int, side: int) -> Photo:
    """The photo without anything that isn't the picture; BadMedia when it is damaged, too large, or more than one."""
    if form == JPEG:
        return _jpeg(raw, pixels, whole, side)
    if form == PNG:
        return _png(raw, pixels, whole, side)
    if form == WEBP:
        return _webp(raw, whole, side)
    return _heic(raw, whole, side)


def _check_sides(width: int, height: int, pixels: int, side: int) -> None:
    if width < 1 or height < 1:
        raise BadMedia("has no pixels", _DAMAGED)
    if width > side or height > side or width * height > pixels:
        raise BadMedia(
            f"is too large: {width} × {height} pixels", f"at most {side} a side and {pixels} altogether"
        )


# -- JPEG (ITU-T T.81, annex B) --------------------------------------------------------------------------


def _jpeg(raw: bytes, pixels: int, whole: int, side: int) -> Photo:
    kept = [b"\xff\xd8"]
    at, size, facts, scans, progressive = 2, (0, 0), Facts(), 0, False
    for _ in range(_MOST_SEGMENTS):
        while raw[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        marker = raw[at : at + 2]
        if len(marker) < 2:
            raise BadMedia("is cut off", _DAMAGED)
        if marker[0] != 0xFF:
            raise BadMedia("is a damaged JPEG", _DAMAGED)
        kind = marker[1]
        if kind == 0xD9:
            break
        if at + 4 > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        (length,) = struct.unpack_from(">H", raw, at + 2)
        end = at + 2 + length
        if length < 2 or kind < 0xC0 or kind == 0xD8 or 0xD0 <= kind <= 0xD7:
            raise BadMedia("is a damaged JPEG", _DAMAGED)
        if end > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        body = raw[at + 4 : end]
        if kind == 0xE1 and body.startswith(b"Exif\x00\x00"):
            facts = facts if facts != Facts() else exif.read(body)
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            if size != (0, 0) or len(body) < 6:
                raise BadMedia("is a damaged JPEG", _DAMAGED)
            if kind not in (0xC0, 0xC1, 0xC2):
                raise BadMedia("is a JPEG of a rare kind", "baseline or progressive JPEG")
            progressive = kind == 0xC2
            size = struct.unpack_from(">xHH", body)[::-1]
            _check_sides(*size, whole if progressive else pixels, side)
        if kind == 0xDA:
            scans += 1
            if scans > _MOST_SCANS:
                raise BadMedia(f"has more than {_MOST_SCANS} scans", "a photo as cameras write it")
            end = _scan_end(raw, end)
        if _needed(kind, body):
            kept.append(raw[at:end])
        at = end
    else:
        raise BadMedia("has too many segments", "a photo as cameras write it")
    if not scans or size == (0, 0):
        raise BadMedia("is a JPEG without a picture", _DAMAGED)
    _check_rest(raw[at + 2 :])
    data = b"".join((*kept, b"\xff\xd9"))
    if facts.orientation != 1:
        _check_sides(*size, whole, side)
        return _again(data, facts, JPEG)
    _decode(data, scale=8)
    return Photo(data, TYPES[JPEG], *size, facts)


def _needed(kind: int, body: bytes) -> bool:
    """Whether the picture looks the same only with this segment: no comment, and of the APPs colour alone."""
    if kind == 0xFE:
        return False
    if kind == 0xE0:
        return body.startswith(b"JFIF\x00") and len(body) == 14  # without the thumbnail
    if kind == 0xE2:
        # What calls itself a profile and isn't one may be anything.
        return body.startswith(b"ICC_PROFILE\x00") and (body[12:13] != b"\x01" or _is_profile(body[14:]))
    if kind == 0xEE:
        return body.startswith(b"Adobe") and len(body) == 12
    return not 0xE0 <= kind <= 0xEF


def _is_profile(raw: bytes) -> bool:
    """Whether it begins as an ICC profile does (ICC.1:2022, 7.2)."""
    return raw[36:40] == b"acsp"


def _scan_end(raw: bytes, at: int) -> int:
    """Where the entropy-coded data after a start of scan ends: at the next marker that is no restart."""
    while True:
        at = raw.find(b"\xff", at)
        if at < 0 or at + 1 >= len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        following = raw[at + 1]
        if following == 0 or 0xD0 <= following <= 0xD7:
            at += 2
        elif following == 0xFF:
            at += 1
        else:
            return at


def _check_rest(rest: bytes) -> None:
    """What cameras put behind the picture is left out: other pictures of it, a few seconds of film, their own notes.

    Anything else is another file glued to a photo, and refused.
    """
    if not rest.strip(b"\x00\xff\n\r ") or rest[4:8] == b"ftyp" or rest.endswith(b"SEFT"):
        return
    if rest.lstrip(b"\x00").startswith(b"\xff\xd8\xff") or b"MotionPhoto_Data" in rest[:4096]:
        return
    raise BadMedia(
        f"holds {len(rest)} bytes after the picture that are no part of it", "a photo and nothing else"
    )


# -- PNG (W3C, third edition) ----------------------------------------------------------------------------

_PNG_KEPT: Final = {
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"iCCP",
    b"sBIT",
    b"pHYs",
}
_PNG_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def _png(raw: bytes, pixels: int, whole: int, side: int) -> Photo:
    kept = [raw[:8]]
    header: tuple[int, ...] = ()
    facts = Facts()
    data: list[bytes] = []
    palette = False
    for kind, body, whole_chunk, end in _png_chunks(raw):
        if not header:
            header = _png_header(kind, body)
            _check_sides(header[0], header[1], pixels, side)
        elif kind == b"IHDR":
            raise BadMedia("is a damaged PNG", _DAMAGED)
        if kind == b"acTL":
            raise BadMedia("is animated", "a single picture")
        if kind == b"eXIf":
            facts = exif.read(body)
        if kind == b"IDAT":
            data.append(body)
        palette |= kind == b"PLTE"
        if kind in _PNG_KEPT:
            kept.append(whole_chunk)
        elif not kind[0] & 32:
            raise BadMedia("is a PNG of an unknown kind", _DAMAGED)
        if kind == b"IEND":
            if raw[end:].strip(b"\x00\n\r "):
                raise BadMedia(
                    f"holds {len(raw) - end} bytes after the picture that are no part of it",
                    "a photo and nothing else",
                )
            break
    if not data or (header[3] == 3 and not palette):
        raise BadMedia("is a PNG without a picture", _DAMAGED)
    _check_pixels(data, *header)
    cleaned = b"".join(kept)
    if facts.orientation != 1:
        _check_sides(header[0], header[1], whole, side)
        return _again(cleaned, facts, PNG)
    return Photo(cleaned, TYPES[PNG], header[0], header[1], facts)


def _png_chunks(raw: bytes) -> Iterator[tuple[bytes, bytes, bytes, int]]:
    at = 8
    for _ in range(_MOST_SEGMENTS * 16):
        if at + 12 > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        length, kind = struct.unpack_from(">I4s", raw, at)
        end = at + 12 + length
        if end > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        body = raw[at + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", raw, end - 4)[0]:
            raise BadMedia("is a damaged PNG", _DAMAGED)
        yield kind, body, raw[at:end], end
        at = end
    raise BadMedia("has too many chunks", "a photo as cameras write it")


def _png_header(kind: bytes, body: bytes) -> tuple[int, ...]:
    """Width, height, depth, colour type, interlaced."""
    if kind != b"IHDR" or len(body) != 13:
        raise BadMedia("is a damaged PNG", _DAMAGED)
    width, height, depth, colour, method, filters, interlaced = struct.unpack(">IIBBBBB", body)
    if depth not in _PNG_DEPTHS.get(colour, ()) or method or filters or interlaced > 1:
        raise BadMedia("is a damaged PNG", _DAMAGED)
    return width, height, depth, colour, interlaced


def _check_pixels(
    data: list[bytes], width: int, height: int, depth: int, colour: int, interlaced: int
) -> None:
    """Inflates the picture piece by piece and counts: all lines must be there, and nothing more."""
    bits = depth * _PNG_SAMPLES[colour]
    if interlaced:
        parts = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _ADAM7]
        wanted = sum((1 + -(-w * bits // 8)) * h for w, h in parts if w > 0 and h > 0)
    else:
        wanted = (1 + -(-width * bits // 8)) * height
    inflate = zlib.decompressobj()
    found = 0
    try:
        for piece in data:
            rest = piece
            while rest and found <= wanted:
                found += len(inflate.decompress(rest, 1 << 20))
                rest = inflate.unconsumed_tail
                if inflate.eof:
                    break
        while (
            found <= wanted
            and not inflate.eof
            and (more := inflate.decompress(inflate.unconsumed_tail, 1 << 20))
        ):
            found += len(more)
    except zlib.error:
        raise BadMedia("is a damaged PNG", _DAMAGED) from None
    if found < wanted:
        raise BadMedia("is cut off", _DAMAGED)
    if found > wanted or inflate.unused_data:
        raise BadMedia("holds more data than its picture has pixels", _DAMAGED)


# -- WebP (RFC 9649) ---------------------------------------------------------------------------------------


def _webp(raw: bytes, whole: int, side: int) -> Photo:
    (length,) = struct.unpack_from("<I", raw, 4)
    if 8 + length > len(raw):
        raise BadMedia("is cut off", _DAMAGED)
    if raw[8 + length :].strip(b"\x00"):
        raise BadMedia(
            f"holds {len(raw) - 8 - length} bytes after the picture that are no part of it",
            "a photo and nothing else",
        )
    kept: list[bytes] = []
    facts, pictures, at, header, profile = Facts(), 0, 12, b"", False
    while at + 8 <= 8 + length:
        kind, size = struct.unpack_from("<4sI", raw, at)
        end = at + 8 + size + (size & 1)
        if at + 8 + size > 8 + length:
            raise BadMedia("is cut off", _DAMAGED)
        body = raw[at + 8 : at + 8 + size]
        if kind in (b"ANIM", b"ANMF"):
            raise BadMedia("is animated", "a single picture")
        if kind == b"EXIF":
            facts = exif.read(body)
        elif kind == b"VP8X":
            if size != 10 or kept or header:
                raise BadMedia("is a damaged WebP", _DAMAGED)
            header = body
        elif (
            kind in (b"VP8 ", b"VP8L")
            or (kind == b"ICCP" and _is_profile(body))
            or (kind == b"ALPH" and header)
        ):
            profile |= kind == b"ICCP"
            pictures += kind in (b"VP8 ", b"VP8L")
            kept.append(struct.pack("<4sI", kind, size) + body + b"\x00" * (size & 1))
        at = end
        if len(kept) > 16:
            raise BadMedia("is a damaged WebP", _DAMAGED)
    if pictures != 1:
        raise BadMedia("is a WebP without a picture" if not pictures else "is a damaged WebP", _DAMAGED)
    if header:
        # Without the bits for EXIF and XMP; an animation is known by its chunks.
        flags = header[0] & 0b00010000 | 0b00100000 * profile
        kept.insert(0, struct.pack("<4sI", b"VP8X", 10) + bytes([flags]) + header[1:])
    body = b"".join(kept)
    data = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    # Its decoder holds two canvases beside the picture, and the bytes of one: sixteen bytes a pixel, not eight.
    _check_sides(*_size(data), whole // 2, side)
    if facts.orientation != 1:
        return _again(data, facts, WEBP)
    return Photo(data, TYPES[WEBP], *_decode(data), facts)


# -- HEIC (ISO/IEC 23008-12) -------------------------------------------------------------------------------


def _heic(raw: bytes, whole: int, side: int) -> Photo:
    if raw[8:12] in _HEIC_SEQUENCES:
        raise BadMedia("is animated", "a single picture")
    _check_boxes(raw)
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    try:
        file = pillow_heif.open_heif(raw, convert_hdr_to_8bit=True)
        _check_sides(int(file.size[0]), int(file.size[1]), whole, side)
        facts = exif.read(file.info.get("exif") or b"")
        picture = file.to_pillow()
        picture.load()
    except BadMedia:
        raise
    except Exception as error:  # noqa: BLE001  libheif's errors have no common class
        raise BadMedia(f"is a HEIC that can't be read: {str(error)[:80]}", _DAMAGED) from None
    # libheif has turned the picture already: what EXIF says of it is over.
    return _written(picture, Facts(facts.taken_at, facts.lat, facts.long, facts.crs), JPEG)


def _check_boxes(raw: bytes) -> None:
    """The top boxes follow each other to the last byte."""
    at = 0
    while at < len(raw):
        if at + 8 > len(raw):
            raise BadMedia("is cut off or holds more than a photo", "a photo and nothing else")
        size, kind = struct.unpack_from(">I4s", raw, at)
        if size == 1 and at + 16 <= len(raw):
            (size,) = struct.unpack_from(">Q", raw, at + 8)
        elif size == 0:
            return
        if size < 8 or kind not in (b"ftyp", b"meta", b"mdat", b"free", b"skip", b"uuid", b"moov", b"idat"):
            raise BadMedia("is cut off or holds more than a photo", "a photo and nothing else")
        at += size
    if at != len(raw):
        raise BadMedia("is cut off", _DAMAGED)


# -- decoding ----------------------------------------------------------------------------------------------


def _open(data: bytes) -> Any:
    from PIL import Image

    # Sides are checked before anything is decoded, by limits of our own.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP"))


def _size(data: bytes) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = _open(data)
        except Exception:  # noqa: BLE001  whatever a decoder raises, it is the file's fault
            raise BadMedia("can't be decoded", _DAMAGED) from None
        if getattr(picture, "n_frames", 1) != 1:
            raise BadMedia("is animated", "a single picture")
        return int(picture.width), int(picture.height)


def _decode(data: bytes, scale: int = 1) -> tuple[int, int]:
    """Decodes it as a check; a JPEG at an eighth of its size, which reads every byte and holds a 64th of the pixels."""
    size = _size(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = _open(data)
            if scale > 1:
                picture.draft(None, (max(1, size[0] // scale), max(1, size[1] // scale)))
            picture.load()
        except Exception:  # noqa: BLE001
            raise BadMedia("is damaged or cut off", _DAMAGED) from None
    return size


def _again(data: bytes, facts: Facts, form: str) -> Photo:
    """Decodes it, turns it as EXIF says, and writes it anew."""
    from PIL import Image

    turns = {
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_270,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_90,),
    }
    try:
        picture = _open(data)
        picture.load()
        for turn in turns.get(facts.orientation, ()):
            picture = picture.transpose(turn)
    except Exception:  # noqa: BLE001
        raise BadMedia("is damaged or cut off", _DAMAGED) from None
    return _written(picture, facts, form)


def _written(picture: Any, facts: Facts, form: str) -> Photo:
    profile = picture.info.get("icc_profile")
    if form == JPEG and picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("RGB")
    picture.info = {}
    out = io.BytesIO()
    options: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if form != PNG:
        options["quality"] = _QUALITY
    try:
        picture.save(out, form.upper(), **options)
    except Exception:  # noqa: BLE001
        raise BadMedia("can't be written anew", _DAMAGED) from None
    return Photo(out.getvalue(), TYPES[form], picture.width, picture.height, facts)
