"""Model contexts of the user's that write their state in their own way, in a run that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from pydantic import TypeAdapter

from supervisor import Supervisor
from supervisor._autogen.checkpoints.calls.recalled import OPEN_CALL
from supervisor._reports.log import reporter
from supervisor._reports.log_events import AGENT_STATE_NOT_KEPT
from supervisor.errors import CheckpointCorrupt
from supervisor.testing import ScriptedModel, calls, check_transcript
from tests.agents import Gate
from tests.unit.autogen.checkpoints.keeping import run_kept, words
from tests.unit.autogen.checks import who

pytestmark = pytest.mark.one_loop

_MESSAGES: TypeAdapter[list[LLMMessage]] = TypeAdapter(list[LLMMessage])


class Own(ChatCompletionContext):
    """Keeps its messages where nobody else looks."""

    def __init__(self) -> None:
        super().__init__()
        self.held = list[LLMMessage]()

    async def add_message(self, message: LLMMessage) -> None:
        """Add one."""
        self.held = [*self.held, message]

    async def get_messages(self) -> list[LLMMessage]:
        """Return all."""
        return list(self.held)

    async def save_state(self) -> Mapping[str, Any]:
        """Return them as data."""
        return {"held": _MESSAGES.dump_python(self.held, mode="json")}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self.held = _MESSAGES.validate_python(state["held"])


class Refusing(Own):
    """Takes no state."""

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Refuse it."""
        raise ValueError("of another version")


def _team(context: type[Own] = Own) -> RoundRobinGroupChat:
    agents: list[Any] = [
        AssistantAgent(name, ScriptedModel(), model_context=context()) for name in "ab"
    ]
    return RoundRobinGroupChat(agents, max_turns=5)


async def test_a_run_goes_on_with_what_its_contexts_have_written() -> None:
    """From each step, the models are given what they would have been given without a break."""
    whole = await run_kept(_team())
    for stored in whole.after_steps:
        found = await run_kept(_team(), stored=stored)
        assert words(found.result.messages) == words(whole.result.messages)


async def test_a_context_that_refuses_its_state_is_named() -> None:
    """What it raises is said with the name of the context; the state may be of another version."""
    whole = await run_kept(_team())
    with pytest.raises(CheckpointCorrupt, match="the model context 'a/model_context' refuses"):
        await run_kept(_team(Refusing), stored=whole.after_steps[2])


class Unsaved(Own):
    """Cannot be saved."""

    async def save_state(self) -> Mapping[str, Any]:
        """Refuse."""
        raise OSError("its service does not answer")


async def test_a_context_that_cannot_be_saved_is_as_the_program_made_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run goes on without what it has held, which was logged."""
    whole = await run_kept(_team(Unsaved))
    team = _team(Unsaved)
    found = await run_kept(team, stored=whole.after_steps[2])
    assert who(found.result) == who(whole.result)
    assert await asyncio.to_thread(reporter.flush, 5)
    assert AGENT_STATE_NOT_KEPT.name in caplog.messages


async def test_an_open_call_is_closed_in_such_a_context(tmp_path: Path) -> None:
    """A turn that was interrupted in a tool is kept, for it cannot be undone there."""
    gate, url = Gate(), f"sqlite:///{tmp_path}/runs.db"

    def make() -> tuple[RoundRobinGroupChat, Own]:
        context, model = Own(), ScriptedModel([calls("wait"), "Done."])
        ann = AssistantAgent("ann", model, tools=[gate.wait], model_context=context)
        return RoundRobinGroupChat([ann], max_turns=1), context

    team, _ = make()
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(team, "go", id="it")
        reading = asyncio.ensure_future(run)
        await gate.is_entered.wait()
        run.stop()
        await reading
    team, context = make()
    async with Supervisor(checkpoints=url) as sup:
        await sup.stream(team, id="it")
    check_transcript(context.held)
    [closed] = [item for item in context.held if isinstance(item, FunctionExecutionResultMessage)]
    assert closed.content[0].content == OPEN_CALL
    assert gate.entered == 1


class Renewing(AssistantAgent):
    """An agent that makes another context as it loads its state."""

    async def save_state(self) -> Mapping[str, Any]:
        """Save it as ever."""
        return await super().save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Make it."""
        self._model_context = UnboundedChatCompletionContext()
        await super().load_state(state)


async def test_an_open_call_is_closed_in_a_context_that_was_made_meanwhile(tmp_path: Path) -> None:
    """What an agent's own state has brought back is repaired like what we have."""
    gate = Gate()

    def make() -> tuple[RoundRobinGroupChat, AssistantAgent]:
        ann = Renewing("ann", ScriptedModel([calls("wait"), "Done."]), tools=[gate.wait])
        return RoundRobinGroupChat([ann], max_turns=1), ann

    async with Supervisor(checkpoints=f"sqlite:///{tmp_path}/runs.db") as sup:
        run = sup.stream(make()[0], "go", id="it")
        reading = asyncio.ensure_future(run)
        await gate.is_entered.wait()
        run.stop()
        await reading
        team, ann = make()
        await sup.stream(team, id="it")
    messages = await ann.model_context.get_messages()
    check_transcript(messages)
    assert [type(item).__name__ for item in messages].count("FunctionExecutionResultMessage") == 1
    assert gate.entered == 1
