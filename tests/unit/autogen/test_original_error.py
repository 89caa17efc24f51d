"""What an agent has raised, from what its team raises; AutoGen's text has to be as it is read."""

from __future__ import annotations

import logging

import pytest
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor._autogen import log_filter
from supervisor._autogen.original_error import OriginalError, original_error
from supervisor._autogen.upstream import HANDLER_ERROR
from supervisor.testing import ScriptedAgent


class _Missing(LookupError):
    pass


@pytest.mark.parametrize("teams", [1, 2, 3])
@pytest.mark.parametrize(
    "raised", [_Missing("no widget: none\nat all"), RuntimeError("ValueError: it says"), _Missing()]
)
async def test_a_team_tells_what_its_agent_has_raised(raised: Exception, teams: int) -> None:
    """Class, message and traceback are the agent's, in a team and in teams inside teams."""
    team: RoundRobinGroupChat | ScriptedAgent = ScriptedAgent("ann", [raised])
    for number in range(teams):
        team = RoundRobinGroupChat([team], name=f"team{number}", max_turns=1)
    with pytest.raises(RuntimeError) as found:
        await team.run(task="Go")
    said = original_error(found.value)
    assert (said.type, said.message) == (type(raised).__name__, str(raised))
    lines = said.traceback.strip().split("\n")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines.count(lines[0]) == 1
    assert said.traceback.strip().endswith(str(raised).partition("\n")[2] or str(raised))


@pytest.mark.parametrize("error", [KeyError("one"), RuntimeError("two"), RuntimeError()])
def test_any_other_exception_tells_of_itself(error: Exception) -> None:
    """It has its own traceback."""
    assert original_error(error) == OriginalError(type(error).__name__, str(error))


def test_the_record_of_a_raised_error_is_for_those_who_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AutoGen's record is dropped where logging is not configured, and all others pass."""
    logger = logging.getLogger("autogen_core_of_test")
    logger.propagate = False
    monkeypatch.setattr(log_filter, "logger", logger)
    log_filter.leave_errors_to_caller()
    records = [
        logging.LogRecord("autogen_core", logging.ERROR, "", 0, said, None, None)
        for said in (f"{HANDLER_ERROR} for ann", "anything else")
    ]
    assert [bool(logger.filter(record)) for record in records] == [False, True]
    logger.addHandler(logging.NullHandler())
    assert all(map(logger.filter, records))


def test_a_record_from_outside_of_any_run_passes() -> None:
    """While a run is being stopped, other teams log their errors."""
    record = logging.LogRecord("autogen_core", logging.ERROR, "", 0, HANDLER_ERROR, None, None)
    assert log_filter.CancelledHandlers(HANDLER_ERROR).filter(record)


def test_an_exception_that_cannot_say_anything_is_told_of() -> None:
    """As in Python's tracebacks, where its `__str__` raises."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise LookupError

    assert original_error(Mute()) == OriginalError("Mute", "<exception str() failed>")
