"""The teams that the examples stop: ordinary AutoGen, except for the model.

`ScriptedModel` streams the answers of a script, word by word. It needs no key, no network and no
weights, and behaves as a model client should.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, ToolCallRequestEvent
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage

from supervisor.testing import Said, ScriptedModel, answers_so_far, calls

_VERSE = (
    "The sea is wide, the sea is grey, it takes the shore and gives it back, and what it took "
    "it will not say, for every tide has lost its track."
)
_REMARK = (
    "I like the tide that lost its track. The grey is used up, though: could the sea be of some "
    "other colour, or of none at all, this once?"
)


def model(*answers: Said, seconds: float) -> ScriptedModel:
    """Make a model that gives its answers in turn, and starts over after the last.

    Args:
        answers: Its answers: texts and tool calls.
        seconds: Seconds for each word.
    """

    def answer(transcript: Sequence[LLMMessage]) -> Said:
        return answers[answers_so_far(transcript) % len(answers)]

    return ScriptedModel(answer, seconds=seconds)


def counters(pause: float = 0.05, messages: int = 10) -> RoundRobinGroupChat:
    """Return two agents that together count from 1 to 20, until there are so many messages."""
    said = [f"Now comes {number}, and then {number + 1}." for number in range(1, 21, 2)]
    agents = [
        AssistantAgent(name, model(*said[first::2], seconds=pause), model_client_stream=True)
        for first, name in enumerate(("odd", "even"))
    ]
    return RoundRobinGroupChat(list(agents), termination_condition=MaxMessageTermination(messages))


def writers(pause: float = 0.08) -> RoundRobinGroupChat:
    """Return a writer with a tool and an editor, who talk for some ten seconds."""

    async def find_rhymes(word: str) -> str:
        """Look up words that rhyme, slowly."""
        await asyncio.sleep(1.5)
        return f"{word}: day, bay, away"

    call = calls(("find_rhymes", {"word": "grey"}))
    writer = AssistantAgent(
        "writer",
        model(call, _VERSE, seconds=pause),
        tools=[find_rhymes],
        model_client_stream=True,
        reflect_on_tool_use=True,
    )
    editor = AssistantAgent("editor", model(_REMARK, seconds=pause), model_client_stream=True)
    return RoundRobinGroupChat([writer, editor], termination_condition=MaxMessageTermination(4))


def show(event: BaseAgentEvent | BaseChatMessage | TaskResult) -> None:
    """Print an event of a run as it comes."""
    if isinstance(event, Chunk):
        print(event.content, end="", flush=True)
    elif isinstance(event, ToolCallRequestEvent):
        print(f"({event.source} calls {event.content[0].name})", flush=True)
    elif isinstance(event, BaseChatMessage):
        said = event.to_text() if event.source == "user" else ""  # the rest was streamed
        print(f"{said}    ({event.source})", flush=True)


def summary(result: TaskResult) -> str:
    """Return in one line how a run ended."""
    return f"{result.stop_reason}; {len(result.messages)} messages and events kept."
