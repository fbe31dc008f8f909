"""The one error of everything that reads photos and voice notes."""

from __future__ import annotations


class BadMedia(ValueError):
    """A file that can't be kept: what is wrong with it, and what is allowed."""

    def __init__(self, problem: str, allowed: str = "") -> None:
        self.problem, self.allowed = problem, allowed
        super().__init__(f"{problem} ({allowed})" if allowed else problem)
