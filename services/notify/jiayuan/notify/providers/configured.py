"""What a provider's configuration says of our templates: under which id they are approved, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jiayuan.notify.states import Outcome
from jiayuan.notify.templates import approvals

from .base import Message


@dataclass(frozen=True, slots=True)
class Approved:
    """A template as a provider knows it: its id, and its parameters: the provider's name → ours, in its order.

    Without parameters, all of a message's go under their own names and in their own order.
    """

    id: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def named(self, given: Mapping[str, str]) -> dict[str, str]:
        """The values by the provider's names; KeyError names one that the message lacks."""
        if not self.parameters:
            return dict(given)
        return {theirs: given[ours] for theirs, ours in self.parameters.items()}


Templates = Mapping[str, Approved]
"""By `code`, `code@version`, and either with `+variant`, as `templates.approvals` has it."""


def approved(templates: Templates, message: Message) -> Approved | Outcome:
    """The message's template at a provider; without any configuration its name is taken for an id itself.

    content_refused, without a call, when there is none or the message lacks a parameter of it.
    """
    found: Approved | None
    if templates:
        ids = {key: key for key in templates}
        key = approvals.approved(ids, message.template, message.version, message.variant)
        found = templates[key] if key else None
    else:
        found = Approved(message.template) if message.template else None
    said = f"template {message.template}"
    if found is None:
        words = f"{said}: the provider has approved no version of it" if templates else "there is no template"
        return Outcome("content_refused", error=words, code="no_template")
    try:
        found.named(message.parameters)
    except KeyError as error:
        lacks = f"{said}: the message lacks {error.args[0]}"
        return Outcome("content_refused", error=lacks, code="no_parameter")
    return found
