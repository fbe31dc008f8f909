"""`jiayuan notify …`: who is told what and why, what became of it, and what people wish."""

from __future__ import annotations

import os

import click

from jiayuan.chassis.errors import StartError

from .. import own
from .explain import explain
from .operating import COMMANDS as OPERATING
from .preferences import preferences
from .preview import preview
from .reconciliation import reconciliation
from .statistics import COMMANDS as STATISTICS
from .status import status
from .trying import try_


@click.group()
def notify() -> None:
    """Notices 通知.

    When something is wrong 出了问题: `providers` and `alarms` say how sending stands, `status` what became of notices,
    `stop` and `start` keep a provider, a channel or a template from sending, `resend` sends a notice again by the ID
    that `status` ends its line with.
    """
    try:
        own.use(next((os.environ[name] for name in own.SETTINGS if os.environ.get(name)), ""))
    except StartError as error:
        raise click.ClickException(str(error)) from None


for _command in (status, explain, preview, preferences, reconciliation, try_, *OPERATING, *STATISTICS):
    notify.add_command(_command)

COMMANDS: list[click.Command] = [notify]
