"""The page of a report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from jiayuan.chassis.pages import Words, table, whole

from ..closing import Period
from ..reports import EXCLUDED, FIGURES, RATES

_COLUMNS = (*FIGURES, *RATES)


def report(words: Words, period: Period, document: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The page: a line each with last year's figure in brackets; `names` of the lines' codes where they are known."""
    said = (
        words("period_quarter", year=period.year, quarter=period.quarter)
        if period.quarter
        else words("period_year", year=period.year)
    )
    heading = words("report_title", period="{}").replace("{}", said)
    rows = [_row(words, line, names) for line in document["lines"]]
    rows.append((words("total"), *_row(words, document["total"], {})[1:]))
    headings = [words(document["by"]), *(_heading(words, f) for f in _COLUMNS)]
    street = f"&amp;street={escape(document['street'])}" if document["street"] else ""
    links = " · ".join(
        f'<a href="?lang={words.language}&amp;by={by}{street}">{words(by)}</a>'
        for by in ("street", "unit", "category")
    )
    files = " · ".join(
        f'<a href="../{period}?by={document["by"]}{street}&amp;format={form}">{form.upper()}</a>'
        for form in ("json", "csv", "xlsx")
    )
    zh = words.language == "zh"
    how = "".join(
        f"<li>{_heading(words, f)}: {escape(f.formula if zh else f.counted)}</li>" for f in _COLUMNS
    )
    left_out = "".join(f"<li>{escape(text)}</li>" for text in EXCLUDED[words.language])
    body = (
        f"<p>{words('until', at=document['until'][:10])}</p><p>{links}</p>"
        f"{table(heading, headings, rows)}<p>{files}</p>"
        f"<h2>{words('how')}</h2><ul>{how}</ul><h2>{words('excluded')}</h2><ul>{left_out}</ul>"
    )
    return whole(words, heading, body, switch=f"&amp;by={document['by']}{street}")


def _heading(words: Words, figure: Any) -> str:
    return escape(figure.heading if words.language == "zh" else figure.english)


def _row(words: Words, line: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Any, ...]:
    key = words("grid") if line["key"] is None else names.get(line["key"], line["key"])

    def shown(value: Any) -> str:
        return "–" if value is None else str(value)

    return key, *(f"{shown(line[f.name])}（{shown(line['last_year'][f.name])}）" for f in _COLUMNS)
