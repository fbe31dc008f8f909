"""Photos and voice notes for tests, made here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms, TiffImagePlugin


def exif(*, orientation: int = 1, gps: bool = True, datum: str = "", offset: str = "+08:00") -> bytes:
    """EXIF of a phone: taken 2026-03-01 09:30:15 at 26.885 N, 120.0025 E."""
    block = Image.Exif()
    block[0x010F], block[0x0110] = "例牌", "ModelX"
    block[0x0112] = orientation
    inner = block.get_ifd(0x8769)
    inner[0x9003] = "2026:03:01 09:30:15"
    if offset:
        inner[0x9011] = offset
    if gps:
        place = block.get_ifd(0x8825)
        place[1], place[2] = "N", (26.0, 53.0, 6.0)
        place[3], place[4] = "E", (120.0, 0.0, 9.0)
        if datum:
            place[0x12] = datum
    return block.tobytes()


def picture(form: str = "JPEG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A picture whose corners differ."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((30, 200, 30), (0, 0, size[0] // 2, size[1] // 2))
    out = io.BytesIO()
    if form == "HEIF":
        import pillow_heif

        file = pillow_heif.from_pillow(image)
        file.save(out, quality=80, exif=options.get("exif"))
        return out.getvalue()
    image.save(out, form, **options)
    return out.getvalue()


def colour_profile() -> bytes:
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose picture is large and whose file is small."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(width * 3 + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def amr(frames: int = 50) -> bytes:
    """A second of silence at 12.2 kbit/s."""
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * frames


def mp3(frames: int = 40) -> bytes:
    """MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def wav(seconds: int = 1, extra: bytes = b"") -> bytes:
    """PCM, 8 kHz, 16 bit, mono."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    body = b"fmt " + struct.pack("<I", 16) + form + extra
    body += b"data" + struct.pack("<I", 16000 * seconds) + bytes(16000 * seconds)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def box(kind: bytes, body: bytes) -> bytes:
    """A box of an MP4 file."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def m4a(about: bytes = b"", handler: bytes = b"soun") -> bytes:
    """A voice memo of three seconds."""
    mvhd = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 3000) + bytes(80))
    hdlr = box(b"hdlr", bytes(8) + handler + bytes(13))
    trak = box(b"trak", box(b"mdia", hdlr))
    moov = box(b"moov", mvhd + trak + (box(b"udta", about) if about else b""))
    return box(b"ftyp", b"M4A \x00\x00\x00\x00M4A ") + moov + box(b"mdat", bytes(2000))


def ogg(words: bytes = b"") -> bytes:
    """Opus, one second."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 16000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<II", 1, len(words)) + words
    return b"".join(
        (page(head, 0, 0, 2), page(tags, 1, 0, 0), page(bytes(200), 2, 48000, 4)),
    )


def page(body: bytes, number: int, granule: int, flags: int) -> bytes:
    """An OGG page."""
    laces = bytes([255] * (len(body) // 255) + [len(body) % 255])
    head = b"OggS" + struct.pack("<BBqIIIB", 0, flags, granule, 7, number, 0, len(laces)) + laces
    return head + body


assert TiffImagePlugin
