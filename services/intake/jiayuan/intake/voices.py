"""AMR, M4A, MP3, WAV and OGG: walked frame by frame to the last byte, and stripped of what is written about them.

A voice note is never decoded here: its frames are counted, and what lies between or behind them is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from .media_errors import BadMedia

AMR, AMR_WB, M4A, MP3, WAV, OGG = "amr", "amr-wb", "m4a", "mp3", "wav", "ogg"
FORMS: Final = (AMR, AMR_WB, M4A, MP3, WAV, OGG)
TYPES: Final = {
    AMR: "audio/amr",
    AMR_WB: "audio/amr-wb",
    M4A: "audio/mp4",
    MP3: "audio/mpeg",
    WAV: "audio/wav",
    OGG: "audio/ogg",
}
_DAMAGED: Final = "an undamaged voice note"
_ALONE: Final = "a voice note and nothing else"
# Bytes of a frame by its type (RFC 4867, table 1a and 1b), without the type's own byte.
_AMR_FRAMES: Final = {0: 12, 1: 13, 2: 15, 3: 17, 4: 19, 5: 20, 6: 26, 7: 31, 8: 5, 15: 0}
_AMR_WB_FRAMES: Final = {0: 17, 1: 23, 2: 32, 3: 36, 4: 40, 5: 46, 6: 50, 7: 58, 8: 60, 9: 5, 14: 0, 15: 0}
_AUDIO_BRANDS: Final = tuple(b"M4A |M4B |mp42|mp41|isom|iso2|iso4|iso5|iso6|3gp4|3gp5|3gp6|3gp7".split(b"|"))


@dataclass(frozen=True, slots=True)
class Sound:
    """What is kept of a voice note; `seconds` is 0.0 where its length is not written in its frames."""

    data: bytes
    type: str
    seconds: float


def sniff(raw: bytes) -> str:
    """The form by the first bytes, or ""."""
    if raw.startswith(b"#!AMR\n"):
        return AMR
    if raw.startswith(b"#!AMR-WB\n"):
        return AMR_WB
    if raw[4:8] == b"ftyp" and raw[8:12] in _AUDIO_BRANDS:
        return M4A
    if raw[:4] == b"RIFF" and raw[8:12] == b"WAVE":
        return WAV
    if raw.startswith(b"OggS"):
        return OGG
    if raw.startswith(b"ID3") or _mp3_frame(raw, 0):
        return MP3
    return ""


def clean(raw: bytes, form: str) -> Sound:
    """The voice note without its tags; BadMedia when it is damaged or holds anything else."""
    data, seconds = {AMR: _amr, AMR_WB: _amr, M4A: _m4a, MP3: _mp3, WAV: _wav, OGG: _ogg}[form](raw)
    return Sound(data, TYPES[form], round(seconds, 2))


def _amr(raw: bytes) -> tuple[bytes, float]:
    wide = raw.startswith(b"#!AMR-WB\n")
    sizes = _AMR_WB_FRAMES if wide else _AMR_FRAMES
    at, frames = (9 if wide else 6), 0
    while at < len(raw):
        size = sizes.get(raw[at] >> 3 & 15)
        if size is None or raw[at] & 0x83:
            raise BadMedia("is a damaged AMR", _DAMAGED)
        at += 1 + size
        frames += 1
    if at != len(raw):
        raise BadMedia("is cut off", _DAMAGED)
    if not frames:
        raise BadMedia("holds no sound", _DAMAGED)
    return raw, frames * 0.02


# -- MP3 (ISO/IEC 11172-3, 13818-3) ------------------------------------------------------------------------

_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBIT: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3_frame(raw: bytes, at: int) -> tuple[int, float]:
    """Bytes and seconds of the layer-III frame at an offset; an empty tuple where there is none."""
    if at + 4 > len(raw):
        return ()  # type: ignore[return-value]
    (head,) = struct.unpack_from(">I", raw, at)
    version, layer, kbit, rate = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or kbit in (0, 15) or rate == 3:
        return ()  # type: ignore[return-value]
    hertz, samples = _RATES[version][rate], 1152 if version == 3 else 576
    size = samples // 8 * _KBIT[version == 3][kbit] * 1000 // hertz + (head >> 9 & 1)
    return size, samples / hertz


def _mp3(raw: bytes) -> tuple[bytes, float]:
    at = 0
    while raw[at : at + 3] == b"ID3":
        if at + 10 > len(raw) or any(b & 0x80 for b in raw[at + 6 : at + 10]):
            raise BadMedia("is a damaged MP3", _DAMAGED)
        size = 0
        for b in raw[at + 6 : at + 10]:
            size = size << 7 | b
        at += 10 + size + (10 if raw[at + 5] & 0x10 else 0)
    while at < len(raw) and raw[at] == 0:  # padding that some writers leave between tag and sound
        at += 1
    first, seconds, frames = at, 0.0, 0
    while frame := _mp3_frame(raw, at):
        if at + frame[0] > len(raw):
            # Recorders are stopped in the middle of a frame: the last one is left out.
            break
        at += frame[0]
        seconds += frame[1]
        frames += 1
    rest = raw[at:]
    tags = rest.startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN")) or not rest.strip(b"\x00")
    if frames < 2 or not (tags or (_mp3_frame(raw, at) and len(rest) < 1500)):
        raise BadMedia("is a damaged MP3" if frames < 2 else "holds more than its sound", _ALONE)
    return raw[first:at], seconds


# -- WAV (RIFF) --------------------------------------------------------------------------------------------


def _wav(raw: bytes) -> tuple[bytes, float]:
    (length,) = struct.unpack_from("<I", raw, 4)
    if 8 + length > len(raw):
        raise BadMedia("is cut off", _DAMAGED)
    if raw[8 + length + (length & 1) :].strip(b"\x00"):
        raise BadMedia("holds more than its sound", _ALONE)
    at, form, sound = 12, b"", b""
    for _ in range(1024):
        if at + 8 > 8 + length:
            break
        kind, size = struct.unpack_from("<4sI", raw, at)
        if at + 8 + size > 8 + length:
            raise BadMedia("is cut off", _DAMAGED)
        body = raw[at + 8 : at + 8 + size]
        if kind == b"fmt ":
            form = body
        elif kind == b"data":
            sound += body
        at += 8 + size + (size & 1)
    if len(form) < 16 or not sound:
        raise BadMedia("holds no sound", _DAMAGED)
    code, channels, hertz, rate, block, bits = struct.unpack_from("<HHIIHH", form)
    if (
        code not in (1, 3, 6, 7, 0x11, 0xFFFE)
        or not 1 <= channels <= 8
        or not rate
        or not hertz
        or not block
        or bits > 64
    ):
        raise BadMedia("is a WAV of an unknown kind", "PCM, A-law, µ-law or ADPCM")
    chunks = b"".join(
        struct.pack("<4sI", kind, len(body)) + body + b"\x00" * (len(body) & 1)
        for kind, body in ((b"fmt ", form), (b"data", sound))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks, len(sound) / rate


# -- OGG (RFC 3533), Opus (RFC 7845) and Vorbis ------------------------------------------------------------


def _ogg(raw: bytes) -> tuple[bytes, float]:
    at, pages, granule, serial, ended = 0, 0, 0, -1, False
    codec = ""
    out: list[bytes] = []
    while at < len(raw):
        if raw[at : at + 4] != b"OggS" or ended:
            raise BadMedia("holds more than its sound" if pages else "is a damaged OGG", _ALONE)
        if at + 27 > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        version, flags, position, number = struct.unpack_from("<BBqI", raw, at + 4)
        segments = raw[at + 26]
        start = at + 27 + segments
        end = start + sum(raw[at + 27 : start])
        if version or end > len(raw) or start > len(raw):
            raise BadMedia("is cut off", _DAMAGED)
        body = raw[start:end]
        if not pages:
            codec = (
                "opus" if body.startswith(b"OpusHead") else "vorbis" if body.startswith(b"\x01vorbis") else ""
            )
            if not codec or not flags & 2:
                raise BadMedia("is an OGG without a voice", "Opus or Vorbis")
            serial, hertz = (
                number,
                48000 if codec == "opus" else struct.unpack_from("<I", body.ljust(16, b"\0"), 12)[0],
            )
        elif number != serial:
            raise BadMedia("holds more than one stream", _ALONE)
        page = raw[at:end]
        if pages == 1 and codec == "opus":
            page = _without_words(page, start - at, body)
        out.append(page)
        granule = max(granule, position)
        ended = bool(flags & 4)
        pages += 1
        at = end
    if pages < 3:
        raise BadMedia("holds no sound", _DAMAGED)
    return b"".join(out), granule / hertz if hertz else 0.0


def _without_words(page: bytes, start: int, body: bytes) -> bytes:
    """The page of Opus' comments with none, in as many bytes as before; the padding is zeros (RFC 7845, 5.2)."""
    if not body.startswith(b"OpusTags") or len(body) < 16 or page[start - 1] == 255:
        raise BadMedia("is a damaged OGG", _DAMAGED)
    plain = (b"OpusTags" + struct.pack("<II", 0, 0)).ljust(len(body), b"\x00")
    page = page[:22] + b"\x00\x00\x00\x00" + page[26:start] + plain
    return page[:22] + struct.pack("<I", _ogg_crc(page)) + page[26:]


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


# -- M4A and 3GP (ISO/IEC 14496-12) ------------------------------------------------------------------------

_TOP: Final = tuple(b"ftyp moov mdat free skip wide uuid meta udta moof mfra sidx styp".split())
_INNER: Final = (b"moov", b"trak", b"mdia")
_ABOUT: Final = (b"udta", b"meta", b"uuid", b"free", b"skip", b"wide")
_MOST_BOXES: Final = 4096


def _m4a(raw: bytes) -> tuple[bytes, float]:
    out = bytearray(raw)
    seen: set[bytes] = set()
    handlers: list[bytes] = []
    seconds = 0.0
    count = 0

    def walk(at: int, until: int, depth: int) -> None:
        nonlocal seconds, count
        while at < until:
            count += 1
            if at + 8 > until or count > _MOST_BOXES:
                raise BadMedia("is cut off or holds more than its sound", _ALONE)
            size, kind = struct.unpack_from(">I4s", raw, at)
            head = 8
            if size == 1 and at + 16 <= until:
                (size,), head = struct.unpack_from(">Q", raw, at + 8), 16
            elif size == 0 and not depth:
                size = until - at
            if size < head or at + size > until or (not depth and kind not in _TOP):
                raise BadMedia("is cut off or holds more than its sound", _ALONE)
            body = raw[at + head : at + size]
            seen.add(kind)
            if kind in _ABOUT:
                # Places (©xyz), names and covers: emptied in place, so that no offset into the sound changes.
                out[at + 4 : at + 8] = b"free"
                out[at + head : at + size] = bytes(len(body))
            elif kind in _INNER:
                walk(at + head, at + size, depth + 1)
            elif kind == b"hdlr":
                handlers.append(body[8:12])
            elif kind == b"mvhd" and len(body) >= 32:
                scale, length = struct.unpack_from(">IQ" if body[0] else ">II", body, 20 if body[0] else 12)
                seconds = length / scale if scale else 0.0
            at += size

    walk(0, len(raw), 0)
    if not {b"moov", b"mdat"} <= seen:
        raise BadMedia("holds no sound", _DAMAGED)
    if b"vide" in handlers or handlers.count(b"soun") != 1:
        raise BadMedia("is a video" if b"vide" in handlers else "holds no sound", "a voice note")
    return bytes(out), min(seconds, 86400.0)
