"""What intake needs secrets for: sealing what is personal, and knowing a reporter again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.seal import Sealer


@dataclass(frozen=True)
class IntakeSettings(Settings):
    """Settings of intake.

    `reporter_secret` makes the pseudonyms; empty, it is drawn from the oldest key of `seal_keys`, and must be set
    before that key is dropped, or everybody becomes somebody else. `person_keys` wraps the keys of persons, in the
    form of `seal_keys` and for intake alone; empty, `seal_keys` does it too. `idempotency_days`: how long the first
    answer to an idempotency key is kept. `place_wait_minutes`: how long a reporter who was asked which place is meant
    has before the desk decides. `catalogue`: a file like `data/catalogue.yaml`,
    which is used when it is empty. `limits`: a file of limits like `data/limits.yaml`, which is used when it
    is empty, or `off`.

    `media`: where photos and voice notes are kept, `file:///folder` (one that all replicas share) or
    `s3+https://host/bucket?region=r`, then with `media_key` and `media_secret`; empty, none are taken. `media_bytes`:
    the largest file. `media_hours`: how long a file waits for its report.

    `wechat_*`: the mini-program's sign-in; the time-out is that of a whole call. `citizen_hours`: how long a citizen's
    token holds. `booking_*`: how many days ahead a service can be booked, how long one appointment is, and how many
    somebody may hold at a time.

    `open311`: a file like `data/open311.yaml`, which is used when it is empty; `open311_url`: the public address of
    its endpoint (`https://…/open311/v2`), where it isn't the one that clients call this process by.
    """

    reporter_secret: str = field(default="", repr=False)
    person_keys: str = field(default="", repr=False)
    idempotency_days: float = 30.0
    limits: str = ""
    catalogue: str = ""
    place_wait_minutes: float = 30.0
    media: str = ""
    media_key: str = field(default="", repr=False)
    media_secret: str = field(default="", repr=False)
    media_bytes: int = 10 * 1024 * 1024
    media_hours: float = 24.0
    wechat_appid: str = ""
    wechat_secret: str = field(default="", repr=False)
    wechat_base: str = "https://api.weixin.qq.com"
    wechat_timeout: float = 5.0
    citizen_hours: float = 2.0
    booking_days: int = 14
    booking_minutes: int = 30
    booking_most: int = 3
    open311: str = ""
    open311_url: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """`sealer` seals what other services open, `ring` wraps the keys of persons, `secret` is behind handles."""

    sealer: Sealer = field(repr=False)
    ring: Sealer = field(repr=False)
    secret: bytes = field(repr=False)


_current: Keys | None = None


def keys_of(settings: IntakeSettings) -> Keys:
    """The keys of settings. SealError when there is none to seal with."""
    oldest = settings.seal_keys.rsplit(",", 1)[-1].strip()
    secret = settings.reporter_secret or oldest
    sealer = Sealer(settings.seal_keys)
    # What `seal_keys` wrapped before there were person_keys still opens, until it is wrapped anew.
    ring = Sealer(f"{settings.person_keys},{settings.seal_keys}") if settings.person_keys.strip() else sealer
    return Keys(sealer, ring, hashlib.sha256(b"jiayuan reporter\0" + secret.encode()).digest())


def use(settings: IntakeSettings) -> Keys:
    """Makes these the keys of the process; a service does it once, before it takes anything."""
    global _current
    _current = keys_of(settings)
    return _current


def current() -> Keys:
    """The keys of the process, from the environment when nobody has set them."""
    if _current is None:
        environ = {"JIAYUAN_AMQP_URI": "", "JIAYUAN_DATABASE_URL": "", **os.environ}
        return use(load(IntakeSettings, "intake", environ))
    return _current
