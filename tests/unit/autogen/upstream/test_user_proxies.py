"""Contract tests: how a `UserProxyAgent` asks its user."""

from __future__ import annotations

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken

from supervisor._autogen import upstream


async def test_input_func_and_is_async_decide_how_it_asks() -> None:
    """`put_input` after the agent was made is the same as `input_func=` with a coroutine."""
    given: list[tuple[str, CancellationToken | None]] = []

    async def ask(prompt: str, token: CancellationToken | None) -> str:
        given.append((prompt, token))
        return "Because."

    def never(prompt: str) -> str:
        raise AssertionError(prompt)

    agent, token = UserProxyAgent("you", input_func=never), CancellationToken()
    assert not agent._is_async
    upstream.put_input(agent, ask)
    response = await agent.on_messages([TextMessage(content="Why?", source="ann")], token)
    assert isinstance(response.chat_message, TextMessage)
    assert response.chat_message.content == "Because."
    assert given == [("Enter your response: ", token)]


def test_input_func_is_cancellable_input_by_default() -> None:
    """Without a function, an agent has AutoGen's `cancellable_input` as its `input_func`."""
    assert upstream.asks_by_default(UserProxyAgent("user"))
    assert not upstream.asks_by_default(UserProxyAgent("user", input_func=input))
