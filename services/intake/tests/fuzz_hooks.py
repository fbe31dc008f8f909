"""For schemathesis: what files to send, since no schema says what a photo is."""

from __future__ import annotations

import sys
from pathlib import Path

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
