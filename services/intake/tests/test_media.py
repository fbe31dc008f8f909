"""Photos and voice notes: what is kept of them, what is refused, and that nobody's place stays in a file."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from jiayuan.intake import exif, media
from jiayuan.intake.media import BadMedia, Limits

sys.path.insert(0, str(Path(__file__).parent))
import pictures

pytestmark = pytest.mark.unit
FORMS = ["JPEG", "PNG", "WEBP", "HEIF"]


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(BadMedia) as caught:
        media.clean(data, limits)
    assert caught.value.problem
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_exif_is_read_and_then_gone(form: str) -> None:
    kept = media.clean(pictures.picture(form, exif=pictures.exif()))
    assert (kept.kind, kept.width, kept.height) == ("photo", 64, 48)
    assert kept.taken_at == datetime(2026, 3, 1, 1, 30, 15, tzinfo=UTC)
    assert (kept.lat, kept.long, kept.crs) == (26.885, 120.0025, "wgs84")
    image = _opened(kept.data)
    assert not dict(image.getexif())
    assert "exif" not in image.info
    for trace in (b"Exif", b"ModelX", b"2026:03", b"http://ns.adobe.com"):
        assert trace not in kept.data
    assert kept.type == {"PNG": "image/png", "WEBP": "image/webp"}.get(form, "image/jpeg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_picture_itself_is_kept_bit_for_bit(form: str) -> None:
    raw = pictures.picture(form, exif=pictures.exif())
    assert _opened(media.clean(raw).data).tobytes() == _opened(raw).tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_cleaned_again_it_is_the_same(form: str) -> None:
    once = media.clean(pictures.picture(form, exif=pictures.exif(orientation=6)))
    again = media.clean(once.data)
    assert again.digest == once.digest
    assert again.taken_at is None
    assert again.lat is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_that_exif_turns_is_turned(form: str) -> None:
    kept = media.clean(pictures.picture(form, exif=pictures.exif(orientation=6)))
    assert (kept.width, kept.height) == (48, 64)
    # The green corner, top left before, is top right now.
    red, green = _opened(kept.data).convert("RGB").getpixel((44, 4))[:2]  # type: ignore[index]
    assert green > red


def test_colours_stay_and_comments_go() -> None:
    raw = pictures.picture(icc_profile=pictures.colour_profile(), comment=b"13800138000")
    kept = media.clean(raw)
    assert _opened(kept.data).info["icc_profile"] == pictures.colour_profile()
    assert b"13800138000" not in kept.data
    png = pictures.picture("PNG")
    noted = png[:33] + pictures.chunk(b"tEXt", b"Author\x00someone") + png[33:]
    assert media.clean(noted).data == png


def test_a_time_without_a_zone_is_chinese_and_a_chinese_datum_is_said() -> None:
    facts = exif.read(pictures.exif(offset="", datum="GCJ-02"))
    assert facts.taken_at == datetime(2026, 3, 1, 1, 30, 15, tzinfo=UTC)
    assert facts.crs == "gcj02"


def test_exif_of_any_bytes_never_raises() -> None:
    whole = pictures.exif()
    for end in range(0, len(whole), 3):
        exif.read(whole[:end])
    for at in range(6, len(whole)):
        for value in (0, 1, 0x7F, 0xFF):
            exif.read(whole[:at] + bytes([value]) + whole[at + 1 :])


WRONG = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world", "no photo and no voice note"),
    "html": (b"<html><script>alert(1)</script>", "HTML"),
    "svg": (b"\xef\xbb\xbf<svg xmlns='x'/>", "SVG"),
    "gif": (pictures.picture("GIF"), "is a GIF"),
    "bmp": (pictures.picture("BMP"), "is a BMP"),
    "tiff": (pictures.picture("TIFF"), "is a TIFF"),
    "pdf": (b"%PDF-1.7\n", "is a PDF"),
    "zip": (b"PK\x03\x04" + bytes(40), "ZIP"),
    "jpeg cut off": (pictures.picture(size=(640, 480))[:-400], "cut off"),
    "jpeg head": (pictures.picture()[:3], "cut off"),
    "jpeg and zip": (pictures.picture() + b"PK\x03\x04" + bytes(40), "after the picture"),
    "jpeg and php": (pictures.picture() + b"<?php system($_GET[0]);", "after the picture"),
    "png cut off": (pictures.picture("PNG")[:-20], "cut off"),
    "png damaged": (pictures.picture("PNG")[:45] + b"\x00\x01\x02" + pictures.picture("PNG")[48:], "damaged"),
    "png and zip": (pictures.picture("PNG") + b"PK\x03\x04" + bytes(40), "after the picture"),
    "webp cut off": (pictures.picture("WEBP")[:-20], "cut off"),
    "webp and zip": (pictures.picture("WEBP") + b"PK\x03\x04" + bytes(40), "after the picture"),
    "heic cut off": (pictures.picture("HEIF")[:-20], "cut off"),
    "heic and zip": (pictures.picture("HEIF") + b"PK\x03\x04" + bytes(40), "more than a photo"),
    "amr cut off": (pictures.amr()[:-5], "cut off"),
    "amr and zip": (pictures.amr() + b"PK\x03\x04" + bytes(40), "damaged"),
    "mp3 and html": (pictures.mp3() + b"<script>" * 400, "more than its sound"),
    "wav cut off": (pictures.wav()[:-5], "cut off"),
    "wav and zip": (pictures.wav() + b"PK\x03\x04" + bytes(40), "more than its sound"),
    "ogg cut off": (pictures.ogg()[:-5], "cut off"),
    "ogg and zip": (pictures.ogg() + b"PK\x03\x04" + bytes(40), "more than its sound"),
    "m4a cut off": (pictures.m4a()[:-5], "cut off"),
    "m4a and zip": (pictures.m4a() + b"PK\x03\x04" + bytes(40), "more than its sound"),
    "video": (pictures.m4a(handler=b"vide"), "is a video"),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_what_is_no_photo_and_no_voice_note_is_refused_by_its_name(what: str) -> None:
    data, reason = WRONG[what]
    assert reason in _refusal(data)


def test_animations_are_refused() -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "green", "blue")]
    for form in ("WEBP", "PNG"):
        out = io.BytesIO()
        frames[0].save(out, form, save_all=True, append_images=frames[1:])
        assert "animated" in _refusal(out.getvalue())


def test_bombs_are_refused_before_they_go_off() -> None:
    assert "too large" in _refusal(pictures.png_bomb(20_000, 10))
    assert "too large" in _refusal(pictures.png_bomb(9_000, 9_000))
    # A header that says less than its data unpacks to.
    bomb = pictures.png_bomb(1000, 1000)
    head = pictures.chunk(b"IHDR", struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0))
    assert "more data than its picture" in _refusal(bomb[:8] + head + bomb[33:])
    # One that says more.
    head = pictures.chunk(b"IHDR", struct.pack(">IIBBBBB", 2000, 2000, 8, 2, 0, 0, 0))
    assert "cut off" in _refusal(bomb[:8] + head + bomb[33:])


def test_sizes_have_limits() -> None:
    photo, voice = pictures.picture(size=(300, 300)), pictures.amr()
    assert "at most 100 bytes" in _refusal(photo, Limits(photo_bytes=100))
    assert "at most 100 bytes" in _refusal(voice, Limits(voice_bytes=100))
    assert "too large: 300 × 300" in _refusal(photo, Limits(pixels=80_000))
    assert "too large: 300 × 300" in _refusal(photo, Limits(side=299))
    assert "too large" in _refusal(pictures.picture("WEBP", (300, 300)), Limits(whole=160_000))
    assert media.clean(pictures.picture("WEBP", (300, 300)), Limits(whole=180_000)).width == 300
    assert "too large" in _refusal(pictures.picture("HEIF", (300, 300)), Limits(whole=80_000))
    assert "too large" in _refusal(pictures.picture(size=(300, 300), progressive=True), Limits(whole=80_000))


def test_what_cameras_put_behind_a_photo_is_left_out() -> None:
    raw = pictures.picture()
    film = pictures.box(b"ftyp", b"mp42\x00\x00\x00\x00") + pictures.box(b"mdat", bytes(500))
    for behind in (film, pictures.picture(size=(8, 8)), bytes(4096)):
        assert media.clean(raw + behind).data == media.clean(raw).data


def test_voice_notes_are_known_and_measured() -> None:
    for raw, type_, seconds in (
        (pictures.amr(50), "audio/amr", 1.0),
        (pictures.mp3(40), "audio/mpeg", 1.04),
        (pictures.wav(2), "audio/wav", 2.0),
        (pictures.m4a(), "audio/mp4", 3.0),
        (pictures.ogg(), "audio/ogg", 1.0),
    ):
        kept = media.clean(raw)
        assert (kept.kind, kept.type, kept.seconds) == ("voice", type_, seconds)
        assert media.clean(kept.data).digest == kept.digest


def test_what_is_written_about_a_voice_note_goes() -> None:
    secret = b"+26.8850+120.0025/ 13800138000"
    tag = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(secret)]) + secret
    for raw in (
        tag + pictures.mp3() + b"TAG" + secret.ljust(125, b"\0"),
        pictures.wav(extra=b"LIST" + struct.pack("<I", len(secret)) + secret),
        pictures.m4a(about=pictures.box(b"\xa9xyz", secret)),
        pictures.ogg(words=secret),
    ):
        assert secret in raw
        assert b"13800138000" not in media.clean(raw).data


def test_a_recording_that_was_stopped_within_a_frame_is_kept() -> None:
    assert media.clean(pictures.mp3()[:-100]).data == pictures.mp3(39)


def test_an_emptied_page_of_words_has_its_checksum() -> None:
    kept = media.clean(pictures.ogg(words=b"w" * 40)).data
    second = kept.index(b"OggS", 4)
    third = kept.index(b"OggS", second + 4)
    page = kept[second:third]
    (said,) = struct.unpack_from("<I", page, 22)
    table = []
    for n in range(256):
        value = n << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    assert crc == said
    assert zlib.crc32(kept)
