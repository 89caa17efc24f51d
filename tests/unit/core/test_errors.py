"""The errors: their sentences, their facts, and that both survive a trip between processes."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from signal import Signals

import pytest

from supervisor._core.errors import (
    HandedOff,
    Quarantined,
    SettingsError,
    Stopped,
    SupervisorError,
    UsageError,
)
from supervisor._core.events import Rung, StopRequest

REQUEST = StopRequest(reason="SIGTERM", rung=Rung.DRAIN, signal=Signals.SIGTERM)

ERRORS = [
    SettingsError("drain", "give a number of seconds", -1),
    UsageError("this Supervisor was entered twice; make a new one for each block"),
    Quarantined("writers", ["ann", "bob"], "running the tool 'lookup'", 3.0),
    Stopped(REQUEST),
    Stopped(),
]
_IDS = ["settings", "usage", "quarantined", "stopped", "stopped for no reason"]

each_error = pytest.mark.parametrize("error", ERRORS, ids=_IDS)


def through_pickle(error: BaseException) -> BaseException:
    """Return an error as it arrives in another process."""
    arrived: BaseException = pickle.loads(pickle.dumps(error))
    return arrived


@each_error
@pytest.mark.parametrize("trip", [through_pickle, copy.copy, copy.deepcopy])
def test_error_survives(
    error: BaseException, trip: Callable[[BaseException], BaseException]
) -> None:
    """An error that was pickled or copied has its class, sentence, facts and notes."""
    error = copy.copy(error)
    error.add_note("while saving")

    arrived = trip(error)

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


@each_error
def test_sentence_says_what_to_do(error: BaseException) -> None:
    """Each sentence says what is wrong and, after the semicolon, what to do instead."""
    wrong, instead = str(error).split("; ")

    assert wrong
    assert instead


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (SettingsError, ValueError),
        (UsageError, RuntimeError),
        (HandedOff, UsageError),
        (HandedOff, ValueError),
        (Quarantined, Exception),
    ],
)
def test_tree(error: type[Exception], also: type[Exception]) -> None:
    """One root catches every error, and the builtin that is nearest catches its own."""
    assert issubclass(error, SupervisorError)
    assert issubclass(error, also)


def test_stopped_is_a_cancellation_only() -> None:
    """`except Exception` does not catch Stopped, so that a loop over jobs ends."""
    assert issubclass(Stopped, asyncio.CancelledError)
    assert not issubclass(Stopped, Exception)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        ("abc", "'abc'"),
        (Signals.SIGKILL, "SIGKILL"),
        (Rung.RUNNING, "RUNNING"),
    ],
)
def test_settings_error(value: object, shown: str) -> None:
    """A SettingsError names the value as the user knows it, the field and the rule."""
    error = SettingsError("field", "do this", value)

    assert str(error) == f"{shown} is not valid for field; do this"
    assert (error.field, error.rule, error.value) == ("field", "do this", value)


def test_settings_error_stays_short() -> None:
    """A SettingsError does not repeat a huge value."""
    assert len(str(SettingsError("field", "do this", list(range(10_000))))) < 200


def test_settings_error_names_what_has_no_text() -> None:
    """An int of thousands of digits has no text in Python, and is told by its type."""
    assert str(SettingsError("field", "do this", 10**10_000)).startswith("this int is not valid")


def test_quarantined() -> None:
    """A Quarantined error names the team, who refused to end, at what and for how long."""
    error = Quarantined("writers", (name for name in ("ann", "bob")), "running 'lookup'", 3.04159)

    assert str(error) == (
        "the team 'writers' is quarantined: 'ann', 'bob' refused to end, still running 'lookup' "
        "after 3.04 s; build a new team, and let what it waits for be cancelled"
    )
    assert error.team == "writers"
    assert error.agents == ("ann", "bob")
    assert error.doing == "running 'lookup'"
    assert error.seconds == 3.04159


def test_quarantined_by_somebody() -> None:
    """A Quarantined error is a sentence also where no agent could be named."""
    assert "an agent refused to end" in str(Quarantined("writers", [], "at work", 3.0))


def test_stopped_gives_the_reason() -> None:
    """A Stopped error gives the reason of the stop where it is known."""
    assert Stopped(REQUEST).request is REQUEST
    assert "(SIGTERM)" in str(Stopped(REQUEST))
    assert Stopped().request is None
    assert "(" not in str(Stopped())


def test_stopped_reaches_who_awaits_the_task() -> None:
    """A task that ends with Stopped is cancelled, and hands on the very error once."""

    async def refuse() -> None:
        raise Stopped(REQUEST)

    async def main() -> None:
        task = asyncio.create_task(refuse())
        with pytest.raises(Stopped) as caught:
            await task
        assert caught.value.request is REQUEST
        assert task.cancelled()

    asyncio.run(main())
