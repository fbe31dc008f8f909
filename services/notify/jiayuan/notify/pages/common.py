"""What the pages share: one small style, and headers that let nothing else in."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Final

_STYLE: Final = (
    "body{font:17px/1.7 sans-serif;max-width:34em;margin:1.5em auto;padding:0 1em;color:#222}"
    "h1{font-size:1.3em}label{display:block;padding:.4em 0}input{width:1.2em;height:1.2em}"
    "button{font:inherit;padding:.6em 1em;margin:.4em .4em .4em 0}small,.off{color:#595959}"
)
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'sha256-"
    + b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)


def headers() -> dict[str, str]:
    """Headers of every page: nothing is kept, loaded from elsewhere, framed, indexed, or told to the next site."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


def page(title: str, body: str) -> str:
    """A whole page; `title` and `body` are HTML."""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )
