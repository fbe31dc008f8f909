"""The page of `/u/<code>`: 通知设置与退订. No script, one small style, nothing of the matter or the person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.pages import Words, whole
from jiayuan.contracts.check import FieldProblem

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[03]0")
_TIMES: Final = [f"{h:02}:{m}" for h in range(24) for m in ("00", "30")]


def form(words: Words, said: Mapping[str, Any]) -> str:
    """The form, with what is wished now."""
    lines = []
    for one in said["subjects"]:
        name = _name(words, one)
        if one["refusable"]:
            checked = "" if one["refused"] else " checked"
            box = f'<input type="checkbox" name="keep" value="{escape(one["subject"])}"{checked}>'
            lines.append(f"<label>{box} {escape(name)}</label>")
        else:
            lines.append(f'<p class="off">{words("always", subject=name)}</p>')
    if "sms" in said["vendor"]:
        lines.append(f'<p class="off">{words("vendor")}</p>')
    quiet = said["quiet"] or {"from": "", "until": ""}
    hours = f"{_select(words, 'from', quiet['from'])} {words('quiet_to')} {_select(words, 'until', quiet['until'])}"
    buttons = "".join(
        f'<button name="do" value="{do}">{words(do)}</button>' for do in ("save", "stop", "all")
    )
    return whole(
        words,
        words("wishes_title"),
        f'<form method="post" action="?lang={words.language}" accept-charset="utf-8">'
        f"<fieldset><legend>{words('wishes_ask')}</legend>{''.join(lines)}</fieldset>"
        f"<fieldset><legend>{words('quiet')}</legend><p>{hours}<br><small>{words('quiet_say')}</small></p></fieldset>"
        f"<p>{buttons}</p></form><p><small>{words('wishes_say')}</small></p>",
    )


def done(words: Words, said: Mapping[str, Any]) -> str:
    """What is wished from now on."""
    refused = words.plain("and").join(_name(words, one) for one in said["subjects"] if one["refused"])
    text = words("saved_refused", subjects=refused) if refused else words("saved_all")
    if quiet := said["quiet"]:
        text += words("saved_quiet", begin=quiet["from"], end=quiet["until"])
    back = f'<p><a href="?lang={words.language}">{words("back")}</a></p>'
    return whole(words, words("saved_title"), f"<p>{text}</p>{back}", switch=None)


def unknown(words: Words) -> str:
    """For a code that is not known."""
    return whole(words, words("unknown_title"), f"<p>{words('unknown_code')}</p>")


def hours(begin: str, end: str) -> dict[str, str]:
    """The quiet hours of the form's two lists; Problem 422 for what isn't in them."""
    for name, value in (("from", begin), ("until", end)):
        if _TIME.fullmatch(value) is None:
            raise Problem(
                422,
                "Not a time of the list",
                problems=[FieldProblem(name, "is not in the list", "as 22:00 or 22:30")],
            )
    return {"from": begin, "until": end}


def _name(words: Words, one: Mapping[str, Any]) -> str:
    # The county's own name of a subject is Chinese.
    return one["name"] if words.language == "zh" else words.plain(f"subject_{one['subject']}")


def _select(words: Words, name: str, now: str) -> str:
    times = _TIMES if now in ("", *_TIMES) else sorted([*_TIMES, now])
    options = "".join(f"<option{' selected' if t == now else ''}>{t}</option>" for t in times)
    none = f'<option value="">{words("quiet_none")}</option>'
    return f'<select name="{name}" aria-label="{words(f"quiet_{name}")}">{none}{options}</select>'
