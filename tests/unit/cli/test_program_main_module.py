"""What is found where a program is started by its name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.program.main_module import MainModule


@pytest.fixture(autouse=True)
def _own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what Python sets up for a program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def test_a_module_of_c_code_cannot_be_run() -> None:
    """It has no Python code."""
    with pytest.raises(CommandError, match="there is no Python code in it"):
        MainModule("time", [], is_module=True).run()


def test_a_module_that_was_made_by_hand_cannot_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is imported already, and nobody knows from where."""
    monkeypatch.setitem(sys.modules, "made_by_hand", ModuleType("made_by_hand"))
    with pytest.raises(CommandError, match="cannot run -m made_by_hand"):
        MainModule("made_by_hand", [], is_module=True)


def test_a_package_that_lacks_a_module_says_which(tmp_path: Path) -> None:
    """What its `__init__` imports is missing, and not the program."""
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "__init__.py").write_text("import no_such_module", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        MainModule("lacking.part", [], is_module=True)
