"""Take a run at each boundary, and go on with it in a fresh team."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor.testing import ScriptedAgent, ScriptedModel
from supervisor.types import Runnable
from tests.unit.autogen.checkpoints.keeping import run_kept, words


def _round_robin() -> Runnable:
    members = [ScriptedAgent(name) for name in "abc"]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(7))


def _assistants() -> Runnable:
    members = [AssistantAgent(name, ScriptedModel()) for name in "ab"]
    return RoundRobinGroupChat(members, max_turns=5)


def _nested() -> Runnable:
    inner = RoundRobinGroupChat(
        [ScriptedAgent("x"), ScriptedAgent("y")],
        name="inner",
        termination_condition=MaxMessageTermination(4),
    )
    members = [ScriptedAgent("a"), inner, ScriptedAgent("b")]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(14))


TEAMS: dict[str, Callable[[], Runnable]] = {
    "round robin": _round_robin,
    "assistants": _assistants,
    "nested": _nested,
}


@pytest.mark.parametrize("kind", list(TEAMS))
async def test_goes_on_from_each_step_as_if_nothing_had_happened(kind: str) -> None:
    """A fresh team goes on with a run from each step, and its result is that of one run."""
    make = TEAMS[kind]
    whole = await run_kept(make())
    for step, shelf in enumerate(whole.shelves):
        found = await run_kept(make(), shelf=shelf)
        assert words(found.result.messages) == words(whole.result.messages), f"at step {step}"
        assert found.result.stop_reason == whole.result.stop_reason, f"at step {step}"
