"""Vendors on loopback that verify signatures themselves and misbehave as told; see `base.Fake`."""

from .aliyun import FakeAliyun
from .base import Fake
from .tencent import FakeTencent
from .webhook import FakeWebhook
from .wechat import FakeWechat

__all__ = ["Fake", "FakeAliyun", "FakeTencent", "FakeWebhook", "FakeWechat"]
