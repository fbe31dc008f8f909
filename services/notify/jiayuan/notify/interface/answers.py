"""Answers that several operations share."""

from __future__ import annotations

from jiayuan.chassis.operation import again, problem

Problem = problem(**again())
