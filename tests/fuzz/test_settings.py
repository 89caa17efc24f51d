"""Whatever a setting is given, it is taken or refused by a `SettingsError` of one line."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Ladder, Rung, Supervisor
from supervisor._checkpoints.urls import open_store
from supervisor.errors import SettingsError
from tests.fuzz.lengths import examples
from tests.fuzz.values import ANYTHING, TEXTS

_SIGNALS = st.dictionaries(
    st.sampled_from([*signal.Signals]) | st.integers(-1, 70) | st.floats() | TEXTS
    | st.sampled_from(["SIGTERM", "term", "int", "HUP"]),
    st.sampled_from([*Rung]) | st.sampled_from(["drain", "EXIT", "running"]) | ANYTHING,
    max_size=3,
)  # fmt: skip
_URLS = TEXTS | st.builds(
    str.__add__, st.sampled_from(["sqlite:///", "sqlite:////", "sqlite://", "file:"]), TEXTS
)
_SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "ladder": ANYTHING,
    "signals": _SIGNALS | ANYTHING,
    "exits": ANYTHING,
    "guard": ANYTHING,
    "ready_file": ANYTHING,
    "children": ANYTHING,
    "fast_path": ANYTHING,
    "interactive": ANYTHING,
    "checkpoints": _URLS | ANYTHING,
    "durability": ANYTHING,
    "lease": ANYTHING,
    "idempotent": ANYTHING,
}


@contextlib.contextmanager
def refused_in_one_line() -> Any:
    """Take a `SettingsError`, which tells in one line what is wrong."""
    try:
        yield
    except SettingsError as error:
        assert "\n" not in str(error)
        assert "; " in str(error)
        assert str(error).isprintable() or not str(error).isascii()


@examples(60)
@given(fields=st.dictionaries(st.sampled_from(["drain", "cancel", "abandon", "total"]), ANYTHING))
def test_seconds_of_a_ladder(fields: dict[str, Any]) -> None:
    """A ladder is made of seconds, or it is not made."""
    with refused_in_one_line():
        ladder = Ladder(**fields)
        seconds = [getattr(ladder, field.name) for field in dataclasses.fields(ladder)]
        assert all(isinstance(each, float) and each >= 0 for each in seconds)
        assert not math.isnan(ladder.budget(Rung.DRAIN))


@examples(60)
@given(value=TEXTS, ladder=st.sampled_from([Ladder(), Ladder(abandon=math.inf), Ladder(cancel=0)]))
def test_grace_of_the_environment(value: str, ladder: Ladder) -> None:
    """`SUPERVISOR_GRACE` is a number of seconds, "off", empty, or refused by its name."""
    with pytest.MonkeyPatch.context() as patch, refused_in_one_line():
        try:
            patch.setenv("SUPERVISOR_GRACE", value)
        except (UnicodeEncodeError, ValueError):  # no environment can have it
            return
        try:
            found = Supervisor(ladder=ladder).ladder
        except SettingsError as error:
            assert error.field == "SUPERVISOR_GRACE"
            raise
        assert not math.isnan(found.budget(Rung.DRAIN))


@examples(150)
@given(given_settings=st.lists(st.sampled_from([*_SETTINGS]), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _SETTINGS[name] for name in names})
))  # fmt: skip
def test_settings_of_a_supervisor(given_settings: dict[str, Any]) -> None:
    """A supervisor is built, or one of its settings is refused; nothing is opened or made."""
    with refused_in_one_line():
        Supervisor(**given_settings)


@examples(60)
@given(url=_URLS)
def test_urls_of_stores(url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL names a store, or is refused; nothing is made before it is used."""
    monkeypatch.chdir(tmp_path)
    with refused_in_one_line():
        open_store(url).close()
    assert not list(tmp_path.iterdir())
