"""The public pages: server-rendered, without personal data; they work without scripts, on old phones too."""

from .account import account, mine, title
from .report import report

__all__ = ["account", "mine", "report", "title"]
