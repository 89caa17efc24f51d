"""The URLs of stores, and the names of owners."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.urls import open_store
from supervisor.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "give sqlite:///runs.db"),
        ("runs.db", "give sqlite:///runs.db"),
        ("mysql://host/runs", "give sqlite:///runs.db"),
        ("sqlite://runs.db", "give sqlite:///runs.db"),
        ("sqlite:///", "name a file"),
        ("sqlite:////tmp/", "name a file"),
        ("sqlite:///:memory:", "what is in memory is lost"),
        ("sqlite:///runs.db?mode=ro", "it has no options"),
        ("sqlite:///a\0b", "it has no options"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, rule: str) -> None:
    """The error is about the setting, and says in one line what to give instead."""
    with pytest.raises(SettingsError, match=rf"checkpoints; .*{rule}") as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///runs.db", "sqlite:///~/runs.db", "sqlite:///{}/runs.db"]
)
def test_a_path_is_relative_absolute_or_below_the_home(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slashes begin a relative path, four an absolute one; a later chdir changes nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    store = open_store(url.format(tmp_path))
    assert [*tmp_path.iterdir()] == []
    monkeypatch.chdir("/")
    store.setup()
    store.close()
    assert (tmp_path / "runs.db").is_file()


def test_each_owner_has_a_name_of_its_own() -> None:
    """Two supervisors of one process have two names, which show where they are."""
    first, second = owner_name(), owner_name()
    assert first != second
    assert first.split("/")[2] == str(os.getpid())


def test_the_package_loads_no_driver() -> None:
    """`import supervisor`, and its store's protocol, load neither sqlite3 nor psycopg."""
    program = (
        "import sys, supervisor, supervisor.checkpoints\n"
        "print([name for name in ('sqlite3', 'psycopg', 'autogen_core') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        # Coverage.py, where it measures child processes, loads sqlite3 itself.
        env={name: it for name, it in os.environ.items() if not name.startswith("COVERAGE_")},
    )
    assert done.stdout.strip() == "[]"


def test_a_python_without_sqlite_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Pythons are built without sqlite3: then another Python has to be used."""
    monkeypatch.setitem(sys.modules, "supervisor._checkpoints.sqlite", None)
    with pytest.raises(SettingsError, match="use a Python that has sqlite3"):
        open_store("sqlite:///runs.db")


def test_without_proc_a_name_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the PID namespace cannot be read its place in the name has a plain word."""

    def missing(path: Path) -> Path:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "readlink", missing)
    assert f"/pid/{os.getpid()}/" in owner_name()


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra, and shows no password."""
    monkeypatch.setitem(sys.modules, "supervisor._checkpoints.postgres", None)
    with pytest.raises(SettingsError, match=r"install autogen-supervisor\[postgres\]") as caught:
        open_store("postgresql://user:secret@host/runs")
    assert "secret" not in str(caught.value)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    """A lone surrogate is no character that a file system could store."""
    with pytest.raises(SettingsError, match="name a file that can have this name"):
        open_store("sqlite:///\ud800.db")
