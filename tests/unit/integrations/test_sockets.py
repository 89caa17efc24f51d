"""A run on a WebSocket: what is sent, how it is closed, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.agents import UserProxyAgent
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.integrations.streams import input_from, send_events
from supervisor.testing import assert_settled
from supervisor.types import Phase
from tests.agents import Agent, Deaf, Failing, team


class WebSocketDisconnect(Exception):
    """Named as Starlette's, which a user's framework raises where the client has left."""


class ConnectionClosedOK(Exception):
    """Named as one of websockets', but for its base class."""


class Socket:
    """A client's socket.

    Args:
        leaves_after: How many messages the client reads before it leaves; None to read all.
        error: What sending raises from then on, and receiving.
    """

    def __init__(self, leaves_after: int | None = None, error: Exception | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.code: int | None = None
        self.answers = asyncio.Queue[str | None]()
        self.on_send: Callable[[dict[str, Any]], object] = lambda _: None
        self._leaves_after = leaves_after
        self._error = error or WebSocketDisconnect()

    async def send(self, text: str) -> None:
        """Take a message."""
        if len(self.sent) == self._leaves_after:
            raise self._error
        self.sent.append(json.loads(text))
        self.on_send(self.sent[-1])

    async def receive(self) -> str:
        """Return the user's next message."""
        answer = await self.answers.get()
        if answer is None:
            self._leaves_after = len(self.sent)
            raise self._error
        return answer

    async def close(self, code: int) -> None:
        """Close it."""
        self.code = code


async def test_each_event_is_a_message() -> None:
    """The messages are those of any stream, the last one is the result, and then comes 1000."""
    socket = Socket()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent(), turns=1), "go")
        code = await send_events(run, socket.send, socket.close)
    assert [sent["type"] for sent in socket.sent] == ["message", "message", "result"]
    assert socket.sent[-1]["status"] == "finished"
    assert code == socket.code == 1000


@pytest.mark.parametrize(("whole", "code"), [(True, 1012), (False, 1000)])
async def test_a_shutdown_is_another_close_than_a_stop(whole: bool, code: int) -> None:
    """1012 tells a client to come back; after the stop of one run it has no reason to."""
    socket = Socket()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Deaf()), "go")
        stop = sup.stop if whole else run.stop
        socket.on_send = lambda sent: stop("Enough")
        assert await send_events(run, socket.send, socket.close) == code
    assert socket.sent[-1]["status"] == "stopped"
    assert (socket.sent[-1]["retry_after"] is None) is not whole
    assert socket.code == code


async def test_a_failure_is_an_internal_error() -> None:
    """A run that fails has its last message, and closes with 1011."""
    asyncio.get_running_loop().set_exception_handler(lambda _, found: None)
    socket = Socket()
    async with Supervisor(signals={}) as sup:
        code = await send_events(sup.stream(team(Failing()), "go"), socket.send, socket.close)
    assert socket.sent[-1]["status"] == "failed"
    assert code == socket.code == 1011


async def test_a_socket_can_carry_several_runs() -> None:
    """Without `close`, it stays open for the next run."""
    socket, group = Socket(), team(Agent(), turns=1)
    async with Supervisor(signals={}) as sup:
        for task in ("one", "two"):
            await send_events(sup.stream(group, task), socket.send)
    assert [sent["type"] for sent in socket.sent].count("result") == 2
    assert socket.code is None


@pytest.mark.parametrize("error", [WebSocketDisconnect(), BrokenPipeError()])
async def test_a_client_that_leaves_is_no_error(error: Exception) -> None:
    """The run is settled when `send_events` returns, and nothing is closed or raised."""
    socket, group = Socket(leaves_after=1, error=error), team(Agent(), Deaf())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        assert await send_events(run, socket.send, socket.close) == 1001
        assert run.phase is Phase.DONE
        assert run.stop_request is not None
        assert run.stop_request.cause == "client"
        assert_settled(group)
    assert socket.code is None


async def test_a_client_that_closes_first_is_no_error() -> None:
    """A client may close as soon as it has the last message, and then a framework refuses to."""
    socket = Socket()

    async def close(code: int) -> None:
        raise RuntimeError('Cannot call "send" once a close message has been sent.')

    async with Supervisor(signals={}) as sup:
        assert await send_events(sup.stream(team(Agent()), "go"), socket.send, close) == 1000


async def test_another_error_of_the_socket_is_raised() -> None:
    """An error that does not say that the client has left is the program's; the run is stopped."""
    socket, group = Socket(leaves_after=1, error=ConnectionClosedOK()), team(Agent(), Deaf())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        with pytest.raises(ConnectionClosedOK):
            await send_events(run, socket.send, socket.close)
        assert run.phase is Phase.DONE
        assert_settled(group)


def _asking(socket: Socket) -> UserProxyAgent:
    return UserProxyAgent("user", input_func=input_from(socket.receive))


async def test_the_user_answers_on_the_socket() -> None:
    """The client sees that it is asked, and its next message is the answer."""
    socket = Socket()
    socket.answers.put_nowait("blue")
    async with Supervisor(signals={}) as sup:
        await send_events(sup.stream(team(_asking(socket), turns=1), "Which?"), socket.send)
    kinds = [sent.get("kind") for sent in socket.sent]
    assert kinds == ["TextMessage", "UserInputRequestedEvent", "TextMessage", None]
    assert socket.sent[2]["content"] == "blue"


@pytest.mark.parametrize("levels", [1, 2])
async def test_a_client_that_leaves_while_it_is_asked_is_no_error(
    levels: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is stopped, settled and says why; nothing is logged, and no exception forgotten."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: problems.append(found))
    socket = Socket()
    group = team(_asking(socket))
    for _ in range(levels - 1):
        group = team(group, name="outer")
    socket.on_send = lambda sent: (
        socket.answers.put_nowait(None) if sent.get("kind") == "UserInputRequestedEvent" else None
    )
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "Which?")
        assert await send_events(run, socket.send, socket.close) == 1001
        assert run.stop_request is not None
        assert run.stop_request.reason == "The client has disconnected"
        assert run.stop_request.cause == "client"
        assert_settled(group)
    assert not problems
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_a_stop_ends_the_question() -> None:
    """A run that is stopped while its user is asked no longer reads the socket."""
    socket = Socket()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(_asking(socket)), "Which?")
        socket.on_send = lambda sent: (
            run.stop("Enough") if sent.get("kind") == "UserInputRequestedEvent" else None
        )
        assert await send_events(run, socket.send, socket.close) == 1000
    socket.answers.put_nowait("for the next one")
    assert await socket.receive() == "for the next one"


async def test_without_a_supervisor_the_token_is_cancelled() -> None:
    """AutoGen's own token ends a run too, where a client has left."""
    socket, token = Socket(), CancellationToken()
    socket.answers.put_nowait(None)
    with pytest.raises(asyncio.CancelledError):
        await input_from(socket.receive)("Which?", token)
    assert token.is_cancelled()


async def test_an_error_that_is_none_of_the_client_is_raised() -> None:
    """What else `receive` raises fails the run, as with any input function."""

    async def broken() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await input_from(broken)("Which?", CancellationToken())


@pytest.mark.parametrize("error", [WebSocketDisconnect(), ConnectionResetError()])
async def test_a_client_that_leaves_before_the_close_is_no_error(error: Exception) -> None:
    """The code is the one that it would have got."""

    async def close(code: int) -> None:
        raise error

    async with Supervisor(signals={}) as sup:
        assert await send_events(sup.stream(team(Agent()), "go"), Socket().send, close) == 1000


async def test_another_error_of_the_close_is_raised() -> None:
    """It is the program's, and is not hidden."""

    async def close(code: int) -> None:
        raise ValueError("no code")

    async with Supervisor(signals={}) as sup:
        with pytest.raises(ValueError, match="no code"):
            await send_events(sup.stream(team(Agent()), "go"), Socket().send, close)
