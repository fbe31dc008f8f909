"""The page of `/r/<token>`: 确认收到. It says which case, and nothing of what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jiayuan.chassis.pages import Words, whole


def form(words: Words, row: Mapping[str, Any]) -> str:
    """The button, or that it was pressed before."""
    number = row["parameters"].get("number", "")
    about = f"<p>{words('case', number=number)}</p>" if number else ""
    if row["read_at"] is not None:
        title, say, do = words("read_title"), "", words("read_look")
    else:
        title, say, do = words("ask_title"), f"<p>{words('ask')}</p>", words("ask_do")
    button = f'<form method="post" action="?lang={words.language}">{say}<p><button>{do}</button></p></form>'
    return whole(words, title, about + button)


def done(words: Words) -> str:
    """It is confirmed, and there is nothing to go on to."""
    return whole(words, words("read_title"), f"<p>{words('read_thanks')}</p>", switch=None)


def unknown(words: Words) -> str:
    """For a link that is none of ours."""
    return whole(words, words("unknown_title"), f"<p>{words('unknown_notice')}</p>")
