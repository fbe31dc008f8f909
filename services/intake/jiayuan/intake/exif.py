"""What a photo's EXIF says of when and where it was taken. Pure, bounded, and never surprised by broken input.

EXIF 2.32, section 4.6: a TIFF header, directories of 12-byte entries; times are local unless an offset is given;
positions are WGS-84 unless GPSMapDatum says otherwise.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

ZONE: Final = timezone(timedelta(hours=8))  # a camera that names no zone is on Chinese time
_MOST_ENTRIES: Final = 512
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
_ORIENTATION, _CHANGED, _EXIF, _GPS = 0x0112, 0x0132, 0x8769, 0x8825
_TAKEN, _OFFSET, _OFFSET_TAKEN = 0x9003, 0x9010, 0x9011
_LAT_REF, _LAT, _LONG_REF, _LONG, _UTC_TIME, _DATUM, _UTC_DATE = 1, 2, 3, 4, 7, 0x12, 0x1D
_TIME: Final = re.compile(r"(\d{4})[:\-/](\d{2})[:\-/](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")
_ZONE_FORM: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")


@dataclass(frozen=True, slots=True)
class Facts:
    """`taken_at`: aware; `lat`, `long`: degrees in `crs` (wgs84 or gcj02), both or none; `orientation`: 1 to 8."""

    taken_at: datetime | None = None
    lat: float | None = None
    long: float | None = None
    crs: str = "wgs84"
    orientation: int = 1


def read(raw: bytes) -> Facts:
    """The facts of an EXIF block (with or without its `Exif\\0\\0`); what is broken or absent is left out."""
    raw = raw.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(raw[:2])
    if order is None or len(raw) < 8 or struct.unpack(order + "H", raw[2:4])[0] != 42:
        return Facts()
    top = _directory(raw, order, struct.unpack(order + "I", raw[4:8])[0])
    inner = _directory(raw, order, _number(top.get(_EXIF)))
    gps = _directory(raw, order, _number(top.get(_GPS)))
    lat, long = _position(gps)
    datum = re.sub(r"[^A-Z0-9]", "", _word(gps.get(_DATUM)).upper())
    orientation = int(_number(top.get(_ORIENTATION)))
    return Facts(
        taken_at=_taken(top, inner, gps),
        lat=lat,
        long=long,
        crs="gcj02" if datum.startswith("GCJ") else "wgs84",
        orientation=orientation if 1 <= orientation <= 8 else 1,
    )


def _directory(raw: bytes, order: str, at: float) -> dict[int, Any]:
    """The entries of one directory by tag: bytes of text, or a list of numbers."""
    at = int(at)
    if not 8 <= at <= len(raw) - 2:
        return {}
    (count,) = struct.unpack_from(order + "H", raw, at)
    found: dict[int, Any] = {}
    for i in range(min(count, _MOST_ENTRIES)):
        entry = at + 2 + 12 * i
        if entry + 12 > len(raw):
            break
        tag, kind, many = struct.unpack_from(order + "HHI", raw, entry)
        size = _SIZES.get(kind, 0) * many
        if not size or size > 4096:
            continue
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", raw, entry + 8)[0]
        if start + size > len(raw):
            continue
        found.setdefault(tag, _values(raw[start : start + size], kind, order))
    return found


def _values(raw: bytes, kind: int, order: str) -> Any:
    if kind in (1, 2, 6, 7):
        return raw
    if kind in (3, 8):
        return list(struct.unpack(f"{order}{len(raw) // 2}{'H' if kind == 3 else 'h'}", raw))
    if kind in (4, 9):
        return list(struct.unpack(f"{order}{len(raw) // 4}{'I' if kind == 4 else 'i'}", raw))
    pairs = struct.unpack(f"{order}{len(raw) // 4}{'I' if kind == 5 else 'i'}", raw)
    return [a / b if b else math.nan for a, b in zip(pairs[::2], pairs[1::2], strict=True)]


def _number(value: Any) -> float:
    if isinstance(value, list) and value and math.isfinite(value[0]):
        return float(value[0])
    return 0.0


def _word(value: Any) -> str:
    return value.split(b"\x00", 1)[0].decode("ascii", "replace").strip() if isinstance(value, bytes) else ""


def _position(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    lat = _degrees(gps.get(_LAT), _word(gps.get(_LAT_REF)), "NS", 90)
    long = _degrees(gps.get(_LONG), _word(gps.get(_LONG_REF)), "EW", 180)
    # 0/0 is what a camera writes that has a GPS block and no fix.
    if lat is None or long is None or (lat == 0 and long == 0):
        return None, None
    return lat, long


def _degrees(value: Any, ref: str, refs: str, most: float) -> float | None:
    if not isinstance(value, list) or not 1 <= len(value) <= 3 or ref[:1].upper() not in tuple(refs):
        return None
    parts = [float(v) for v in value] + [0.0] * (3 - len(value))
    if not all(math.isfinite(v) and v >= 0 for v in parts):
        return None
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if degrees > most:
        return None
    return round(-degrees if ref[:1].upper() == refs[1] else degrees, 7)


def _taken(top: dict[int, Any], inner: dict[int, Any], gps: dict[int, Any]) -> datetime | None:
    said = _TIME.match(_word(inner.get(_TAKEN)) or _word(top.get(_CHANGED)))
    utc = _utc(gps)
    if said is None:
        return utc
    try:
        local = datetime(*(int(g) for g in said.groups()))  # type: ignore[arg-type]
        zone = _ZONE_FORM.fullmatch(_word(inner.get(_OFFSET_TAKEN)) or _word(inner.get(_OFFSET)))
        if zone is not None:
            away = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
            return local.replace(tzinfo=timezone(away if zone[1] == "+" else -away)).astimezone(UTC)
        return local.replace(tzinfo=ZONE).astimezone(UTC)
    except (ValueError, OverflowError):
        return utc


def _utc(gps: dict[int, Any]) -> datetime | None:
    """GPS date and time, which are UTC."""
    day, time = _word(gps.get(_UTC_DATE)), gps.get(_UTC_TIME)
    match = re.fullmatch(r"(\d{4})[:\-/](\d{2})[:\-/](\d{2})", day)
    if match is None or not isinstance(time, list) or len(time) != 3 or not all(map(math.isfinite, time)):
        return None
    try:
        year, month, date = (int(g) for g in match.groups())
        return datetime(year, month, date, int(time[0]), int(time[1]), int(time[2]), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
