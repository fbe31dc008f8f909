"""The public pages: server-rendered, without personal data; they work without scripts, on old phones too."""

from .account import account, mine, title
from .common import answer, words_for
from .report import report

__all__ = ["account", "answer", "mine", "report", "title", "words_for"]
