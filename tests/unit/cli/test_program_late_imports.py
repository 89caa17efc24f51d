"""Functions that are called as soon as a module was imported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor._cli.program.late_imports import LateImports


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of modules, which are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_it_is_called_once_after_the_import(folder: Path) -> None:
    """When the module has all its names; and its loader is as it would be without us."""
    _write(folder, late_one="name = 'there'")
    seen: list[str] = []
    LateImports({"late_one": lambda: seen.append(sys.modules["late_one"].name)}).install()
    module = importlib.import_module("late_one")
    assert seen == ["there"]
    assert "exec_module" not in vars(module.__loader__)
    del sys.modules["late_one"]
    importlib.import_module("late_one")
    assert seen == ["there"]


def test_what_was_found_and_not_imported_calls_nothing(folder: Path) -> None:
    """A program may look for a module first, and run its code by itself later."""
    _write(folder, late_found="")
    seen: list[str] = []
    LateImports({"late_found": lambda: seen.append("called")}).install()
    spec = importlib.util.find_spec("late_found")
    assert spec is not None
    assert spec.loader is not None
    assert seen == []
    importlib.import_module("late_found")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert seen == ["called"]


def test_one_that_is_there_already_is_called_at_once(folder: Path) -> None:
    """The program finds it as it would have left it."""
    _write(folder, late_two="")
    importlib.import_module("late_two")
    seen: list[str] = []
    LateImports({"late_two": lambda: seen.append("called")}).install()
    assert seen == ["called"]


def test_a_call_waits_for_the_import_around_it(folder: Path) -> None:
    """Two modules of the table that import each other are both there."""
    _write(folder, late_outer="import late_inner\nname = 'there'", late_inner="")
    seen: list[str] = []
    LateImports(
        {
            "late_outer": lambda: seen.append("outer"),
            "late_inner": lambda: seen.append(sys.modules["late_outer"].name),
        }
    ).install()
    importlib.import_module("late_outer")
    assert seen == ["there", "outer"]


def test_an_import_that_fails_calls_nothing(folder: Path) -> None:
    """It raises what it raises; the next one, which works, calls."""
    _write(folder, late_broken="1 / 0")
    seen: list[str] = []
    LateImports({"late_broken": lambda: seen.append("called")}).install()
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("late_broken")
    assert seen == []
    _write(folder, late_broken="name = 'repaired, and of another length'")
    importlib.invalidate_caches()
    importlib.import_module("late_broken")
    assert seen == ["called"]


def test_what_is_not_there_is_not_found(folder: Path) -> None:
    """The error is Python's."""
    LateImports({"late_missing": lambda: None}).install()
    with pytest.raises(ModuleNotFoundError, match="late_missing"):
        importlib.import_module("late_missing")


def test_a_folder_without_code_calls_nothing(folder: Path) -> None:
    """A namespace package has nothing to run, so there is nothing to wait for."""
    (folder / "late_space").mkdir()
    seen: list[str] = []
    LateImports({"late_space": lambda: seen.append("called")}).install()
    assert importlib.import_module("late_space").__path__
    assert seen == []
