"""A Swarm that has handed off to the user, and is stopped: its result, and how it goes on."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, TaskResult
from autogen_agentchat.conditions import HandoffTermination
from autogen_agentchat.messages import HandoffMessage, ToolCallExecutionEvent
from autogen_agentchat.teams import Swarm
from autogen_core.models import LLMMessage

from supervisor import Supervisor, UsageError
from supervisor._core.errors import HandedOff
from supervisor.testing import Said, ScriptedModel, answers_so_far, calls
from supervisor.testing._agreement import Agreement


def swarm() -> Swarm:
    """Make a Swarm in which ann hands off to bob, and bob to the user."""

    def member(name: str, to: str) -> AssistantAgent:
        def reply(messages: Sequence[LLMMessage]) -> Said:
            return f"{name}: thanks" if answers_so_far(messages) else calls(f"transfer_to_{to}")

        return AssistantAgent(name, ScriptedModel(reply), handoffs=[to])

    members: list[ChatAgent] = [member("ann", "bob"), member("bob", "user")]
    return Swarm(members, termination_condition=HandoffTermination("user"), max_turns=4)


async def _stopped_behind_handoff(team: Swarm) -> TaskResult:
    """Stop a Swarm as bob's handoff to the user is seen."""
    result: TaskResult | None = None
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "go")
        async for event in run:
            if isinstance(event, ToolCallExecutionEvent) and event.source == "bob":
                run.stop("Enough")
        assert run.has_taken_task
        result = run.result
    assert result is not None
    return result


async def test_the_result_shows_the_handoff() -> None:
    """The result holds the handoff, though it was not yielded before the stop."""
    team = swarm()
    agreement = Agreement(team)
    result = await _stopped_behind_handoff(team)
    agreement.check(team, result)
    assert result.stop_reason == "Enough"
    last = result.messages[-1]
    assert isinstance(last, HandoffMessage)
    assert (last.source, last.target) == ("bob", "user")


@pytest.mark.parametrize("task", [None, "and now?"])
async def test_it_does_not_go_on_by_itself(task: str | None) -> None:
    """Without a handoff from the user, an error says what to give, and nothing begins."""
    team = swarm()
    await _stopped_behind_handoff(team)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, task)
        with pytest.raises(HandedOff) as caught:
            await run
        assert isinstance(caught.value, (UsageError, ValueError))
        assert run.result is None
        assert not run.has_taken_task
    assert "handed off to 'user', who is no member of it; give it as its task" in str(caught.value)
    assert "HandoffMessage(source='user'" in str(caught.value)
    assert "'ann' or 'bob'" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_it_goes_on_with_a_handoff_from_the_user() -> None:
    """The agent goes on that the user hands off to: with or without a stop, and after a load."""
    team = swarm()
    agreement = Agreement(team)
    agreement.check(team, await _stopped_behind_handoff(team))
    state = await team.save_state()
    back = HandoffMessage(source="user", target="bob", content="Here you are.")
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team, back)
        agreement.check(team, result)
        assert [m.source for m in result.messages[:2]] == ["user", "bob"]
        loaded = swarm()
        await loaded.load_state(state)
        with pytest.raises(HandedOff):
            await sup.stream(loaded)
        result = await sup.stream(loaded, [back])
        assert [m.source for m in result.messages[:2]] == ["user", "bob"]
