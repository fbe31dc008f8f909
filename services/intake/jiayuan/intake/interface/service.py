"""What every service of ours answers."""

from __future__ import annotations

from typing import Final

from .operation import Operation, Operations, one_of, text, told

Alive = told("Alive", "The process is alive.", status=one_of("alive"), service=text())
Ready = told("Ready", "The process does its work.", status=one_of("ready"), service=text())

OPERATIONS: Final[Operations] = {
    ("GET", "/healthz"): Operation("service", {200: Alive}),
    ("GET", "/readyz"): Operation("service", {200: Ready}),
    ("GET", "/metrics"): Operation(
        "service", {200: {"text/plain": {"schema": {"type": "string"}}}}, described="For Prometheus."
    ),
    ("GET", "/openapi.json"): Operation(
        "service", {200: {"application/json": {"schema": {"type": "object"}}}}
    ),
}
