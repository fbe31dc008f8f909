"""The registry of channels: every channel has an adapter, every adapter a page that says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.contracts.schemas.common import CHANNELS
from jiayuan.intake import schemas
from jiayuan.intake.channels import claims, field
from jiayuan.intake.channels.adapter import Adapter, adapters
from jiayuan.intake.channels.claims import ANYBODY, check_claim
from jiayuan.intake.service import IntakeService

pytestmark = pytest.mark.unit

PAGES = Path(__file__).resolve().parents[4] / "docs" / "channels"
# Pages of what reports of every channel have: none of them takes one in.
SHARED = {"media", "places", "privacy"}
ROLES = {*tokens.ROLES, "partners", "operators"}


def test_every_channel_has_an_adapter_and_no_adapter_a_channel_that_is_not() -> None:
    assert {c for a in adapters() for c in a.channels} == set(CHANNELS)


@pytest.mark.parametrize("adapter", adapters(), ids=lambda a: a.name)
def test_an_adapter_has_a_page_that_begins_with_what_the_code_says(adapter: Adapter) -> None:
    page = (PAGES / f"{adapter.name}.md").read_text(encoding="utf-8")
    assert page.startswith(adapter.block())
    assert len(page) > len(adapter.block()) + 300, "the page says nothing more"
    assert "```" in page, "the page has no example"
    assert set(adapter.roles) <= ROLES


def test_every_page_is_that_of_an_adapter_or_of_what_adapters_share() -> None:
    assert {p.stem for p in PAGES.glob("*.md")} - {a.name for a in adapters()} == SHARED


@pytest.mark.parametrize("adapter", adapters(), ids=lambda a: a.name)
def test_an_adapter_names_its_entrypoints_with_their_roles(adapter: Adapter) -> None:
    entrypoints = {
        f"{e.method} {e.url}": e
        for name in dir(IntakeService)
        for e in getattr(getattr(IntakeService, name), "nameko_entrypoints", ())
        if hasattr(e, "url")
    }
    for way in adapter.ways:
        if way.startswith(("GET ", "POST ")) and adapter.roles != ANYBODY and way in entrypoints:
            assert set(entrypoints[way].roles) == set(adapter.roles), way
        elif way.startswith(("GET ", "POST ")):
            # A path may end in the form of its answer.
            assert any(known == way or known.startswith(f"{way}.<") for known in entrypoints), way


def test_what_may_be_claimed_is_on_the_pages() -> None:
    for name, said in (("reports", claims.CLAIMS), ("field", field.CLAIMS)):
        page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        for channel, roles in said.items():
            who = ", ".join(f"`{r}`" for r in roles) or "anybody"
            assert f"| `{channel}` | {who} |\n" in page
    assert set(claims.CLAIMS) == set(schemas.HTTP_CHANNELS)
    assert set(field.CLAIMS) == set(schemas.Walk().fields["channel"].validators[0].choices)


CITIZEN = Principal("p1", ("citizen",))


@pytest.mark.parametrize("who", [None, CITIZEN, Principal("u", ("unit_clerk",))])
def test_a_citizen_speaks_for_the_mini_program_only(who: Principal | None) -> None:
    for channel in CHANNELS:
        if channel == claims.DEFAULT:
            check_claim(who, channel, claims.CLAIMS)
            continue
        with pytest.raises(Problem) as refused:
            check_claim(who, channel, claims.CLAIMS)
        assert refused.value.status == 403
        (problem,) = refused.value.problems
        assert (problem.field, problem.allowed) == ("channel", "one of mini_program")


@pytest.mark.parametrize("role", tokens.ROLES)
def test_a_role_claims_what_it_answers_for(role: str) -> None:
    for channel in schemas.HTTP_CHANNELS:
        allowed = claims.CLAIMS[channel] == ANYBODY or role in claims.CLAIMS[channel]
        try:
            check_claim(Principal("x", (role,)), channel, claims.CLAIMS)
        except Problem:
            assert not allowed
        else:
            assert allowed
