"""Questions of a run's agents, at the command line."""

from __future__ import annotations

import pytest
from autogen_agentchat.agents import UserProxyAgent
from autogen_core import CancellationToken

from supervisor._cli.run import questions
from supervisor._cli.run.questions import Questions


async def test_a_question_that_nobody_announces_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An agent may ask without the event that is shown before, so that is not waited for long."""
    asked = list[str]()

    async def read_input(question: str) -> str:
        asked.append(question)
        return "yes"

    monkeypatch.setattr(questions, "_SHOWN_SECONDS", 0.0)
    monkeypatch.setattr(questions, "read_input", read_input)
    agent = UserProxyAgent("you")
    Questions().take_over(agent)
    assert await agent._get_input("Go on?", CancellationToken()) == "yes"
    assert "Go on?" in asked[0]
