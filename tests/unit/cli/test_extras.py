"""What the extras bring."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.extras import require
from supervisor._cli.fleet.hinting import beside, hints_for, tell_workers


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


def test_a_module_that_lacks_another_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is there, but not what it needs, installing the extra is no advice."""
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        require("needs_more", "a test")


def test_a_store_without_a_queue_has_nobody_to_tell(tmp_path: Path) -> None:
    """Workers look into a store in a file by themselves."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    tell_workers(url, ["one"])
    assert beside(url, "one") == {}
    assert not any(tmp_path.iterdir())
