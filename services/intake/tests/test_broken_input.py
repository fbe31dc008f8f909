"""The fuzz in short: the same broken inputs every time. `make fuzz` is the long form, with others every time."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit
RUNS = 250


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fuzzing = _load("fuzzing")


@pytest.mark.parametrize("target", fuzzing.targets(), ids=lambda t: t.name)
def test_broken_input_raises_nothing_that_nobody_expects(target: Any) -> None:
    count = fuzzing.fuzz(target, random.Random(f"2026 {target.name}"), RUNS)
    assert count == RUNS


def test_the_fuzz_sees_what_goes_wrong() -> None:
    def run(data: bytes) -> None:
        if len(data) % 2:
            raise KeyError("odd")

    target = fuzzing.Target("odd", (b"good",), run, (ValueError,))
    with pytest.raises(fuzzing.Failure, match="KeyError"):
        fuzzing.fuzz(target, random.Random(1), 1000)

    def hang(_data: bytes) -> None:
        while True:
            pass

    fuzzing.SECONDS = 0.2
    try:
        with pytest.raises(fuzzing.Failure, match="longer than"):
            fuzzing.one(fuzzing.Target("hang", (b"x",), hang, (Exception,)), b"x")
    finally:
        fuzzing.SECONDS = 10.0
