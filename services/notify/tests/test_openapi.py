"""The OpenAPI document is valid, up to date, and says of every operation what the service does."""

from __future__ import annotations

from jiayuan.chassis.testing.documents import DocumentTests
from jiayuan.notify.interface import document


class TestDocument(DocumentTests):
    """Of notify."""

    document = document
