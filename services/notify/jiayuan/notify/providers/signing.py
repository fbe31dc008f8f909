"""Signatures of requests and of callbacks, each by its vendor's page. Pure: times and nonces are given.

- ACS3-HMAC-SHA256 (Aliyun, "V3 request structure and signature"):
  https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
- TC3-HMAC-SHA256 (Tencent Cloud, "Signature v3"): https://cloud.tencent.com/document/api/382/52067
- Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
- WeChat's message push: https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

ACS3: Final = "ACS3-HMAC-SHA256"
TC3: Final = "TC3-HMAC-SHA256"
WHSEC: Final = "whsec_"


def sha256(body: bytes) -> str:
    """Lower-case hex."""
    return hashlib.sha256(body).hexdigest()


def canonical_query(query: Mapping[str, str]) -> str:
    """A query string in order of its names, percent-encoded by RFC 3986."""
    return "&".join(f"{quote(k, safe='~')}={quote(query[k], safe='~')}" for k in sorted(query))


def _canonical(
    method: str, path: str, query: str, headers: Mapping[str, str], body_hash: str
) -> tuple[str, str]:
    """The canonical request and its list of signed headers, in the form that both clouds share."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(lower)
    signed = ";".join(names)
    lines = "".join(f"{name}:{lower[name]}\n" for name in names)
    return f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{body_hash}", signed


def acs3(
    key_id: str,
    secret: str,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    body: bytes = b"",
) -> str:
    """The Authorization of an Aliyun request; `headers` are those that are signed (host and every x-acs-*)."""
    canonical, signed = _canonical(method, path, query, headers, sha256(body))
    to_sign = f"{ACS3}\n{sha256(canonical.encode())}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ACS3} Credential={key_id},SignedHeaders={signed},Signature={signature}"


def tc3(
    secret_id: str,
    secret_key: str,
    headers: Mapping[str, str],
    *,
    service: str,
    timestamp: int,
    body: bytes,
    path: str = "/",
) -> str:
    """The Authorization of a Tencent Cloud POST; `headers` are those that are signed (content-type and host at least).

    Header values are signed in lower case, as the page says.
    """
    lower = {name: value.lower() for name, value in headers.items()}
    canonical, signed = _canonical("POST", path, "", lower, sha256(body))
    date = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    to_sign = f"{TC3}\n{timestamp}\n{scope}\n{sha256(canonical.encode())}"
    key = ("TC3" + secret_key).encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{TC3} Credential={secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


def webhook_key(secret: str) -> bytes:
    """The key of a `whsec_…` secret; ValueError unless it is base64 of 24 to 64 bytes, as the specification asks."""
    try:
        key = base64.b64decode(secret.removeprefix(WHSEC), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be whsec_ and base64") from None
    if not secret.startswith(WHSEC) or not 24 <= len(key) <= 64:
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")
    return key


def webhook(keys: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> str:
    """The webhook-signature: one `v1,…` for each key, so that a receiver may hold the old or the new one."""
    signed = f"{id_}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
    )


def wechat(parts: Iterable[str]) -> str:
    """SHA-1 of the sorted parts: token, timestamp and nonce, and the ciphertext where there is one."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
