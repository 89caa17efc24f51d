"""A server is notified, by the protocol, of each request whose answer nobody needs any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

pytest.importorskip("mcp", reason="needs the extra `mcp`")

import anyio
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.tools import FunctionTool
from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
    StdioServerParams,
)
from autogen_ext.tools.mcp._base import (  # pyright: ignore[reportMissingTypeStubs]
    McpToolAdapter,
)
from mcp import ClientSession, types
from mcp.shared.message import SessionMessage

from supervisor import Supervisor
from supervisor._autogen import mcp_requests
from supervisor.testing import ScriptedAgent, ScriptedModel, Steps, assert_settled, calls
from supervisor.testing._complaints import Complaints
from tests.blocking.desks import Desk, Transport, desk_in
from tests.blocking.stops import REASON, run_again, stop, words

# AutoGen calls the transport by its older name.
pytestmark = [
    pytest.mark.one_loop,
    pytest.mark.filterwarnings("ignore:Use `streamable_http_client`:DeprecationWarning"),
]

by_stop_and_cancel = pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])


@pytest.mark.process
@pytest.mark.blocks
@by_stop_and_cancel
@pytest.mark.parametrize("transport", get_args(Transport))
async def test_a_tool_in_flight(tmp_path: Path, way: str, transport: Transport) -> None:
    """Over each transport the tool is cancelled, and the same session serves the next run."""
    async with desk_in(tmp_path, transport=transport) as desk:
        team = desk.team()
        desk.wanted = [("wait", {"key": key}) for key in "abc"]
        await stop(team, _called(desk, 3), way)
        cancelled = [(await desk.told.until("cancelled"))["key"] for _ in range(3)]
        assert sorted(cancelled) == ["a", "b", "c"]
        desk.wanted = [("look_up", {"key": "d"})]
        assert words(await run_again(team)) == ["again", "done"]
        assert desk.told.started == 1


async def _called(desk: Desk, count: int) -> None:
    for _ in range(count):
        await desk.told.until("called")


@pytest.mark.process
@pytest.mark.blocks
@pytest.mark.parametrize("what", ["resource", "prompt"])
async def test_resources_and_prompts(tmp_path: Path, what: str) -> None:
    """Requests for resources and prompts by a tool of the user's are cancelled, too."""

    async def ask(key: str) -> str:
        """Ask the server."""
        if what == "resource":
            return str(await desk.workbench.read_resource(f"wait://{key}"))
        return str(await desk.workbench.get_prompt("wait_for_prompt", {"key": key}))

    async with desk_in(tmp_path) as desk:
        team = desk.team(FunctionTool(ask, "Ask the server."))
        desk.wanted = [("ask", {"key": "a"})]
        await stop(team, desk.told.until("called"), "sup.stop")
        assert what in await desk.told.until("cancelled")


@pytest.mark.process
@pytest.mark.blocks
async def test_an_agent_that_asks_by_itself(tmp_path: Path) -> None:
    """A request is found even behind the generators of an agent."""
    async with desk_in(tmp_path) as desk:

        async def read(_heard: Sequence[BaseChatMessage], _: CancellationToken) -> str:
            return str(await desk.workbench.read_resource("wait://a"))

        reader = ScriptedAgent("reader", read)
        team = RoundRobinGroupChat([reader], max_turns=1)
        await stop(team, desk.told.until("called"), "sup.stop")
        assert (await desk.told.until("cancelled"))["resource"] == "wait"


# -- word for word ------------------------------------------------------------------------------


class Peer:
    """The other end of a session, which records what it is sent.

    Args:
        session: What it serves.
        sent: What the session sends.
        answers: Where the answers go.
    """

    def __init__(self, sent: Any, answers: Any) -> None:
        self.asked: dict[int, str] = {}
        """The tool, or the method, of each request."""
        self.answered: set[int] = set()
        self.cancelled: list[int] = []
        self.is_late = False
        """Whether it answers a request once it is cancelled."""
        self._sent, self._answers = sent, answers

    async def serve(self) -> None:
        """Read what is sent, and answer what is to be answered."""
        async for message in self._sent:
            root = message.message.root
            if isinstance(root, types.JSONRPCRequest):
                await self._take(int(root.id), root.method, root.params or {})
            elif root.method == "notifications/cancelled":
                self.cancelled.append(root.params["requestId"])
                if self.is_late:
                    await self.answer(root.params["requestId"])

    async def _take(self, request: int, method: str, params: dict[str, Any]) -> None:
        self.asked[request] = str(params.get("name", method))
        if method == "initialize":
            await self._answer(
                request,
                {
                    "protocolVersion": types.LATEST_PROTOCOL_VERSION,
                    "capabilities": {},
                    "serverInfo": {"name": "peer", "version": "1"},
                },
            )
        elif method == "tools/list":
            await self._answer(request, {"tools": []})
        elif params.get("name") != "wait":
            await self.answer(request)

    async def answer(self, request: int) -> None:
        """Answer a call."""
        await self._answer(request, {"content": [{"type": "text", "text": "Yes."}]})

    async def _answer(self, request: int, result: dict[str, Any]) -> None:
        self.answered.add(request)
        response = types.JSONRPCResponse(jsonrpc="2.0", id=request, result=result)
        await self._answers.send(SessionMessage(types.JSONRPCMessage(response)))


class Errors(list[Exception]):
    """Records what a session reports to its owner."""

    async def __call__(self, message: object) -> None:
        """Record what no request waits for."""
        if isinstance(message, Exception):
            self.append(message)


@asynccontextmanager
async def _peer(errors: Errors) -> AsyncGenerator[tuple[Peer, ClientSession]]:
    """Open a session of the user's, and its peer in this process."""
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage](0)
    peer = Peer(from_client, to_client)
    serving = asyncio.create_task(peer.serve())
    async with ClientSession(from_server, to_server, message_handler=errors) as session:
        await session.initialize()
        yield peer, session
    await serving
    for stream in (to_client, from_server, to_server, from_client):
        await stream.aclose()


class _Adapter(McpToolAdapter[StdioServerParams]):
    """A tool on a session of the user's."""


def _caller(session: ClientSession, *names: str) -> RoundRobinGroupChat:
    schema: dict[str, object] = {"type": "object"}
    params = StdioServerParams(command="none")
    tools: list[Any] = [
        _Adapter(params, types.Tool(name=name, inputSchema=schema), session) for name in names
    ]
    model = ScriptedModel([calls(*((name, dict[str, Any]()) for name in names)), "done"])
    agent = AssistantAgent("caller", model, tools=tools, reflect_on_tool_use=True)
    return RoundRobinGroupChat([agent], max_turns=1)


@pytest.fixture
def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notify servers at once: the peers of these tests answer at once, or not at all."""
    monkeypatch.setattr(mcp_requests, "ANSWER_SECONDS", 0.0)


@pytest.mark.usefixtures("without_patience")
async def test_what_is_in_flight_is_cancelled_before_every_step() -> None:
    """At each step, each request without an answer is cancelled once."""
    errors = Errors()
    with Complaints():
        async with _peer(errors) as (peer, session):
            for step in range(1, 300):
                asked, told = set(peer.asked), len(peer.cancelled)
                was_stopped = await _stopped_before(step, _caller(session, "answer", "wait"))
                assert was_stopped
                await _until_read()
                new = {id_: peer.asked[id_] for id_ in peer.asked.keys() - asked}
                open_calls = [id_ for id_, name in new.items() if name == "wait"]
                cancelled = peer.cancelled[told:]
                assert len(set(cancelled)) == len(cancelled)
                assert set(open_calls) <= set(cancelled), f"before step {step}: {new}"
                if open_calls and len(new) == 2 and peer.answered >= set(new) - set(open_calls):
                    break
            else:
                pytest.fail("no step has both")
    assert not errors


async def _until_read() -> None:
    """Let the session send what it has, and the peer read it."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _stopped_before(step: int, team: RoundRobinGroupChat) -> bool:
    loop = asyncio.get_running_loop()
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            # Not within the step, where a task is neither waiting nor at work.
            steps.before(step, lambda: loop.call_soon(sup.stop, REASON))
            result = await sup.stream(team, "go", timeout=20)
    assert_settled(team)
    return result.stop_reason == REASON


@pytest.mark.usefixtures("without_patience")
async def test_an_answer_after_the_cancellation_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An answer after the cancellation is ignored, and nothing is logged."""
    asyncio.get_running_loop().slow_callback_duration = 60  # else it warns of a busy machine
    errors = Errors()
    async with _peer(errors) as (peer, session):
        peer.is_late = True
        team = _caller(session, "wait")
        await stop(team, _until_asked(peer, "wait"), "sup.stop")
        await _until_read()
        assert peer.answered >= set(peer.cancelled) != set()
        assert (await session.list_tools()).tools == []
    assert not errors
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def _until_asked(peer: Peer, name: str) -> None:
    while name not in peer.asked.values():  # noqa: ASYNC110 - the peer sets no event
        await asyncio.sleep(0)


async def test_a_request_that_is_answered_in_a_moment_is_not_cancelled() -> None:
    """A request that is just being answered is not cancelled: the official server might fail."""
    errors = Errors()
    async with _peer(errors) as (peer, session):
        await stop(_caller(session, "wait"), _until_asked(peer, "wait"), "sup.stop")
        await peer.answer(max(peer.asked))
        await asyncio.sleep(2 * mcp_requests.ANSWER_SECONDS)
    assert not peer.cancelled
    assert not errors
