"""What is found where a program is started by its name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.program.main_module import MainModule

_MAINS: Final = ("__main__", "__mp_main__")


@pytest.fixture(autouse=True)
def _own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what Python sets up for a program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in _MAINS:
        monkeypatch.setitem(sys.modules, name, sys.modules["__main__"])


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


def test_what_comes_from_a_pool_is_of_the_program(tmp_path: Path) -> None:
    """Also where `multiprocessing` was imported before, which takes note of `__main__` then."""
    (tmp_path / "app.py").write_text("name = 'the program'", encoding="utf-8")
    MainModule("app.py", []).run()
    assert [sys.modules[name].name for name in _MAINS] == ["the program"] * 2


def test_where_nothing_needs_a_second_name_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under Python, until `multiprocessing` is imported."""
    monkeypatch.delitem(sys.modules, "__mp_main__")
    (tmp_path / "app.py").touch()
    MainModule("app.py", []).run()
    assert "__mp_main__" not in sys.modules
