"""How an error of the user's code is shown."""

from __future__ import annotations

import pytest
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor._cli.user_code import show_traceback, summary
from supervisor.testing import ScriptedAgent


def _fail(*_: object) -> str:
    raise LookupError("in vain")


async def test_of_a_team_that_fails_the_agents_own_traceback_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """AutoGen raises another exception, whose text has it; the team's frames are not shown."""
    team = RoundRobinGroupChat([ScriptedAgent("ann", _fail)], max_turns=1)
    with pytest.raises(RuntimeError) as raised:
        await team.run(task="x")
    assert summary(raised.value) == "LookupError: in vain"
    show_traceback(raised.value)
    shown = capsys.readouterr().err
    assert "in _fail" in shown
    assert shown.count("Traceback (most recent call last)") == 1
    assert shown.endswith("LookupError: in vain\n")
