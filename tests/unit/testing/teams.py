"""Scenarios of all classes of teams, for the sweeps: small, deterministic, without a network."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Literal

from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
)
from autogen_agentchat.base import ChatAgent, Response, TaskResult, Team
from autogen_agentchat.conditions import (
    FunctionalTermination,
    MaxMessageTermination,
    SourceMatchTermination,
)
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_agentchat.tools._task_runner_tool import TaskRunnerToolArgs
from autogen_core import AgentRuntime, CancellationToken, SingleThreadedAgentRuntime
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, UserMessage

from supervisor.testing import Said, Scenario, ScriptedModel, ToolLog, answers_so_far, calls


def agent(
    name: str,
    *,
    streams: bool = False,
    on_cancel: Literal["heed", "raise", "swallow"] = "heed",
) -> AssistantAgent:
    """Return an agent whose answers show what it was given."""
    model = ScriptedModel(unique=True, on_cancel=on_cancel)
    return AssistantAgent(name, model, model_client_stream=streams)


def round_robin(
    *members: ChatAgent | Team,
    turns: int = 2,
    name: str = "team",
    runtime: AgentRuntime | None = None,
) -> RoundRobinGroupChat:
    """Return a team of so many members who take turns."""
    return RoundRobinGroupChat(list(members), max_turns=turns, name=name, runtime=runtime)


def pair() -> RoundRobinGroupChat:
    """Return two agents, one of which streams."""
    return round_robin(agent("ann"), agent("bob", streams=True))


# -- who speaks next ----------------------------------------------------------------------------


def selector() -> SelectorGroupChat:
    """Return a team whose model selects the speaker who has said less."""

    def select(messages: Sequence[LLMMessage]) -> Said:
        text = str(messages[0].content)
        return "bob" if text.count("ann: answer") > text.count("bob: answer") else "ann"

    members: list[ChatAgent | Team] = [agent("ann"), agent("bob"), agent("cleo")]
    return SelectorGroupChat(members, ScriptedModel(select), max_turns=3)


def swarm() -> Swarm:
    """Return two agents that hand over to each other in turn, with the team's own events."""

    def hander(name: str, to: str) -> AssistantAgent:
        model = ScriptedModel(lambda messages: calls(f"transfer_to_{to}"))
        return AssistantAgent(name, model, handoffs=[to])

    members: list[ChatAgent] = [hander("ann", "bob"), hander("bob", "ann")]
    return Swarm(members, max_turns=3, emit_team_events=True)


def magentic() -> MagenticOneGroupChat:
    """Return an orchestrator that asks both its agents, and is satisfied."""

    def orchestrate(messages: Sequence[LLMMessage]) -> Said:
        prompt = str(messages[-1].content)
        if "is_request_satisfied" not in prompt:
            return "So it is."
        heard = {getattr(message, "source", "") for message in messages}
        left = [name for name in ("ann", "bob") if name not in heard]
        return json.dumps(
            {
                "is_request_satisfied": {"reason": "Enough.", "answer": not left},
                "is_in_loop": {"reason": "No.", "answer": False},
                "is_progress_being_made": {"reason": "Yes.", "answer": True},
                "next_speaker": {"reason": "Due.", "answer": (left or ["ann"])[0]},
                "instruction_or_question": {"reason": "Due.", "answer": f"Go on without {left}."},
            }
        )

    model = ScriptedModel(orchestrate, user_first=False)
    return MagenticOneGroupChat([agent("ann"), agent("bob")], model)


def graph(log: ToolLog | None = None) -> GraphFlow:
    """Return a graph: a, then b and c at once, then d; with a log, b calls tools."""

    def node(name: str, pause: int) -> AssistantAgent:
        # Not by what it was given: branches are heard in any order.
        def reply(messages: Sequence[LLMMessage]) -> Said:
            return f"{name} {answers_so_far(messages)}"

        return AssistantAgent(name, ScriptedModel(reply, pause=pause, unique=True))

    a, b, c, d = node("a", 1), node("b", 1), node("c", 6), node("d", 1)
    if log is not None:
        b = seeker(log, "b")
    builder = DiGraphBuilder()
    for each in (a, b, c, d):
        builder.add_node(each)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    return GraphFlow([a, b, c, d], graph=builder.build())


class _Backwards(RoundRobinGroupChatManager):
    """Asks the last member first."""

    async def select_speaker(self, thread: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
        self._next_speaker_index -= 1
        return self._participant_names[self._next_speaker_index % len(self._participant_names)]


class Backwards(RoundRobinGroupChat):
    """A team class of a user's own."""

    def __init__(self, members: list[ChatAgent | Team], max_turns: int) -> None:
        super().__init__(members, max_turns=max_turns)
        self._base_group_chat_manager_class = _Backwards

    def _create_group_chat_manager_factory(
        self, *_: Any, **given: Any
    ) -> Callable[[], RoundRobinGroupChatManager]:
        return lambda: _Backwards(**given, emit_team_events=False)


# -- one within another -------------------------------------------------------------------------


def nested() -> RoundRobinGroupChat:
    """Return three levels: a team of two in a team in a team, each with one more member."""
    third = until("bob", agent("ann"), agent("bob"), name="third")
    second = until("cleo", third, agent("cleo"), name="second")
    return round_robin(second, agent("dan"), name="first")


def counted() -> RoundRobinGroupChat:
    """Return the same, with inner teams that end by counts, which a stop must not reset."""
    third = round_robin(agent("ann"), agent("bob"), name="third", turns=3)
    limit = MaxMessageTermination(5)
    second = RoundRobinGroupChat([third, agent("cleo")], name="second", termination_condition=limit)
    return round_robin(second, agent("dan"), name="first")


def until(last: str, *members: ChatAgent | Team, name: str) -> RoundRobinGroupChat:
    """Return a team of members who take turns until this one has spoken."""
    condition = SourceMatchTermination([last])
    return RoundRobinGroupChat(list(members), name=name, termination_condition=condition)


def society() -> RoundRobinGroupChat:
    """Return a team of a society of two, and one more."""
    inner = round_robin(agent("ann"), agent("bob"), name="inner")
    return round_robin(SocietyOfMindAgent("society", inner, ScriptedModel()), agent("cleo"))


def society_within() -> RoundRobinGroupChat:
    """Return a society in a team that is a member, so that the outer team hears its members."""
    middle = until("dan", society(), agent("dan"), name="middle")
    return round_robin(middle, agent("eve"))


def societies() -> RoundRobinGroupChat:
    """Return a society of which one member is a society."""
    return round_robin(SocietyOfMindAgent("whole", society(), ScriptedModel()), agent("dan"))


def filtered() -> RoundRobinGroupChat:
    """Return a team with a member that hears only the last words of the other."""
    rule = MessageFilterConfig(per_source=[PerSourceFilter(source="bob", position="last", count=1)])
    return round_robin(agent("bob"), MessageFilterAgent("ann", agent("ann"), rule), turns=4)


class Keeper(BaseChatAgent):
    """An agent of a user's own, which keeps its messages and answers with their number."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "keeps")
        self.heard: list[BaseChatMessage] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Text only."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Keep the messages, and count them."""
        self.heard.extend(messages)
        await asyncio.sleep(0)
        last = self.heard[-1].source if self.heard else "nobody"
        text = f"{len(self.heard)} heard, the last of {last}"
        return Response(chat_message=TextMessage(content=text, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget."""
        self.heard.clear()


def kept() -> RoundRobinGroupChat:
    """Return two agents of a user's own."""
    return round_robin(Keeper("ann"), Keeper("bob"), turns=3)


# -- tools --------------------------------------------------------------------------------------


def seeker(log: ToolLog, name: str = "seeker") -> AssistantAgent:
    """Return a team with an agent that calls two tools at once, in each turn, before it answers."""

    def reply(messages: Sequence[LLMMessage]) -> Said:
        turn = answers_so_far(messages)
        if isinstance(messages[-1], FunctionExecutionResultMessage):
            return f"{name} found {turn}"
        heard = sum(isinstance(message, UserMessage) for message in messages)
        keys = [f"{name} {turn} {heard} {n}" for n in range(2)]
        return calls(*(("look_up", {"key": key}) for key in keys))

    return AssistantAgent(
        name,
        ScriptedModel(reply),
        tools=[log.tool("look_up", pause=3)],
        reflect_on_tool_use=True,
        model_client_stream=True,
    )


async def _a_step() -> None:
    await asyncio.sleep(0)


class Stored(UnboundedChatCompletionContext):
    """A context that waits for its storage, before and after each message.

    Args:
        wait: How.
    """

    def __init__(self, wait: Callable[[], Awaitable[object]] = _a_step) -> None:
        super().__init__()
        self.wait = wait

    async def add_message(self, message: LLMMessage) -> None:
        """Wait."""
        await self.wait()
        await super().add_message(message)
        await self.wait()

    async def get_messages(self) -> list[LLMMessage]:
        """Wait."""
        await self.wait()
        return await super().get_messages()


def stored(log: ToolLog) -> RoundRobinGroupChat:
    """Return an agent that remembers elsewhere, in a team that ends by a function of the user's."""

    def reply(messages: Sequence[LLMMessage]) -> Said:
        # Its answer may be in its memory, and nobody have heard it: then it answers once more.
        found = sum(isinstance(m, FunctionExecutionResultMessage) for m in messages)
        heard = sum(isinstance(m, UserMessage) for m in messages)
        # It hears its task, and ann before the next one.
        is_done = found > heard // 2
        return f"found {found}" if is_done else calls(("look_up", {"key": f"it {found}"}))

    async def ends(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> bool:
        await asyncio.sleep(0)
        return any(message.source == "ann" for message in messages)

    finder = AssistantAgent(
        "finder",
        ScriptedModel(reply),
        tools=[log.tool("look_up", pause=3)],
        reflect_on_tool_use=True,
        model_context=Stored(),
    )
    members: list[ChatAgent | Team] = [finder, agent("ann")]
    return RoundRobinGroupChat(members, termination_condition=FunctionalTermination(ends))


def digger(log: ToolLog) -> AssistantAgent:
    """Return a team with an agent that calls one tool after another, twice in each turn."""

    def reply(messages: Sequence[LLMMessage]) -> Said:
        turn = answers_so_far(messages)
        if turn % 3 == 2:
            return f"dug {turn}"
        return calls(("dig", {"key": str(turn)}))

    return AssistantAgent(
        "digger", ScriptedModel(reply), tools=[log.tool("dig")], max_tool_iterations=3
    )


def deep_tools(log: ToolLog) -> RoundRobinGroupChat:
    """Return three levels of teams, with tools in the innermost."""
    third = until("bob", seeker(log, "ann"), agent("bob"), name="third")
    return round_robin(until("cleo", third, agent("cleo"), name="second"), seeker(log, "dan"))


def society_with_tools(log: ToolLog) -> RoundRobinGroupChat:
    """Return a society whose members call tools."""
    inner = round_robin(seeker(log, "ann"), agent("bob"), name="inner")
    return round_robin(SocietyOfMindAgent("society", inner, ScriptedModel()), agent("cleo"))


class _LoggedTeam(TeamTool):
    """A team as a tool; its calls are recorded."""

    def __init__(self, team: BaseGroupChat, log: ToolLog) -> None:
        super().__init__(team, "inner", "A team.")
        self._log = log

    async def run_stream(
        self, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        self._log.start("inner", args.task)
        async for event in super().run_stream(args, cancellation_token):
            if isinstance(event, TaskResult):
                self._log.finish("inner", args.task)
            yield event


class _LoggedAgent(AgentTool):
    """An agent as a tool; its calls are recorded."""

    def __init__(self, member: BaseChatAgent, log: ToolLog) -> None:
        super().__init__(member)
        self._log = log

    async def run_stream(
        self, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        self._log.start(self.name, args.task)
        async for event in super().run_stream(args, cancellation_token):
            if isinstance(event, TaskResult):
                self._log.finish(self.name, args.task)
            yield event


def asking(tool: TeamTool | AgentTool) -> AssistantAgent:
    """Return an agent that asks a team, or an agent, before it answers."""

    def reply(messages: Sequence[LLMMessage]) -> Said:
        turn = answers_so_far(messages)
        if isinstance(messages[-1], FunctionExecutionResultMessage):
            return f"asked {turn}"
        return calls((tool.name, {"task": f"Question {turn}"}))

    return AssistantAgent("asker", ScriptedModel(reply), tools=[tool], reflect_on_tool_use=True)


# -- a runtime of the user's --------------------------------------------------------------------


@contextlib.asynccontextmanager
async def started() -> AsyncGenerator[SingleThreadedAgentRuntime, None]:
    """Run a runtime; afterwards it has to become idle."""
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    try:
        yield runtime
    except BaseException:
        await runtime.stop()
        raise
    await runtime.stop_when_idle()


@contextlib.asynccontextmanager
async def shared() -> AsyncGenerator[RoundRobinGroupChat, None]:
    """Return a team on a runtime where another team is at work, which must not notice."""
    async with started() as runtime:
        other = round_robin(agent("cleo"), agent("dan"), turns=6, name="other", runtime=runtime)
        running = asyncio.create_task(other.run(task="Yours"))
        yield round_robin(agent("ann"), agent("bob"), name="ours", runtime=runtime)
        result = await running
        assert len(result.messages) == 7, "the other team was disturbed"


@contextlib.asynccontextmanager
async def nested_on_shared() -> AsyncGenerator[RoundRobinGroupChat, None]:
    """Return a team within a team, both on the same runtime."""
    async with started() as runtime:
        inner = round_robin(agent("ann"), name="inner", turns=1, runtime=runtime)
        yield round_robin(inner, agent("bob"), name="outer", runtime=runtime)


def scenarios() -> dict[str, Scenario]:
    """Return all scenarios by name."""
    log = ToolLog()
    made = {
        "agent": Scenario(make=lambda: agent("ann", streams=True), reloads=True),
        "pair": Scenario(make=pair, reloads=True),
        "selector": Scenario(make=selector),
        "swarm": Scenario(make=swarm, reloads=True),
        "magentic": Scenario(make=magentic, restarts=True),
        "graph": Scenario(make=graph, is_ordered=False, reloads=True),
        "backwards": Scenario(
            make=lambda: Backwards([agent("ann"), agent("bob")], 3), reloads=True
        ),
        "nested": Scenario(make=nested, reloads=True),
        "counted": Scenario(make=counted),
        "society": Scenario(make=society),
        "society within": Scenario(make=society_within),
        "societies": Scenario(make=societies),
        "filtered": Scenario(make=filtered),
        "kept": Scenario(make=kept),
        "shared": Scenario(make=shared),
        "nested on shared": Scenario(make=nested_on_shared),
        "raising": Scenario(make=lambda: round_robin(agent("ann", on_cancel="raise"))),
        "swallowing": Scenario(
            make=lambda: round_robin(agent("ann", on_cancel="swallow"), turns=2)
        ),
        "one with tools": Scenario(make=lambda: seeker(log), tools=log),
        "tools": Scenario(
            make=lambda: round_robin(agent("ann"), seeker(log)), tools=log, reloads=True
        ),
        "tool loop": Scenario(
            make=lambda: round_robin(digger(log), agent("ann")), tools=log, reloads=True
        ),
        "stored": Scenario(make=lambda: stored(log), tools=log),
        "graph with tools": Scenario(make=lambda: graph(log), tools=log, is_ordered=False),
        "nested with tools": Scenario(make=lambda: deep_tools(log), tools=log, reloads=True),
        "society with tools": Scenario(make=lambda: society_with_tools(log), tools=log),
        "team tool": Scenario(
            make=lambda: round_robin(asking(_LoggedTeam(pair(), log)), agent("cleo")),
            tools=log,
            resets=False,
        ),
        "agent tool": Scenario(
            make=lambda: round_robin(asking(_LoggedAgent(agent("ann"), log)), agent("cleo")),
            tools=log,
            resets=False,
        ),
    }
    return {name: dataclasses.replace(each, name=name) for name, each in made.items()}
