"""What the extras bring."""

from __future__ import annotations

import sys

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.extras import require
from supervisor._cli.fleet.hinting import hints_for


def test_a_module_that_is_there_is_imported() -> None:
    """`require` gives the module."""
    assert require("json.decoder", "a test") is sys.modules["json.decoder"]


def test_a_missing_module_is_one_line_that_names_the_extra() -> None:
    """Without the extra, the error says what to install."""
    with pytest.raises(CommandError) as caught:
        require("no_such_package.part", "chat")
    assert "chat needs no_such_package" in str(caught.value)
    assert "autogen-supervisor[cli]" in str(caught.value)
    with pytest.raises(CommandError, match=r"autogen-supervisor\[fleet\]"):
        require("no_such_package", "work", "fleet")


def test_a_fleet_without_its_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`work`, `submit` and `retry` need what the extra `fleet` brings, where there is a queue."""
    monkeypatch.setitem(sys.modules, "pgqueuer", None)
    line = "work with PostgreSQL needs pgqueuer, which is not installed here"
    with pytest.raises(CommandError, match=line):
        hints_for("work")
