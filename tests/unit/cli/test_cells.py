"""How many cells a text takes."""

from __future__ import annotations

import sys

import pytest

from supervisor._cli.output.cells import cut, width_of


@pytest.mark.parametrize("has_rich", [True, False])
def test_a_character_takes_two_cells_one_or_none(
    has_rich: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CJK takes two, a combining accent none; rich knows that, and so do we without it."""
    if not has_rich:
        monkeypatch.setitem(sys.modules, "rich.cells", None)
    assert width_of("漢字") == 4
    assert width_of("ﾊﾝ") == 2
    assert width_of("e\u0301a") == 2
    assert cut("漢字漢字", 5) == "漢字…"
