"""How agents ask the user: through one function, and what ends the run where there is no answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autogen_agentchat.agents import UserProxyAgent
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor._autogen.user_input import ask_through
from tests.agents import Agent
from tests.unit.autogen.checks import contents
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop


class _User:
    """Answers with the question; or raises."""

    def __init__(self, error: EOFError | None = None) -> None:
        self.error = error

    async def __call__(self, question: str) -> str:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return f"{question}?"


async def _own(_prompt: str, _token: CancellationToken | None) -> str:
    return "my own"


@pytest.mark.parametrize(
    ("by_default", "said"), [(True, "my own"), (False, "bob: Enter your response:?")]
)
async def test_an_agent_keeps_its_function_where_it_may(*, by_default: bool, said: str) -> None:
    """By default only AutoGen's own `input()` is replaced; in a chat every function is."""
    ann, bob = UserProxyAgent("ann"), UserProxyAgent("bob", input_func=_own)
    team = round_robin(Agent("cleo"), ann, bob, turns=3)
    ask_through(team, _User(), by_default=by_default)
    result = await team.run(task="go")
    assert contents(result) == ["go", "done", "ann: Enter your response:?", said]


async def test_a_question_without_a_token_is_answered() -> None:
    """AutoGen's type of such a function allows for none."""
    agent = UserProxyAgent("ann")
    ask_through(agent, _User())
    ask: Any = agent.input_func
    assert await ask(" go ", None) == "ann: go?"


async def test_the_end_of_the_input_is_the_run_s_own_error() -> None:
    """A run fails with the `EOFError` itself."""
    agent = UserProxyAgent("ann")
    ask_through(agent, _User(EOFError("no more")))
    async with Supervisor(signals={}) as sup:
        with pytest.raises(EOFError, match="no more"):
            await sup.stream(round_robin(agent, turns=1), "go")


async def test_without_a_supervisor_autogen_words_the_end_of_the_input() -> None:
    """There is no run that could fail with the error itself."""
    agent = UserProxyAgent("ann")
    ask_through(agent, _User(EOFError("no more")))
    with pytest.raises(RuntimeError, match="no more"):
        await agent.run(task="go")
