"""Pages for people: rendered here, in simplified Chinese or English, for old phones and without scripts too.

Every service that has some keeps its words in `data/pages.toml`, a table a language. A page loads nothing from
elsewhere, is framed nowhere and tells the next site nothing; its letters are as large as its reader has set them.
"""

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

from .errors import Problem

LANGUAGES: Final = ("zh", "en")
HTML: Final = "text/html; charset=utf-8"
_TAGS: Final = {"zh": "zh-CN", "en": "en"}
_NAMES: Final = {"zh": "中文", "en": "English"}
_STYLE: Final = (
    "body{font:106%/1.65 sans-serif;max-width:50em;margin:1em auto;padding:0 1em;color:#222;background:#fff;"
    "overflow-wrap:anywhere}h1{font-size:1.3em}h2{font-size:1.1em;margin-top:1.6em}"
    "div.wide{overflow-x:auto}table{border-collapse:collapse}th,td{border:1px solid #bbb;padding:.25em .6em;"
    "text-align:right;white-space:nowrap}th:first-child,td:first-child{text-align:left}th{background:#eef}"
    "fieldset{border:0;padding:0;margin:0 0 1em}legend{padding:0}"
    "label{display:block;padding:.4em 0}label.in{display:inline}"
    "input,select,button{font:inherit;padding:.4em;max-width:100%;box-sizing:border-box}"
    "input[type=checkbox]{width:1.2em;height:1.2em;vertical-align:middle}"
    "button{padding:.6em 1em;margin:.4em .4em .4em 0}small,.off{color:#595959}"
    "dt{font-weight:bold}dd{margin:0 0 .4em 1em}pre{white-space:pre-wrap}pre.text{font:inherit}"
)


@lru_cache(maxsize=8)
def catalogues(service: str) -> dict[str, dict[str, str]]:
    """The words of a service's pages by language and key."""
    text = resources.files(f"jiayuan.{service}").joinpath("data/pages.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Words:
    """The words of a service's pages in a language: `words("title", year=2026)`."""

    def __init__(self, service: str, language: str = LANGUAGES[0]) -> None:
        self.language = language
        self._known = catalogues(service)[language]

    def __call__(self, key: str, **values: Any) -> str:
        """The text, as HTML; values are escaped."""
        return escape(self.plain(key, **values))

    def plain(self, key: str, **values: Any) -> str:
        """The text as it is."""
        return self._known[key].format(**values) if values else self._known[key]


def words_for(service: str, call: Any) -> Words:
    """The words of the language that `?lang=` names; simplified Chinese else."""
    asked = call.args.get("lang", "")
    return Words(service, asked if asked in LANGUAGES else LANGUAGES[0])


def whole(words: Words, title: str, body: str, *, switch: str | None = "", script: str = "") -> str:
    """A page; `title` and `body` are HTML.

    `switch`: what else the query of the page in the other language holds, as HTML, beginning with `&amp;`; None where
    there is no such page, as for the answer to a form. `script`: the address of a script.
    """
    tail = f'<script src="{escape(script)}"></script>' if script else ""
    other = ""
    if switch is not None:
        to = next(name for name in LANGUAGES if name != words.language)
        tag = _TAGS[to]
        other = f'<p><a href="?lang={to}{switch}" lang="{tag}" hreflang="{tag}">{_NAMES[to]}</a></p>'
    return (
        f'<!doctype html><html lang="{_TAGS[words.language]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{other}{body}</main>{tail}</body></html>"
    )


def table(label: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table that scrolls by itself where it is too wide; label and headings are HTML, cells are escaped."""
    head = "".join(f'<th scope="col">{h}</th>' for h in headings)
    lines = "".join("<tr>" + "".join(f"<td>{_cell(v)}</td>" for v in row) + "</tr>" for row in rows)
    region = f'<div class="wide" role="region" tabindex="0" aria-label="{label}">'
    return f"{region}<table><tr>{head}</tr>{lines}</table></div>"


def answer(
    page: str, *, status: int = 200, cache: int = 0, scripts: bool = False, leads_on: bool = False
) -> Response:
    """A page with its headers. `cache`: seconds that others may keep it; 0: nobody, and no search engine knows it.

    `scripts`: it has one of this service. `leads_on`: the answer to its form leads on to another site.
    """
    return Response(page, status=status, content_type=HTML, headers=headers(cache, scripts, leads_on))


def headers(cache: int = 0, scripts: bool = False, leads_on: bool = False) -> dict[str, str]:
    """The headers of a page, as for `answer`."""
    # Chromium holds a form to this wherever its answer redirects to, up to the sign-in page of the other site.
    forms = "'self' http: https:" if leads_on else "'self'"
    policy = [
        "default-src 'none'",
        "base-uri 'none'",
        f"form-action {forms}",
        "frame-ancestors 'none'",
        *(["script-src 'self'"] if scripts else []),
        f"style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
    ]
    return {
        "Cache-Control": f"public, max-age={cache}" if cache else "no-store",
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        **({} if cache else {"X-Robots-Tag": "noindex"}),
    }


def refusal(call: Any, error: Problem) -> Response:
    """What whoever looks at pages is told instead of a problem document; for developers also its words."""
    words = words_for("chassis", call)
    kind = str(503 if error.status >= 500 else error.status if error.status in (404, 429) else "other")
    said = words(f"say_{kind}", seconds=error.headers.get("Retry-After", "60"))
    detail = escape(": ".join(filter(None, (error.title, error.detail))))
    body = f'<p>{said}</p><p lang="en"><small>{error.status} {detail}</small></p>'
    switch = "" if call.method == "GET" else None
    found = answer(whole(words, words(f"title_{kind}"), body, switch=switch), status=error.status)
    found.headers.update(error.headers)
    return found


def _cell(value: Any) -> str:
    return "–" if value is None else escape(str(value))
