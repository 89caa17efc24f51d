"""Agents that save themselves: asked, copied, and loaded again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent

from supervisor._autogen.checkpoints.agent_states import (
    AgentStates,
    own_copy,
    put_agent_state,
    saves_itself,
)
from supervisor._core.errors import CheckpointCorrupt
from supervisor._reports.log import reporter
from supervisor._reports.log_events import AGENT_STATE_SLOW
from supervisor.testing import ScriptedModel
from tests.agents import Agent


class _Saving(Agent):
    """An agent with a state of its own, which it gives away as it is."""

    def __init__(self, name: str = "a") -> None:
        super().__init__(name)
        self.notes: dict[str, Any] = {"n": [1]}

    async def save_state(self) -> Mapping[str, Any]:
        return self.notes

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.notes = {"n": list(state["n"])}


def test_state_comes_back() -> None:
    """What an agent saves is loaded into another one."""
    first, fresh = _Saving(), _Saving()
    first.notes["n"].append(2)
    state = AgentStates().take("a", first, is_open=False)
    asyncio.run(put_agent_state(fresh, state))
    assert fresh.notes == {"n": [1, 2]}


def test_agent_without_a_state_is_not_asked() -> None:
    """An agent that does not save itself has no state here, and is given none."""
    agent = AssistantAgent("a", ScriptedModel([]))
    assert not saves_itself(agent)
    asyncio.run(put_agent_state(agent, {"n": 1}))


def test_state_is_not_changed_with_the_agent() -> None:
    """What an agent changes after it was asked is not in what is written."""
    agent = _Saving()
    state = AgentStates().take("a", agent, is_open=False)
    agent.notes["n"].append(2)
    assert state == {"n": [1]}


def test_turn_that_would_be_undone_is_not_in_the_state() -> None:
    """An agent in such a turn has the state that it had before."""
    agent, states = _Saving(), AgentStates()
    before = states.take("a", agent, is_open=False)
    agent.notes["n"].append(2)
    states.note_acted({id(agent)})
    assert states.take("a", agent, is_open=True) is before
    assert states.take("a", agent, is_open=False) == {"n": [1, 2]}


def test_agent_is_asked_after_its_own_turns_only() -> None:
    """An agent whose turn it was not is not asked: to copy a large state takes time."""
    agent, states = _Saving(), AgentStates()
    before = states.take("a", agent, is_open=False)
    agent.notes["n"].append(2)
    assert states.take("a", agent, is_open=False) is before


def test_state_that_was_read_is_that_before_the_first_turn() -> None:
    """An agent that goes on, and is in its first turn, has the state that was read."""
    states = AgentStates()
    states.seed("a", {"n": [7]})
    assert states.take("a", _Saving(), is_open=True) == {"n": [7]}


def test_large_state_is_not_copied_at_once() -> None:
    """A state of millions of values is taken as it is: to copy it would hold the loop."""
    numbers = [0.5] * 1_000_000
    state = own_copy({"numbers": numbers, "small": [1]})
    assert state["numbers"] is numbers
    assert state == {"numbers": numbers, "small": [1]}


class _Failing(_Saving):
    async def save_state(self) -> Mapping[str, Any]:
        raise OSError("no disk")


class _Waiting(_Saving):
    async def save_state(self) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        return {}


class _NoJson(_Saving):
    async def save_state(self) -> Mapping[str, Any]:
        return {"seen": [{1, 2}]}


@pytest.mark.parametrize("cls", [_Failing, _Waiting, _NoJson])
def test_state_that_cannot_be_saved_is_logged_once(
    cls: type[_Saving], caplog: pytest.LogCaptureFixture
) -> None:
    """A `save_state` that raises, waits, or returns no JSON leaves what was kept; once logged."""
    states = AgentStates()
    agent = cls()
    states.seed("a", {"n": [7]})
    for _ in range(2):
        states.note_acted({id(agent)})
        assert states.take("a", agent, is_open=False) == {"n": [7]}
    assert reporter.flush(10)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


class _Slow(_Saving):
    async def save_state(self) -> Mapping[str, Any]:
        time.sleep(0.03)  # noqa: ASYNC251 - what is said of exactly that
        return {}


def test_slow_save_state_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A `save_state` that holds the loop for more than 20 ms is said once for each agent."""
    states = AgentStates()
    for name in ("a", "a", "b"):
        agent = _Slow(name)
        states.note_acted({id(agent)})
        states.take(name, agent, is_open=False)
    assert reporter.flush(10)
    assert [record.getMessage() for record in caplog.records] == [AGENT_STATE_SLOW.name] * 2


@pytest.mark.parametrize("state", [None, {}, {"n": 3}, "x", [1]])
def test_state_that_is_refused_is_corrupt(state: Any) -> None:
    """What an agent raises as it loads a state is CheckpointCorrupt, which names the agent."""
    with pytest.raises(CheckpointCorrupt, match="'a' refuses its state"):
        asyncio.run(put_agent_state(_Saving(), state, "r"))
