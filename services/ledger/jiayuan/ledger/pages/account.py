"""The page of a public account, and the answer to "is my matter in it?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import orjson

from jiayuan.chassis.pages import Words, table, whole

_FIGURES: Final = ("opening", "entered", "written_off", "reversed", "open", "unsatisfied")


def title(words: Words, document: Mapping[str, Any]) -> str:
    """What the account is called."""
    street = document["street"]
    place = (
        words("county") if street is None else escape(document["names"].get("street", {}).get(street, street))
    )
    return words("title", place="{place}", year=document["year"]).replace("{place}", place)


def account(
    words: Words, name: str, document: Mapping[str, Any], files: Mapping[str, Any], entries: int
) -> str:
    """The page. `name`: of the publication, with its number; `document`: as it was published, without entries."""
    total = document["figures"]["total"]
    balance = {n: total[n] for n in ("opening", "entered", "written_off", "reversed", "open")}
    lang = words.language
    parts = [
        f"<p>{words('published', number=document['number'], at=document['at'][:10])}</p>",
        f"<p><b>{words('balance', **balance)}</b></p>",
        f"<h2>{words('mine')}</h2><p>{words('mine_say')}</p>",
        f'<form method="post" action="{name}/mine?lang={lang}"><label class="in">{words("code")} '
        '<input name="code" autocomplete="off" autocapitalize="characters" minlength="4" maxlength="40" required>'
        f"</label> <button>{words('ask')}</button></form>",
    ]
    for by in ("street", "unit"):
        names = document["names"].get(by, {})
        lines = [
            (
                words("grid") if line[by] is None else names.get(line[by], line[by]),
                *(line[f] for f in _FIGURES),
            )
            for line in document["figures"][f"{by}s"]
        ]
        lines.append((words("total"), *(total[f] for f in _FIGURES)))
        label = words("figures_by", by=words.plain(by))
        parts.append(f"<h2>{label}</h2>{table(label, [words(by), *(words(f) for f in _FIGURES)], lines)}")
    parts.append(f"<h2>{words('downloads')}</h2><p>{words('downloads_say', entries=entries)}</p><ul>")
    for form, file in files.items():
        digest = f"<br><small>{words('digest')} <code>{escape(file['digest'])}</code></small>"
        parts.append(f'<li><a href="{name}/file/{form}">{form.upper()}</a> {file["bytes"]} B{digest}</li>')
    parts.append(f'<li><a href="{name}/checkpoint">{words("checkpoint")}</a></li>')
    parts.append(f'<li><a href="{name}/proof">{words("proof")}</a></li></ul>')
    parts.append(_lists(words, document["lists"]))
    parts.append(_reports(words, document))
    return whole(words, title(words, document), "".join(parts))


def _lists(words: Words, found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return ""
    items = "".join(
        f"<li>{escape(one['quarter'])} {escape(one['community'] or one['street'])} {words(one['kind'])}："
        f"{words('lines', count=len(one['lines']))}{_titles(one['lines'])}</li>"
        for one in found
    )
    return f"<h2>{words('lists')}</h2><ul>{items}</ul>"


def _titles(lines: Sequence[Mapping[str, Any]]) -> str:
    named = [line["title"] for line in lines if line.get("title")]
    return "<br>" + "；".join(map(escape, named)) if named else ""


def _reports(words: Words, document: Mapping[str, Any]) -> str:
    year, street = document["year"], document["street"]
    query = f"?lang={words.language}&amp;by=" + (f"unit&amp;street={escape(street)}" if street else "street")
    links = [f'<a href="../reports/{year}/page{query}">{words("report_year")}</a>'] + [
        f'<a href="../reports/{year}Q{n}/page{query}">{words("report_quarter", quarter=n)}</a>'
        for n in range(1, 5)
    ]
    return f"<h2>{words('reports')}</h2><p>{' · '.join(links)}</p>"


def mine(
    words: Words, heading: str, name: str, matters: Sequence[Mapping[str, Any]] | None, keys: Sequence[str]
) -> str:
    """The answer to a tracking code; `matters` is None where nobody could look. Without script all is said as well."""
    back = f'<p><a href="../{name}?lang={words.language}">{words("back")}</a></p>'
    if not matters:
        said = words("away") if matters is None else words("not_found")
        return whole(words, heading, f"<p>{said}</p>{back}", switch=None)
    parts = []
    proofs = [proof for m in matters for proof in m["proofs"]]
    published = [m["published"] for m in matters if m["published"] is not None]
    if published:
        parts.append(f"<p>{words('found')}</p>")
        headings = [words(k) for k in ("line_ref", "line_state", "line_opened", "line_written_off")]
        rows = [
            (p["ref"], words(f"state_{p['state']}"), p["opened_on"], p["written_off_on"]) for p in published
        ]
        parts.append(table(words("matters"), headings, rows))
        verdicts = {k: words.plain(k) for k in ("checking", "unchecked", "unsigned", "broken")} | {
            "holds": words.plain("holds", count=len(proofs))
        }
        # A block of data, which no policy has to let run; `<` can't end it.
        data = (
            orjson.dumps({"proofs": proofs, "keys": list(keys), "words": verdicts})
            .decode()
            .replace("<", "\\u003c")
        )
        parts.append(f'<p id="verdict" role="status">{words("no_script")}</p>')
        parts.append(f'<script type="application/json" id="proofs">{data}</script>')
        parts.append(
            f"<p>{words('trust')}<br>" + "<br>".join(f"<code>{escape(k)}</code>" for k in keys) + "</p>"
        )
        parts.append(f"<h2>{words('proofs')}</h2>")
        parts += [f"<pre>{escape(orjson.dumps(proof).decode())}</pre>" for proof in proofs]
    if len(published) < len(matters):
        parts.append(f"<p>{words('found_later')}</p>")
    script = "../../verify.js" if published else ""
    return whole(words, heading, "".join(parts) + back, switch=None, script=script)
