"""Texts of any kind, in columns that do not take all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor._checkpoints.rows import from_column, to_column

_TEXT = st.text(st.characters() | st.sampled_from("\\u0\0\ud800d"))


@given(text=_TEXT)
def test_a_text_comes_back_from_its_column(text: str) -> None:
    """What a column has is valid UTF-8 without NUL, and means this text alone."""
    column = to_column(text)
    assert from_column(column) == text
    assert "\0" not in column
    column.encode()


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\")))
def test_an_ordinary_text_stays_readable(text: str) -> None:
    """Whoever looks into the database finds names as they are."""
    assert to_column(text) == text
