"""What the pages share: one small style, the words by language, and headers that let nothing else in."""

from __future__ import annotations

import hashlib
import tomllib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any, Final

from werkzeug.wrappers import Response

LANGUAGES: Final = ("zh", "en")
HTML: Final = "text/html; charset=utf-8"
_TAGS: Final = {"zh": "zh-CN", "en": "en"}
_STYLE: Final = (
    "body{font:17px/1.6 sans-serif;max-width:60em;margin:1em auto;padding:0 1em;color:#222}h1{font-size:1.3em}"
    "h2{font-size:1.1em;margin-top:1.6em}table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{border:1px solid #bbb;padding:.25em .6em;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}th{background:#eef}input{font:inherit;padding:.4em}"
    "button{font:inherit;padding:.4em 1em}small{color:#595959}code,pre{overflow-wrap:anywhere;white-space:pre-wrap}"
)
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; script-src 'self'; "
    f"style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


@lru_cache(maxsize=1)
def _catalogues() -> dict[str, dict[str, str]]:
    text = resources.files("jiayuan.ledger").joinpath("data/pages.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Words:
    """The words of a language: `words("title", year=2026)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._known = _catalogues()[language]

    def __call__(self, key: str, **values: Any) -> str:
        """The text, as HTML; values are escaped."""
        return escape(self.plain(key, **values))

    def plain(self, key: str, **values: Any) -> str:
        """The text as it is."""
        return self._known[key].format(**values) if values else self._known[key]

    @property
    def other(self) -> str:
        """The other language."""
        return next(name for name in LANGUAGES if name != self.language)


def words_for(call: Any) -> Words:
    """The language that `?lang=` names; simplified Chinese else."""
    asked = call.args.get("lang", "")
    return Words(asked if asked in LANGUAGES else LANGUAGES[0])


def answer(page: str, *, status: int = 200, cache: int = 0) -> Response:
    """A page with its headers; `cache`: seconds that others may keep it."""
    return Response(
        page,
        status=status,
        content_type=HTML,
        headers={
            "Cache-Control": f"public, max-age={cache}" if cache else "no-store",
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def whole(words: Words, title: str, body: str, *, script: str = "") -> str:
    """A page; `title` and `body` are HTML, `script` the address of a script."""
    tail = f'<script src="{escape(script)}"></script>' if script else ""
    return (
        f'<!doctype html><html lang="{_TAGS[words.language]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{body}{tail}</body></html>"
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; headings are HTML, cells are escaped."""
    head = "".join(f"<th>{h}</th>" for h in headings)
    lines = "".join("<tr>" + "".join(f"<td>{_cell(v)}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def _cell(value: Any) -> str:
    return "–" if value is None else escape(str(value))
