"""The account's arithmetic and its table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.ledger.account import Figures, account, width

pytestmark = pytest.mark.unit


def test_both_sides_must_meet() -> None:
    assert Figures("a", 2, 10, 4, 8).balances
    assert not Figures("a", 2, 10, 4, 7).balances
    assert Figures("a", 2, 10, 4, 7, -1).balances


def test_the_table_shows_every_line_and_the_total() -> None:
    table = account(
        2026, "street", None, [("350921001", 0, 12, 5, 6, -1, 2), ("350921002", 1, 3, 4, 0, 0, 0)]
    ).table()
    assert table.splitlines() == [
        "2026年民生实事账本",
        "-" * 61,
        "街道       期初  本年入账  销账  冲正  结存  其中不满意  核对",
        "-" * 61,
        "350921001     0        12     5    -1     6           2    平",
        "350921002     1         3     4     0     0           0    平",
        "-" * 61,
        "合计          1        15     9    -1     6           2    平",
        "-" * 61,
        "期初 1 + 本年入账 15 − 销账 9 − 冲正 1 = 结存 6",
    ]


def test_a_wrong_line_is_shown_even_if_the_total_meets() -> None:
    found = account(2026, "unit", "350921001", [(None, 0, 2, 0, 1, 0, 0), ("unit-1", 0, 2, 0, 3, 0, 0)])
    assert found.total.balances
    assert not found.balances
    assert found.table().count("不平") == 4  # two lines, the total, and the sentence
    assert "（网格）" in found.table()
    assert found.document()["balances"] is False


def test_an_empty_year_balances() -> None:
    found = account(2031, "street", None, [])
    assert found.balances
    assert "期初 0 + 本年入账 0 − 销账 0 = 结存 0" in found.table()


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", categories=("Lu", "Lo", "Nd")), min_size=1, max_size=12),
            *[st.integers(0, 10**6)] * 6,
        ),
        max_size=6,
    )
)
def test_lines_are_aligned_whatever_the_names(rows: list[tuple[str, int, int, int, int, int, int]]) -> None:
    lines = account(2026, "unit", None, rows).table().splitlines()[1 : 1 + 6 + len(rows)]
    assert len({width(line) for line in lines}) == 1
