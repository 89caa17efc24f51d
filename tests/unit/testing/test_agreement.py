"""Any difference between a run's result and its team is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import ToolCallExecutionEvent

from supervisor.testing import ToolLog
from supervisor.testing._agreement import Agreement
from tests.unit.testing.teams import pair, round_robin, seeker

Change = Callable[[list[Any]], list[Any]]


async def test_a_run_of_autogens_own_agrees() -> None:
    """AutoGen's own results without a stop agree with the team, run after run."""
    team = round_robin(seeker(ToolLog()), turns=1)
    agreement = Agreement(team)
    for task in ("Begin", None):
        agreement.check(team, await team.run(task=task))


CHANGES: list[tuple[Change, str]] = [
    (lambda items: items[:-1], "holds what is not in the run's result: TextMessage of bob"),
    (lambda items: [*items[:-2], items[-1], items[-2]], "another order"),
    (lambda items: [*items, items[-1]], "another order|in the results twice"),
    (lambda items: items[1:], "holds what is not in the run's result: TextMessage of user"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
async def test_a_result_that_is_not_the_teams_is_found(change: Change, said: str) -> None:
    """A message that is missing, misplaced, or present twice is found."""
    team = pair()
    agreement = Agreement(team)
    result = await team.run(task="Begin")
    with pytest.raises(AssertionError, match=said):
        agreement.check(team, TaskResult(messages=change(list(result.messages))))


async def test_what_an_earlier_result_holds_is_found() -> None:
    """A message in two results is found."""
    team = pair()
    agreement = Agreement(team)
    first = await team.run(task="Begin")
    agreement.check(team, first)
    second = await team.run()
    with pytest.raises(AssertionError, match="in the results twice: TextMessage of bob"):
        agreement.check(team, TaskResult(messages=[first.messages[-1], *second.messages]))


async def test_a_call_without_an_answer_is_found() -> None:
    """A tool call without its answer in the result is found, even without a group chat."""
    agent = seeker(ToolLog())
    result = await agent.run(task="Begin")
    Agreement(agent).check(agent, result)
    left = [item for item in result.messages if not isinstance(item, ToolCallExecutionEvent)]
    with pytest.raises(AssertionError, match="calls of seeker without an answer"):
        Agreement(agent).check(agent, TaskResult(messages=left))


async def test_a_run_without_a_result_is_found() -> None:
    """A run that has ended without a result is found."""
    team = pair()
    with pytest.raises(AssertionError, match="has no result"):
        Agreement(team).check(team, None)
