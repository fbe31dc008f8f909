"""Files by the command line: `jiayuan import`. The command itself is in `cli`, the reading in `files`."""

from __future__ import annotations

from typing import Final

from .adapter import Adapter

ADAPTER: Final = Adapter(
    name="files",
    title="Files 文件導入",
    channels=("file_import", "suggestion_box", "contact_point", "meeting"),
    ways=(
        "jiayuan import FILE",
        "jiayuan import FILE --mapping MAPPING",
        "jiayuan import SHEET --answer ANSWER",
    ),
    roles=("operators",),
    trusts="the operator, and the file for channel, source and times; no line is later than now",
    key="`source_system` and the line's own number (编号), else the file's digest and the line's place in it",
    wrong="the line's number, column, problem and what is allowed, on the terminal and in `FILE.errors.csv`; "
    "the other lines go in",
)
