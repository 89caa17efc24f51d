"""One contract test for each private name of AutoGen that `supervisor._autogen.upstream` uses."""

from __future__ import annotations

import ast
import asyncio
import atexit
import dataclasses
import importlib
import importlib.util
import inspect
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent
from autogen_agentchat.base import Handoff, TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.teams._group_chat._sequential_routed_agent import (
    FIFOLock,
    SequentialRoutedAgent,
)
from autogen_core import (
    CancellationToken,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    _single_threaded_agent_runtime,
    event,
)
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    ResponseMessageEnvelope,
    RunContext,
    SendMessageEnvelope,
)
from autogen_core.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    HeadAndTailChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import FunctionExecutionResult, LLMMessage, UserMessage

import supervisor
from supervisor._autogen import upstream
from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.upstream import HANDLER_ERROR, Engine, Group, free
from supervisor._autogen.upstream.manager_state import _NOT_STATE
from supervisor._core.tasks import Kind
from supervisor._reports.frames import frames_of
from supervisor.testing import ScriptedModel, calls
from supervisor.testing import calls as wanted
from tests.agents import Agent, BreaksOnCancel, Failing, Gate, Stubborn, scripted, team
from tests.unit.testing.teams import graph, magentic, pair, selector, swarm


@asynccontextmanager
async def _at_work() -> AsyncGenerator[
    tuple[RoundRobinGroupChat, SingleThreadedAgentRuntime], None
]:
    """A team whose second member is at work, by AutoGen alone; let go at the end."""
    stubborn = Stubborn()
    group = team(Agent("first"), stubborn, turns=2)
    running = asyncio.create_task(group.run(task="go"))
    await stubborn.is_working.wait()
    runtime = group._runtime
    assert isinstance(runtime, SingleThreadedAgentRuntime)
    try:
        yield group, runtime
    finally:
        stubborn.let_go.set()
        await running


@dataclasses.dataclass
class _Made:
    """A task that was created."""

    coro: Any
    given: dict[str, Any]
    """What its coroutine was given."""
    kind: Kind
    names: dict[str, Any]
    """Of the function of AutoGen's that creates it."""
    starter: BaseGroupChat | None


@contextmanager
def _created() -> Generator[list[_Made]]:
    """The tasks that are created meanwhile."""
    loop, found = asyncio.get_running_loop(), list[_Made]()

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        kind, frame = upstream.told(coro)
        names = dict(frame.f_locals) if frame is not None else {}
        found.append(_Made(coro, dict(coro.cr_frame.f_locals), kind, names, upstream.starter()))
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield found
    finally:
        loop.set_task_factory(None)


def _names_of(created: list[_Made], kind: Kind) -> list[dict[str, Any]]:
    return [made.names for made in created if made.kind is kind]


def _delivered(created: list[_Made]) -> list[upstream.Delivery]:
    handlers = _names_of(created, Kind.HANDLER)
    return [upstream.delivery(names["self"], names["message_envelope"]) for names in handlers]


async def _group(team: BaseGroupChat) -> Group:
    """A team's group after its first run."""
    await team.run(task="go")
    runtime = team._runtime
    assert isinstance(runtime, SingleThreadedAgentRuntime)
    return Group(runtime, _manager(runtime).id)


def _manager(runtime: SingleThreadedAgentRuntime) -> BaseGroupChatManager:
    agents = runtime._instantiated_agents.values()
    return next(agent for agent in agents if isinstance(agent, BaseGroupChatManager))


def _code(task: asyncio.Task[Any]) -> CodeType:
    coro: Any = task.get_coro()
    code: CodeType = coro.cr_code
    return code


async def test_process_publish_is_a_handlers_task() -> None:
    """`_process_publish` is the coroutine of the task in which an event is handled."""
    async with _at_work() as (_, runtime):
        codes = {_code(task) for task in runtime._background_tasks}
    assert SingleThreadedAgentRuntime._process_publish.__code__ in codes


@pytest.mark.parametrize("name", ["_process_send", "_process_response"])
def test_process_send_and_response_are_coroutines(name: str) -> None:
    """`_process_send` and `_process_response` are started as tasks of their own, like publish."""
    assert inspect.iscoroutinefunction(getattr(SingleThreadedAgentRuntime, name))
    assert f"create_task(self.{name}(" in inspect.getsource(SingleThreadedAgentRuntime)


async def test_background_tasks_are_the_handlers() -> None:
    """`_background_tasks` holds a task for each handler at work, and none when idle."""
    async with _at_work() as (_, runtime):
        assert len(runtime._background_tasks) == 1
        runtime_after = runtime
    assert not runtime_after._background_tasks


async def test_a_run_context_starts_the_message_loop() -> None:
    """`RunContext` starts its message loop as it is made, and knows its runtime by then."""
    runtime = SingleThreadedAgentRuntime()
    with _created() as created:
        context = RunContext(runtime)
    assert [made.kind for made in created] == [Kind.ENGINE]
    assert created[0].names["self"] is context
    assert created[0].coro is context._run_task.get_coro()
    assert context._runtime is runtime
    await context.stop()


async def test_stopped_ends_the_message_loop() -> None:
    """With `_stopped` set and the queue shut, the message loop ends by itself."""
    runtime = SingleThreadedAgentRuntime()
    context = RunContext(runtime)
    await asyncio.sleep(0)
    context._stopped.set()
    runtime._message_queue.shutdown(immediate=True)  # type: ignore[attr-defined]
    await context._run_task


async def test_run_stream_starts_one_task_that_waits_for_the_runtime() -> None:
    """`run_stream` creates one task, `stop_runtime`; those that read its queue are futures."""
    with _created() as created:
        await team(Agent("a"), turns=1).run(task="go")
    shielded = [made.coro.cr_code for made in created if made.kind is Kind.SHIELDED]
    assert [code.co_name for code in shielded] == ["stop_runtime"]
    assert "stop_when_idle" in shielded[0].co_names


async def test_message_queue_counts_and_shuts() -> None:
    """The queue counts what is unfinished; shut at once it drops what waits, with exact counts."""
    queue: Any = SingleThreadedAgentRuntime()._message_queue
    queue.put_nowait("in work")
    queue.put_nowait("waiting")
    queue.get_nowait()
    queue.shutdown(immediate=True)
    assert queue._unfinished_tasks == 1
    queue.task_done()
    await queue.join()
    # AutoGen's own copy of the class before Python 3.13, asyncio's from there on.
    with pytest.raises(vars(_single_threaded_agent_runtime)["QueueShutDown"]):
        queue.put_nowait("late")


async def test_background_exception_is_raised_by_the_next_message_loop() -> None:
    """`_background_exception` outlives its run, and is raised by the next one's loop."""
    runtime = SingleThreadedAgentRuntime()
    runtime._background_exception = ValueError("of the last run")
    runtime.start()
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="of the last run"):
        await runtime.stop()


async def test_instantiated_agents_holds_the_manager() -> None:
    """`_instantiated_agents` holds the team's manager and its members' containers."""
    async with _at_work() as (_, runtime):
        kinds = [type(agent) for agent in runtime._instantiated_agents.values()]
    assert sum(issubclass(kind, BaseGroupChatManager) for kind in kinds) == 1
    assert sum(issubclass(kind, SequentialRoutedAgent) for kind in kinds) == 3


async def test_fifo_lock_of_each_routed_agent() -> None:
    """Each container has a `_fifo_lock`, and a waiter that was cancelled poisons it."""
    async with _at_work() as (_, runtime):
        for agent in runtime._instantiated_agents.values():
            assert isinstance(agent, SequentialRoutedAgent)
            assert isinstance(agent._fifo_lock, FIFOLock)
    lock = FIFOLock()
    await lock.acquire()
    waiter = asyncio.create_task(lock.acquire())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    lock.release()
    assert lock._locked, "fixed upstream: the lock need not be replaced any more"


async def test_active_speakers_and_current_turn() -> None:
    """`_active_speakers` names whose turn it is, `_current_turn` counts the turns before it."""
    async with _at_work() as (_, runtime):
        manager = _manager(runtime)
        assert manager._active_speakers == ["stubborn"]
        assert manager._current_turn == 1
        after = manager
    assert after._active_speakers == []
    assert after._current_turn == 0


async def test_termination_condition_is_the_teams() -> None:
    """The manager asks `_termination_condition`, the very object that the team was given."""
    async with _at_work() as (group, runtime):
        assert _manager(runtime)._termination_condition is group._termination_condition


def _graph() -> GraphFlow:
    return GraphFlow([Agent("a")], DiGraphBuilder().add_node(Agent("a")).build())


@pytest.mark.parametrize(
    ("make", "asks"),
    [
        (lambda: RoundRobinGroupChat([Agent("a")]), True),
        (lambda: SelectorGroupChat([Agent("a"), Agent("b")], BreaksOnCancel()), True),
        (_graph, True),
        (lambda: MagenticOneGroupChat([Agent("a")], BreaksOnCancel()), False),
    ],
    ids=["round robin", "selector", "graph", "magentic one"],
)
def test_handle_agent_response_is_the_turns_end(make: Callable[[], Any], asks: bool) -> None:
    """Managers share `handle_agent_response`, which asks the condition; MagenticOne's does not."""
    cls = make()._base_group_chat_manager_class
    shares = cls.handle_agent_response is BaseGroupChatManager.handle_agent_response
    assert shares is asks


def test_swarm_shares_the_turns_end() -> None:
    """Swarm's manager asks its condition after each turn, as the base does."""
    manager = importlib.import_module(Swarm.__module__).SwarmGroupChatManager
    assert manager.handle_agent_response is BaseGroupChatManager.handle_agent_response


async def test_is_running_marks_a_team_at_work() -> None:
    """`_is_running` refuses a second run; `free` takes the mark off."""
    async with _at_work() as (group, _):
        marks = [group._is_running]
    marks.append(group._is_running)
    assert marks == [True, False]
    group._is_running = True
    free(group)
    await group.run(task="go")


async def test_a_failed_handler_is_logged_in_these_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The runtime's record about a handler that raised begins with `HANDLER_ERROR`."""
    with caplog.at_level(logging.ERROR, "autogen_core"), pytest.raises(RuntimeError):
        await team(Failing()).run(task="go")
    assert any(record.getMessage().startswith(HANDLER_ERROR) for record in caplog.records)


def _methods(*path: str) -> dict[str, str]:
    """The methods in a file of AutoGen's extras, which need not be importable: their sources."""
    spec = importlib.util.find_spec("autogen_ext")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0]).joinpath(*path).read_text()
    return {
        f"{cls.name}.{node.name}": "".join((ast.get_source_segment(source, node) or "").split())
        for cls in ast.walk(ast.parse(source))
        if isinstance(cls, ast.ClassDef)
        for node in cls.body
        if isinstance(node, ast.AsyncFunctionDef)
    }


def test_initialize_starts_the_actor_of_an_mcp_session() -> None:
    """The task that owns an MCP session is created by `initialize`, and runs `_run_actor`."""
    methods = _methods("tools", "mcp", "_actor.py")
    assert "create_task(self._run_actor())" in methods["McpSessionActor.initialize"]
    assert "McpSessionActor._run_actor" in methods


@pytest.mark.parametrize("name", ["_setup_functions", "_execute_code_dont_check_setup"])
def test_the_local_executor_starts_its_process_in_a_task(name: str) -> None:
    """The local executor starts its process by `create_task(create_subprocess_exec(...))`."""
    methods = _methods("code_executors", "local", "__init__.py")
    source = methods[f"LocalCommandLineCodeExecutor.{name}"]
    assert "create_task(asyncio.create_subprocess_exec(" in source
    assert source.count("create_task(") == 1


async def test_tasks_of_others_are_work() -> None:
    """A task that somebody else creates is work, whatever its coroutine is called."""
    runtime: Any = SingleThreadedAgentRuntime()

    async def _run_actor() -> None:
        """The user's, in spite of its name."""

    with _created() as created:
        own = asyncio.create_task(_run_actor())
        process = asyncio.create_task(asyncio.create_subprocess_exec("true"))
        handler = asyncio.create_task(runtime._process_publish(None))
    assert {made.kind for made in created} == {Kind.WORK}
    await own
    await (await process).wait()
    handler.cancel()


def test_the_mcp_client_reads_its_server_in_stdout_reader() -> None:
    """`stdio_client` defines `stdout_reader`, which holds `process`."""
    client = pytest.importorskip("mcp.client.stdio")
    outer = inspect.unwrap(client.stdio_client).__code__
    codes = [code for code in outer.co_consts if isinstance(code, CodeType)]
    reader = next(code for code in codes if code.co_name == "stdout_reader")
    assert "process" in reader.co_freevars


# -- messages on their way ----------------------------------------------------------------------


async def test_process_next_hands_each_envelope_to_a_task() -> None:
    """`_process_next` creates a task for each message, and holds `self` and `message_envelope`."""
    group = team(Agent("a"), turns=1)
    with _created() as created:
        await group.run(task="go")
    found = _names_of(created, Kind.HANDLER)
    assert all(names["self"] is group._runtime for names in found)
    envelopes: set[type] = {names["message_envelope"].__class__ for names in found}
    assert envelopes == {PublishMessageEnvelope, SendMessageEnvelope, ResponseMessageEnvelope}


async def test_a_handler_at_work_is_known_by_its_coroutine() -> None:
    """`handled` reads off a handler's coroutine what it delivers, before its first step too."""
    async with _at_work() as (group, runtime):
        [task] = runtime._background_tasks
        found = upstream.handled(task.get_coro())
    assert found is not None
    assert (found.runtime, found.key) == (runtime, group._team_id)
    assert isinstance(found.message, GroupChatRequestPublish)
    envelope = PublishMessageEnvelope(
        message="of a user's",
        cancellation_token=CancellationToken(),
        sender=None,
        topic_id=TopicId("topic", "key"),
        message_id="1",
    )
    coro = runtime._process_publish(envelope)
    found = upstream.handled(coro)
    coro.close()
    assert found is not None
    assert found.address == "topic"


def _fields(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def test_envelope_fields() -> None:
    """Each envelope holds the message, to whom it goes, and the token that cancels it."""
    assert {"message", "topic_id", "cancellation_token"} <= _fields(PublishMessageEnvelope)
    assert {"message", "recipient", "cancellation_token", "future"} <= _fields(SendMessageEnvelope)
    assert {"message", "sender", "future"} <= _fields(ResponseMessageEnvelope)


async def test_message_queue_queue_holds_what_waits_in_order() -> None:
    """`_queue` of the runtime's queue is a deque of what waits, the oldest first."""
    runtime, token = SingleThreadedAgentRuntime(), CancellationToken()
    for number in (1, 2):
        topic = TopicId(f"topic{number}", "key")
        await runtime.publish_message(GroupChatReset(), topic, cancellation_token=token)
    queue: Any = runtime._message_queue
    assert type(queue._queue) is deque
    found = upstream.waiting(runtime)
    assert [(d.address, d.key, d.is_sent) for d in found] == [
        ("topic1", "key", False),
        ("topic2", "key", False),
    ]
    assert all(d.token is token and d.runtime is runtime for d in found)


async def test_a_sent_message_is_one_of_a_key() -> None:
    """A message that is sent has its recipient's type and key; the first to a team is its start."""
    group = team(Agent("a"), turns=1)
    token = CancellationToken()
    with _created() as created:
        await group.run(task="go", cancellation_token=token)
    starts = [d for d in _delivered(created) if d.is_sent and isinstance(d.message, GroupChatStart)]
    assert [(d.key, d.is_sent, d.token is token) for d in starts] == [(group._team_id, True, True)]


async def test_what_a_team_says_to_itself() -> None:
    """A turn is `GroupChatRequestPublish` to the member's topic, its answer is to the group's."""
    inner = RoundRobinGroupChat([Agent("b")], max_turns=1, name="inner")
    with _created() as created:
        group = await _group(team(Agent("a"), inner, turns=2))
    found = [d for d in _delivered(created) if not d.is_sent]
    said: list[tuple[Any, str]] = [
        (type(d.message), d.address) for d in found if d.key == group.key
    ]
    assert group.topic == group.manager._group_topic_type
    asked = [group.name_at(to) for what, to in said if what is GroupChatRequestPublish]
    assert asked == ["a", "inner"]
    for answer in (GroupChatStart, GroupChatAgentResponse, GroupChatTeamResponse):
        assert (answer, group.topic) in said, answer
    for told in (GroupChatMessage, GroupChatTermination):
        assert any(what is told and to != group.topic for what, to in said), told


# -- who is at work -----------------------------------------------------------------------------


async def test_select_speaker_is_started_as_a_task() -> None:
    """The manager starts `select_speaker` by `ensure_future` after each turn; its `self` is it."""
    group = team(Agent("a"), turns=2)
    with _created() as created:
        await group.run(task="go")
    assert isinstance(group._runtime, SingleThreadedAgentRuntime)
    manager = _manager(group._runtime)
    selections = _names_of(created, Kind.SELECTION)
    assert [names["self"] for names in selections] == [manager, manager]


@pytest.mark.parametrize("make", [selector, swarm, graph], ids=lambda make: make.__name__)
async def test_select_speaker_of_each_manager(make: Callable[[], BaseGroupChat]) -> None:
    """Every manager's `select_speaker` is a coroutine function of that name."""
    with _created() as created:
        group = await _group(make())
    assert group.has_turns
    found = [made.kind for made in created if made.coro.cr_code.co_name == "select_speaker"]
    assert set(found) == {Kind.SELECTION}


async def test_the_calls_of_a_request_are_gathered_in_their_order() -> None:
    """Each call is a task of `_execute_tool_calls`, which holds them, and the handoffs' tools."""
    gate = Gate()
    gate.let_go.set()
    model = ScriptedModel([wanted("wait", "transfer_to_bob")])
    ann = AssistantAgent("ann", model, tools=[gate.wait], handoffs=[Handoff(target="bob")])
    with _created() as created:
        await ann.run(task="go")
    made = [made.given["tool_call"] for made in created if made.kind is Kind.CALL]
    assert [call.name for call in made] == ["wait", "transfer_to_bob"]
    for names in _names_of(created, Kind.CALL):
        assert names["function_calls"] == made
        assert [tool.name for tool in names["handoff_tools"]] == ["transfer_to_bob"]


async def test_what_gathers_the_tool_calls_is_told_by_its_name() -> None:
    """`_process_model_result` waits for a turn's calls in a task of `_execute_tool_calls`."""
    gathering = list[bool]()

    async def wait() -> str:
        tasks = asyncio.all_tasks()
        gathering.append(any(upstream.gathers_calls(task) for task in tasks))
        return "found"

    await scripted("ann", [calls("wait")], wait).run(task="go")
    assert gathering == [True]


async def test_to_whom_a_swarm_has_handed_off() -> None:
    """Its manager, by the topic's type and the team's id, has the thread and the names."""
    ann = AssistantAgent("ann", ScriptedModel([wanted("transfer_to_user")]), handoffs=["user"])
    swarm = Swarm([ann], termination_condition=HandoffTermination("user"))
    assert upstream.handed_off(swarm) is None
    await swarm.run(task="go")
    assert upstream.handed_off(swarm) == ("user", ["ann"])
    await swarm.reset()
    assert upstream.handed_off(swarm) is None


async def test_a_tool_calls_task_returns_call_and_result() -> None:
    """What the task of a tool call returns is the call, and a `FunctionExecutionResult`."""
    gate = Gate()
    gate.let_go.set()
    ann = scripted("ann", [calls("wait")], gate.wait)
    wanted = calls("wait")
    call, result = await AssistantAgent._execute_tool_call(
        tool_call=wanted[0],
        workbench=ann._workbench,
        handoff_tools=[],
        agent_name="ann",
        cancellation_token=CancellationToken(),
        stream=asyncio.Queue(),
    )
    assert call is wanted[0]
    assert isinstance(result, FunctionExecutionResult)


async def test_the_function_calls_of_a_request_are_those_that_are_made() -> None:
    """The model context holds the very `FunctionCall` objects of which calls are made."""
    gate = Gate()
    gate.let_go.set()
    ann = scripted("ann", [calls("wait")], gate.wait)
    with _created() as created:
        await ann.run(task="go")
    made = _names_of(created, Kind.CALL)[0]["function_calls"][0]
    messages = upstream.messages_of(ann.model_context) or []
    assert any(made is call for message in messages for call in message.content)


@pytest.mark.parametrize("way", ["run", "reset"])
async def test_starter_is_the_team_that_starts_its_runtime(way: str) -> None:
    """`run_stream` and `reset` call `SingleThreadedAgentRuntime.start` directly."""
    group = team(Agent("a"), turns=1)
    await group.run(task="go")
    with _created() as created:
        await (group.run(task="go") if way == "run" else group.reset())
        other = SingleThreadedAgentRuntime()
        other.start()
        await other.stop()
    starters = [made.starter for made in created if made.kind is Kind.ENGINE]
    assert starters == [group, None]


# -- runtimes -----------------------------------------------------------------------------------


async def test_engine_shuts_and_settles_a_message_loop() -> None:
    """`_message_queue`, `_unfinished_tasks` and `_run_context` are what `Engine` takes them for."""
    runtime = SingleThreadedAgentRuntime()
    with _created() as created:
        runtime.start()
    [context] = [names["self"] for names in _names_of(created, Kind.ENGINE)]
    engine = Engine(context)
    assert runtime._run_context is context
    await runtime.publish_message(GroupChatReset(), TopicId("nobody", "key"))
    assert len(engine.waiting()) == 1
    engine.close_intake()
    assert not engine.waiting()
    assert engine.settle_count()
    await runtime.stop_when_idle()
    assert runtime._run_context is None


class _Raising(RoutedAgent):
    @event
    async def handle(self, message: GroupChatReset, ctx: MessageContext) -> None:
        raise ValueError("the handler's own")


@pytest.mark.parametrize("is_forgiven", [False, True])
async def test_ignore_unhandled_handler_exceptions_is_looked_at_each_time(
    is_forgiven: bool,
) -> None:
    """`_ignore_unhandled_handler_exceptions` says, as a handler raises, if the loop ends by it."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await _Raising.register(runtime, "raising", lambda: _Raising("It raises."))
    await runtime.add_subscription(TypeSubscription("topic", "raising"))
    runtime.start()
    shared = upstream.SharedRuntime(runtime)
    if is_forgiven:
        shared.forgive()
    await runtime.publish_message(GroupChatReset(), TopicId("topic", "key"))
    if is_forgiven:
        await runtime.stop_when_idle()
    else:
        with pytest.raises(ValueError, match="the handler's own"):
            await runtime.stop_when_idle()
    shared.restore()
    assert not runtime._ignore_unhandled_handler_exceptions


async def test_an_instance_is_there_without_waiting() -> None:
    """`try_get_underlying_agent_instance` gives the manager and the containers without a wait."""
    group = await _group(team(Agent("a"), Agent("b"), turns=1))
    assert isinstance(group.manager, BaseGroupChatManager)
    assert all(isinstance(member, ChatAgentContainer) for member in group._members.values())


# -- teams --------------------------------------------------------------------------------------


async def test_names_and_topics_of_the_members() -> None:
    """`_participant_name_to_topic_type` names each member's topic, by the order of the team."""
    group = await _group(team(Agent("a"), Agent("b"), turns=1))
    topics = group.manager._participant_name_to_topic_type
    assert list(topics) == ["a", "b"] == list(group.names)
    assert [group.name_at(topic) for topic in topics.values()] == ["a", "b"]
    assert group.name_at(group.topic) is None


async def test_a_container_holds_its_agent_and_what_it_has_heard() -> None:
    """`_agent` is the member, and `_message_buffer` what it was not given yet."""
    first, second = Agent("first"), Agent("second")
    group = await _group(team(first, second, turns=1))
    assert group.agent("second") is second
    assert [message.to_text() for message in group.buffer("second")] == ["go", "done"]
    assert group.buffer("first") == []
    group.put_buffer("second", [])
    assert group._members["second"]._message_buffer == []


async def test_an_agent_is_asked_through_its_container() -> None:
    """Whoever is `_agent` of the container is asked at the next turn."""
    made = team(Agent("a"), turns=1)
    group, other = await _group(made), Agent("a")
    group.put_agent("a", other)
    await made.run(task="again")
    assert other.turns == 1


async def test_message_thread_is_all_that_was_said() -> None:
    """`_message_thread` of the manager holds the tasks and the answers, in order."""
    group = await _group(team(Agent("a"), turns=1))
    assert [message.to_text() for message in group.thread if isinstance(message, TextMessage)] == [
        "go",
        "done",
    ]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (pair, "_next_speaker_index"),
        (selector, "_previous_speaker"),
        (swarm, "_current_speaker"),
        (graph, "_ready"),
        (graph, "_remaining"),
        (graph, "_enqueued_any"),
        (graph, "_triggered_activation_groups"),
    ],
)
async def test_what_a_manager_selects_by(make: Callable[[], BaseGroupChat], field: str) -> None:
    """The manager selects by this field, it is data, and changes as speakers are selected."""
    group = await _group(make())
    assert field in group.state()
    changed = _changes_of(group, field)
    assert changed, f"{type(group.manager).__name__} does not select by {field} any more"


def _changes_of(group: Group, field: str) -> bool:
    source = inspect.getsource(type(group.manager))
    return f"self.{field} =" in source or f"self.{field}[" in source


async def test_fields_of_a_graph_are_what_they_were() -> None:
    """`_ready` is a deque of names, `_remaining` counts by group; copies of them are apart."""
    group = await _group(graph())
    manager: Any = group.manager
    assert isinstance(manager, GraphFlowManager)
    assert list(manager._ready) == ["a"]
    assert all(isinstance(counts, Counter) for counts in manager._remaining.values())
    fields = group.state()
    manager._ready.clear()
    manager._remaining["d"].clear()
    group.put_state(fields)
    assert list(manager._ready) == ["a"]
    assert manager._remaining["d"].total() == 2


async def test_a_selection_drains_the_ready() -> None:
    """GraphFlow's `select_speaker` takes all of `_ready`, without a wait."""
    group = await _group(graph())
    manager: Any = group.manager
    assert drive_sync(manager.select_speaker([])) == ["a"]
    assert group.graph is not None
    assert group.graph.is_complete()
    group.graph.put_first(["b", "c"])
    group.graph.take_out(["b"])
    assert list(manager._ready) == ["c"]
    group.graph.start_over()
    assert list(manager._ready) == ["a"]
    assert manager._triggered_activation_groups == {}


async def test_reset_execution_state_forgets_the_triggered_groups_not() -> None:
    """`_reset_execution_state` leaves `_triggered_activation_groups`; we clear them as well."""
    group = await _group(graph())
    manager: Any = group.manager
    manager._triggered_activation_groups = {"d": {"d"}}
    manager._reset_execution_state()
    assert manager._triggered_activation_groups, "fixed upstream: it need not be cleared any more"


async def test_a_loaded_graph_recalls_what_made_its_nodes_ready() -> None:
    """`_activation`, `_enqueued_any`, `_remaining` tell which edges were gone; loading loses it."""
    group = await _group(graph())
    manager: Any = group.manager
    manager._ready.append("d")
    for edges, rule in manager._activation["d"].items():
        assert rule == "all"
        manager._remaining["d"][edges] = 0
    manager._triggered_activation_groups.clear()
    assert group.graph is not None
    group.graph.recall_triggers()
    assert manager._triggered_activation_groups["d"] == set(manager._activation["d"])
    group.graph.free_triggers()
    assert not manager._triggered_activation_groups["d"]
    assert all(left > 0 for left in manager._remaining["d"].values())


async def test_what_is_no_state_of_a_manager() -> None:
    """The names that are left out of a user's manager are those of the base class."""
    group = await _group(team(Agent("a"), turns=1))
    assert set(vars(group.manager)) >= _NOT_STATE


async def test_max_turns_and_current_turn_end_a_team() -> None:
    """A team ends as `_current_turn` has come to `_max_turns`."""
    made = RoundRobinGroupChat([Agent("a")], max_turns=3)
    group = await _group(made)
    assert group.manager._max_turns == 3
    group.manager._current_turn = 2
    result = await made.run(task="again")
    assert len(result.messages) == 2
    assert not group.would_end(2, [[TextMessage(content="x", source="a")]])
    assert group.would_end(3, [[TextMessage(content="x", source="a")]])


@pytest.mark.parametrize("make", [pair, selector, swarm, graph], ids=lambda make: make.__name__)
async def test_update_message_thread_does_not_wait(make: Callable[[], BaseGroupChat]) -> None:
    """`update_message_thread` of each manager extends the thread without a wait."""
    group = await _group(make())
    message = TextMessage(content="x", source="ann")
    group.add([message])
    assert group.thread[-1] is message


@pytest.mark.parametrize(
    "condition",
    [
        MaxMessageTermination(1),
        TextMentionTermination("x"),
        SourceMatchTermination(["a"]),
        StopMessageTermination(),
        TimeoutTermination(1000),
        ExternalTermination(),
        HandoffTermination("a"),
    ],
    ids=lambda condition: type(condition).__name__,
)
async def test_conditions_do_not_wait(condition: TerminationCondition) -> None:
    """AutoGen's plain conditions are asked, and reset, without a wait."""
    drive_sync(condition([TextMessage(content="x", source="a")]))
    drive_sync(condition.reset())
    assert not condition.terminated


@pytest.mark.parametrize(
    "condition",
    [
        MaxMessageTermination(1) | TextMentionTermination("y"),
        MaxMessageTermination(1) & TextMentionTermination("x"),
        MaxMessageTermination(1) & (TextMentionTermination("x") | TextMentionTermination("y")),
    ],
    ids=["or", "and", "both"],
)
async def test_combined_conditions_hold_their_parts(condition: TerminationCondition) -> None:
    """`A | B` waits for all its parts at once, so they are asked one by one: `_conditions`."""
    made = RoundRobinGroupChat([Agent("a")], max_turns=1, termination_condition=condition)
    group = await _group(made)
    assert len(vars(condition)["_conditions"]) == 2
    assert not group.would_end(0, [])
    assert group.would_end(0, [[TextMessage(content="x", source="a")]])
    drive_sync(condition.reset())
    assert not condition.terminated


async def test_magentic_ones_steps_and_counts() -> None:
    """Its orchestrator has `_orchestrate_step`, `_reenter_outer_loop`, and counts what it did."""
    group = await _group(magentic())
    manager = group.manager
    assert isinstance(manager, MagenticOneOrchestrator)
    assert group.restarts
    assert manager._n_rounds > 0
    assert manager._n_stalls == 0
    for step in (manager._orchestrate_step, manager._reenter_outer_loop):
        assert list(inspect.signature(step).parameters) == ["cancellation_token"]


async def test_magentic_one_asks_its_members_to_forget() -> None:
    """`_reenter_outer_loop` sends each member a `GroupChatReset`, and speaks to the group."""
    with _created() as created:
        group = await _group(magentic())
    resets = [d for d in _delivered(created) if isinstance(d.message, GroupChatReset)]
    assert [group.name_at(d.address) for d in resets] == ["ann", "bob"]


async def test_magentic_one_needs_a_task() -> None:
    """MagenticOne's `handle_start` refuses a run without a task; hence our own next step."""
    with pytest.raises(AssertionError):
        await magentic().run()


async def test_team_id_is_the_key_of_its_agents() -> None:
    """`_team_id` is the key of the manager and of each container."""
    made = team(Agent("a"), turns=1)
    group = await _group(made)
    assert group.key == upstream.team_id(made)
    assert all(member.id.key == group.key for member in group._members.values())
    assert upstream.is_team(made, group.key)
    assert not upstream.is_team(made, "another")


def test_embedded_runtime_tells_whose_the_runtime_is() -> None:
    """`_embedded_runtime` is false exactly where the user has given one, which is `_runtime`."""
    given = SingleThreadedAgentRuntime()
    assert upstream.given_runtime(RoundRobinGroupChat([Agent("a")], runtime=given)) is given
    assert upstream.given_runtime(team(Agent("a"))) is None


async def test_output_message_queue_is_where_events_wait() -> None:
    """`_output_message_queue` holds what a run has not yielded; `free` empties it."""
    made = team(Agent("a"), turns=1)
    made._output_message_queue.put_nowait(TextMessage(content="old", source="a"))
    made._is_running = True
    free(made)
    result = await made.run(task="go")
    assert [m.to_text() for m in result.messages if isinstance(m, TextMessage)] == ["go", "done"]


# -- contexts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        UnboundedChatCompletionContext,
        lambda: BufferedChatCompletionContext(2),
        lambda: HeadAndTailChatCompletionContext(1, 1),
        lambda: TokenLimitedChatCompletionContext(ScriptedModel(), token_limit=10),
    ],
    ids=["unbounded", "buffered", "head and tail", "token limited"],
)
async def test_messages_of_a_context(make: Callable[[], ChatCompletionContext]) -> None:
    """`_messages` of each context of AutoGen's is a list of all that was added."""
    context = make()
    messages: list[LLMMessage] = [UserMessage(content=str(n), source="user") for n in range(4)]
    for message in messages:
        await context.add_message(message)
    assert upstream.messages_of(context) == messages
    upstream.put_messages(context, messages[:1])
    assert await context.get_messages() == messages[:1]


# -- MCP sessions -------------------------------------------------------------------------------


def test_mcp_actor_has_a_queue_of_commands() -> None:
    """An actor's `_command_queue` takes commands with a `future`; `_active` says if it is there."""
    pytest.importorskip("mcp")
    from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
        McpSessionActor,
        StdioServerParams,
    )

    actor = McpSessionActor(StdioServerParams(command="none"))
    try:
        assert isinstance(upstream.mcp_commands(actor), asyncio.Queue)
        assert actor._active is False
    finally:
        atexit.unregister(actor._sync_shutdown)
    source = inspect.getsource(McpSessionActor)
    assert "session = " not in source
    for line in ("as session", '"future": fut', 'cmd["future"].set_result(result)'):
        assert line in source, line


def test_mcp_workbench_keeps_an_actor_that_has_ended() -> None:
    """`_actor` of a workbench stays when its actor has ended; we take it off."""
    pytest.importorskip("mcp")
    from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
        McpSessionActor,
        McpWorkbench,
        StdioServerParams,
    )

    params = StdioServerParams(command="none")
    workbench: Any = McpWorkbench(params)
    actor = workbench._actor = McpSessionActor(params)
    try:
        actor._active = True
        upstream.mcp_forget_ended(workbench)
        assert workbench._actor is actor
        actor._active = False
        upstream.mcp_forget_ended(workbench)
        assert workbench._actor is None
    finally:
        atexit.unregister(actor._sync_shutdown)


def test_mcp_session_hands_answers_to_its_response_streams() -> None:
    """`_response_streams` of a session is a dict, and `_handle_response` sends to what it pops."""
    session = pytest.importorskip("mcp.shared.session")
    source = inspect.getsource(session.BaseSession)
    assert "self._response_streams = {}" in source
    assert "async def _handle_response" in source
    assert "self._response_streams.pop(" in source
    assert "await stream.send(" in source


async def test_mcp_request_is_known_by_the_frame_that_waits_for_its_answer() -> None:
    """`send_request` of a session has `self`, `request` and `request_id`, from its first step."""
    anyio, mcp = pytest.importorskip("anyio"), pytest.importorskip("mcp")
    to_client, from_server = anyio.create_memory_object_stream(1)
    to_server, from_client = anyio.create_memory_object_stream(0)
    assert upstream.mcp_can_ask()
    found: list[Any] = []
    async with mcp.ClientSession(from_server, to_server) as session:
        task = asyncio.create_task(session.list_tools())
        found.append(upstream.mcp_request(frames_of(task)))
        for _ in range(5):
            await asyncio.sleep(0)
        found.append(upstream.mcp_request(frames_of(task)))
        request = await from_client.receive()
        telling = asyncio.create_task(upstream.mcp_tell_cancelled(session, 0, "Enough"))
        notification = (await from_client.receive()).message.root
        await telling
        task.cancel()
        await asyncio.wait([task])
    to_client.close()
    from_client.close()
    await upstream.mcp_tell_cancelled(session, 0, "Enough")  # it has ended
    assert found == [None, (session, request.message.root.id, "tools/list")]
    assert notification.method == "notifications/cancelled"
    assert notification.params == {"requestId": 0, "reason": "Enough"}


# -- code ---------------------------------------------------------------------------------------


def test_code_agent_is_known_by_its_generator() -> None:
    """`on_messages_stream` of a CodeExecutorAgent has `nth_try` and `execution_result`."""
    names = CodeExecutorAgent.on_messages_stream.__code__.co_varnames
    assert {"self", "nth_try", "execution_result"} <= set(names)
    source = inspect.getsource(CodeExecutorAgent)
    assert "execution_result: CodeResult | None = None" in source
    assert "self._model_client = None" in source
    assert "self._code_executor.execute_code_blocks(" in source


def test_jupyter_executor_has_a_client_with_kernel_and_cells() -> None:
    """`_client` of the executor is nbclient's; a cell stays in its notebook while it runs."""
    pytest.importorskip("nbclient")
    from autogen_ext.code_executors.jupyter import JupyterCodeExecutor

    executor: Any = JupyterCodeExecutor()
    assert executor._client is None
    assert upstream.has_kernels()
    assert upstream.kernel_client(executor) is None
    source = inspect.getsource(JupyterCodeExecutor)
    for line in ("self._client.nb.cells.append(cell)", "self._client.nb.cells.pop()"):
        assert line in source, line


def test_nbclient_ends_its_kernel_on_signals_by_on_signal() -> None:
    """Its handlers of signals are `on_signal`, which calls `_async_cleanup_kernel` by its name."""
    client = pytest.importorskip("nbclient.client").NotebookClient
    setup = inspect.getsource(client.async_setup_kernel)
    assert "def on_signal() -> None:" in setup
    assert "asyncio.ensure_future(self._async_cleanup_kernel())" in setup
    assert '"iopub.execute_input"' in inspect.getsource(client)


# -- nowhere else -------------------------------------------------------------------------------

_FOLDER = Path(supervisor.__file__).parent / "autogen"


@pytest.mark.parametrize(
    "path",
    sorted(_FOLDER.glob("*.py")),  # the folder `private` is not among them
    ids=lambda p: p.name,
)
def test_no_other_module_touches_a_private_name(path: Path) -> None:
    """Only the folder `private` touches attributes, or imports modules, that begin with `_`."""
    tree = ast.parse(path.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {"self", "cls"}
    touched = [
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and _is_private(node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in own)
    ]
    imported = [
        f"line {node.lineno}: {node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("autogen")
        and any(map(_is_private, [*(node.module or "").split("."), *(a.name for a in node.names)]))
    ]
    assert not touched + imported


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
