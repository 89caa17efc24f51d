"""Agents, models and tools that resist a stop, stopped at every step in every way."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    UserProxyAgent,
)
from autogen_agentchat.base import ChatAgent, Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage, ThoughtEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from autogen_core.tools import BaseStreamTool, StaticStreamWorkbench
from pydantic import BaseModel

from supervisor.testing import Said, Scenario, ScriptedModel, ToolLog, calls, sweep

pytestmark = pytest.mark.one_loop

# A few of the stops; or all of them, each step in each way.
some_and_all = pytest.mark.parametrize(
    "sample",
    [25, pytest.param(None, marks=[pytest.mark.soak, pytest.mark.timeout(600)])],
    ids=["some", "all"],
)


def _team(*members: ChatAgent, turns: int = 2) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(members), max_turns=turns)


def _other() -> AssistantAgent:
    return AssistantAgent("other", ScriptedModel())


# -- agents -------------------------------------------------------------------------------------


class Surfer(BaseChatAgent):
    """Turns anything into an answer, even a cancellation, as AutoGen's FileSurfer does."""

    def __init__(self) -> None:
        super().__init__("surfer", "Looks at files.")
        self.history: list[LLMMessage] = []
        self.model = ScriptedModel()

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Text only."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer, whatever happens."""
        self.history += [message.to_model_message() for message in messages]
        try:
            result = await self.model.create(self.history, cancellation_token=cancellation_token)
            content = str(result.content)
        except BaseException:  # noqa: BLE001 - so it does
            content = f"File surfing error:\n\n{traceback.format_exc()}"
        self.history.append(AssistantMessage(content=content, source=self.name))
        return Response(chat_message=TextMessage(content=content, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget everything."""
        self.history.clear()


class SurferWithContext(Surfer):
    """The same, with its memory in a model context."""

    def __init__(self) -> None:
        super().__init__()
        self.context = UnboundedChatCompletionContext()

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer, whatever happens."""
        self.history = await self.context.get_messages()
        for message in messages:
            await self.context.add_message(message.to_model_message())
        response = await super().on_messages(messages, cancellation_token)
        await self.context.add_message(self.history[-1])
        return response

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget everything."""
        await super().on_reset(cancellation_token)
        await self.context.clear()


async def _answer(prompt: str, token: CancellationToken | None) -> str:
    for _ in range(2):
        await asyncio.sleep(0)
    return "answer"


def _filtered() -> MessageFilterAgent:
    last = [PerSourceFilter(source=name, position="last", count=1) for name in ("user", "other")]
    inner = AssistantAgent("inner", ScriptedModel())
    return MessageFilterAgent("filtered", inner, MessageFilterConfig(per_source=last))


AGENTS: dict[str, Callable[[], ChatAgent]] = {
    "surfer": Surfer,
    "surfer with a context": SurferWithContext,
    "user": lambda: UserProxyAgent("user_proxy", input_func=_answer),
    "filtered": _filtered,
    "raising model": lambda: AssistantAgent("ann", ScriptedModel(on_cancel="raise")),
    "swallowing model": lambda: AssistantAgent("ann", ScriptedModel(on_cancel="swallow")),
    "raising stream": lambda: AssistantAgent(
        "ann", ScriptedModel(on_cancel="raise"), model_client_stream=True
    ),
    "swallowing stream": lambda: AssistantAgent(
        "ann", ScriptedModel(on_cancel="swallow"), model_client_stream=True
    ),
}


@some_and_all
@pytest.mark.parametrize("kind", list(AGENTS))
async def test_an_agent_that_holds_on(kind: str, sample: int | None) -> None:
    """Stopped at any step, the team goes on as if there had been no stop."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    scenario = Scenario(make=lambda: _team(AGENTS[kind](), _other(), turns=3), name=kind)
    await sweep(scenario, sample=sample)


# -- tools --------------------------------------------------------------------------------------


class Key(BaseModel):
    """The argument of a tool."""

    key: str


class Found(BaseModel):
    """The result of a tool."""

    text: str


class StreamTool(BaseStreamTool[Key, ThoughtEvent, Found]):
    """Streams two things before its result."""

    def __init__(self, log: ToolLog) -> None:
        super().__init__(Key, Found, "look_up", "Look it up.")
        self._log = log

    async def run_stream(
        self, args: Key, cancellation_token: CancellationToken
    ) -> AsyncGenerator[ThoughtEvent | Found, None]:
        """Find it."""
        self._log.start("look_up", args.key)
        for number in range(2):
            await asyncio.sleep(0)
            yield ThoughtEvent(content=f"{number}", source="look_up")
        self._log.finish("look_up", args.key)
        yield Found(text=f"found {args.key}")

    async def run(self, args: Key, cancellation_token: CancellationToken) -> Found:
        """Find it, without the stream."""
        *_, found = [found async for found in self.run_stream(args, cancellation_token)]
        assert isinstance(found, Found)
        return found


def _model() -> ScriptedModel:
    def answer(messages: Sequence[LLMMessage]) -> Said:
        if isinstance(messages[-1], FunctionExecutionResultMessage):
            return "done"
        told = sum(isinstance(message, UserMessage) for message in messages)
        called = sum(isinstance(message, FunctionExecutionResultMessage) for message in messages)
        key = f"{told}.{called}"
        return calls(*(("look_up", {"key": f"{key}.{n}"}) for n in range(3)))

    return ScriptedModel(answer)


def _streaming(log: ToolLog) -> AssistantAgent:
    workbench = StaticStreamWorkbench([StreamTool(log)])
    return AssistantAgent("ann", _model(), workbench=workbench, reflect_on_tool_use=True)


def _parallel(log: ToolLog) -> AssistantAgent:
    tool = log.tool("look_up", pause=2)
    return AssistantAgent("ann", _model(), tools=[tool], reflect_on_tool_use=True)


def _in_threads(log: ToolLog) -> AssistantAgent:
    def look_up(key: str) -> str:
        """Look it up."""
        log.start("look_up", key)
        log.finish("look_up", key)
        return f"found {key}"

    return AssistantAgent("ann", _model(), tools=[look_up], reflect_on_tool_use=True)


TOOLS = {"streaming": _streaming, "parallel": _parallel, "threads": _in_threads}


@some_and_all
@pytest.mark.parametrize("kind", list(TOOLS))
async def test_tools(kind: str, sample: int | None) -> None:
    """Of three calls at once, none that has finished is made again."""
    asyncio.get_running_loop().set_debug(False)
    log = ToolLog()
    scenario = Scenario(
        make=lambda: _team(TOOLS[kind](log), _other()), tools=log, name=f"{kind} tools"
    )
    await sweep(scenario, sample=sample)
