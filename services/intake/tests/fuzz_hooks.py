"""For schemathesis: what files to send, since no schema says what a photo is."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import openpyxl
import schemathesis
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import pictures

schemathesis.openapi.media_type(
    "application/octet-stream",
    st.sampled_from(
        [
            pictures.picture(),
            pictures.picture("PNG"),
            pictures.picture("WEBP", size=(8, 8)),
            pictures.amr(),
            pictures.mp3(),
            pictures.wav(),
            pictures.m4a(),
            pictures.ogg(),
        ]
    ),
)

_book = io.BytesIO()
_sheet = openpyxl.Workbook()
_sheet.active.append(["编号", "内容"])
_sheet.active.append(["1", "东关社区停水"])
_sheet.save(_book)
schemathesis.openapi.media_type("text/csv", st.just("编号,内容\n1,西关社区停电\n".encode()))
schemathesis.openapi.media_type(
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", st.just(_book.getvalue())
)
