"""What a provider's configuration says of our templates: under which id they are approved, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jiayuan.notify.states import Outcome

from .base import Message


@dataclass(frozen=True, slots=True)
class Approved:
    """A template as a provider knows it: its id, and its parameters: the provider's name → ours, in its order.

    Without parameters, all of a message's go under their own names and in their own order.
    """

    id: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    page: str = ""
    """WeChat: the page that opens, in which `{name}` stands for a parameter."""

    def named(self, given: Mapping[str, str]) -> dict[str, str]:
        """The values by the provider's names; KeyError names one that the message lacks."""
        if not self.parameters:
            return dict(given)
        return {theirs: given[ours] for theirs, ours in self.parameters.items()}


def approved(templates: Mapping[str, Approved], message: Message) -> Approved | Outcome:
    """The message's template at a provider; one that the configuration doesn't name is taken for an id itself.

    content_refused, without a call, when there is none or the message lacks a parameter of it.
    """
    template = templates.get(message.template) or (Approved(message.template) if message.template else None)
    if template is None:
        return Outcome("content_refused", error="the message has no template", code="no_template")
    try:
        template.named(message.parameters)
    except KeyError as error:
        return Outcome(
            "content_refused",
            error=f"template {message.template}: the message lacks {error.args[0]}",
            code="no_parameter",
        )
    return template
