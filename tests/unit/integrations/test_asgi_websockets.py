"""The runs of a WebSocket, in an in-process server."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator

import pytest
from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from fastapi import FastAPI, WebSocket
from fastapi.responses import PlainTextResponse

import supervisor
from supervisor import Ladder, Run, Supervisor
from supervisor.integrations._asgi import websocket
from supervisor.integrations._asgi.protocol import ConnectionScope, Message, Receive, Send
from supervisor.integrations.asgi import supervised
from supervisor.testing import ScriptedAgent, assert_settled
from tests.unit.integrations.apps import Work, hosted
from tests.unit.integrations.driver import connect, serving, until
from tests.unit.supervisor.fakes import insist

LEFT = "The client has disconnected"
DENIAL = {"websocket.http.response": dict[str, object]()}


async def _accept(receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})


async def _text(send: Send, text: str) -> None:
    await send({"type": "websocket.send", "text": text})


class Chat:
    """An application that runs something for each message of its client."""

    def __init__(self) -> None:
        self.work = Work()
        self.heard: list[str] = []
        self.codes: list[int] = []
        self.accepts = True

    async def __call__(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        """Handle a WebSocket."""
        if self.accepts:
            await _accept(receive, send)
            await _text(send, "welcome")
        while (message := await receive())["type"] != "websocket.disconnect":
            self.heard.append(str(message.get("text")))
            for chunk in await self.work.start():
                await _text(send, chunk)
        self.codes.append(message["code"])


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 3000])
async def test_a_client_that_leaves_stops_the_run(code: int) -> None:
    """Any close code is a disconnect, and the handler hears of it when it asks again."""
    chat = Chat()
    async with serving(app := hosted(chat)):
        client = connect(app)
        client.say(type="websocket.receive", text="go")
        await chat.work.has_begun.wait()
        client.leave(code)
        await client.end()
    assert chat.work.reasons == [LEFT]
    assert chat.codes == [code]


async def test_what_a_client_says_meanwhile_waits_for_the_handler() -> None:
    """Messages that come while a run is at work are kept for the handler, in their order."""
    chat = Chat()
    async with serving(app := hosted(chat)):
        client = connect(app)
        for text in ("one", "two", "three"):
            client.say(type="websocket.receive", text=text)
        await chat.work.has_begun.wait()
        chat.work.may_end.set()
        await client.until(lambda client: client.texts.count("last") == 3)
        client.leave()
        await client.end()
    assert chat.heard == ["one", "two", "three"]
    assert chat.work.reasons == [None, None, None]


async def test_a_server_that_closes_cuts_no_run() -> None:
    """1012 is a server's own, as it shuts down: the run ends with the item that it makes."""
    chat = Chat()
    async with serving(app := hosted(chat)):
        client = connect(app)
        client.say(type="websocket.receive", text="go")
        await chat.work.has_begun.wait()
        client.leave(1012)
        await until(lambda: chat.work.runs[0].stop_request is not None)
        chat.work.may_end.set()
        await client.end()
    assert chat.work.reasons == [LEFT]
    assert chat.work.runs[0].is_drained
    assert chat.work.runs[0].result == ["first", "last"]


@pytest.mark.parametrize("code", [1001, 1012])
async def test_runs_go_on_without_their_client_where_that_is_set(code: int) -> None:
    """With `on_disconnect="continue"` a run goes on to its end."""
    chat = Chat()
    async with serving(app := hosted(chat, on_disconnect="continue")):
        client = connect(app)
        client.say(type="websocket.receive", text="go")
        await chat.work.has_begun.wait()
        client.leave(code)
        chat.work.may_end.set()
        await client.end()
    assert chat.work.reasons == [None]


async def test_a_server_that_closes_ends_a_run_in_a_thread_in_its_own_loop() -> None:
    """Such a run ends at its next boundary, too, and no other thread touches what it waits for."""
    runs: list[Run[int, list[int]]] = []
    is_waiting = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def numbers() -> AsyncGenerator[int]:
        for number in itertools.count():
            yield number

    async def in_thread() -> None:
        async with Supervisor(signals={}) as sup:
            runs.append(run := sup.iterate(numbers()))
            async for _ in run:
                loop.call_soon_threadsafe(is_waiting.set)
                await until(lambda: run.stop_request is not None)  # the source waits for its reader

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        # In its debug mode a loop refuses to be used by another thread.
        await asyncio.to_thread(asyncio.run, in_thread(), debug=True)

    async with serving(app := hosted(app)):
        client = connect(app)
        await is_waiting.wait()
        client.leave(1012)
        await client.end()
    assert runs[0].is_drained
    assert runs[0].stop_request is not None
    assert (runs[0].stop_request.reason, runs[0].stop_request.cause) == (LEFT, "client")


async def test_a_refused_run_closes_with_a_last_message() -> None:
    """A client whose run is refused gets the message `stopped`, and the code 1012."""
    chat = Chat()
    async with serving(app := hosted(chat)) as lifespan:
        client = connect(app)
        await client.until(lambda client: client.texts == ["welcome"])
        lifespan.state["supervisor"].stop("Enough")
        client.say(type="websocket.receive", text="go")
        await client.end()
    assert json.loads(client.texts[-1])["stop_reason"] == "Enough"
    assert client.sent[-1] == {"type": "websocket.close", "code": 1012}


async def test_a_run_that_is_given_up_closes_with_a_last_message() -> None:
    """Where a stop has quarantined a run, its client gets `stopped`, and the server no error."""
    has_begun, release = asyncio.Event(), asyncio.Event()

    async def refusing() -> AsyncGenerator[str]:
        yield "item"
        has_begun.set()
        await insist(release)

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        async for item in supervisor.current().iterate(refusing()):
            await _text(send, item)

    ladder = Ladder(drain=0, cancel=0.05, abandon=0.05)
    async with serving(wrapped := hosted(app, ladder=ladder)) as lifespan:
        client = connect(wrapped)
        await has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        await client.end()
        release.set()
    assert json.loads(client.texts[-1])["stop_reason"] == "Enough"
    assert client.sent[-1] == {"type": "websocket.close", "code": 1012}


async def test_a_run_that_is_refused_before_the_handshake_is_503() -> None:
    """Where a server can answer a handshake, a refused run gets 503 with Retry-After."""
    chat = Chat()
    chat.accepts = False
    async with serving(app := hosted(chat)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        client = await connect(app, extensions=DENIAL).end()
        plain = await connect(app).end()
    assert client.status == 503
    assert "retry-after" in client.headers
    assert plain.sent == [{"type": "websocket.close", "code": 1012}]


async def test_a_handshake_may_be_answered_by_a_response() -> None:
    """A handler that denies a WebSocket has its response sent whole, and nothing is added."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await supervisor.current().iterate(_nothing())
        await socket.send_denial_response(PlainTextResponse("Go away", 418))

    async with serving(app := hosted(app)):
        client = await connect(app, extensions=DENIAL).end()
    assert (client.status, client.body) == (418, b"Go away")
    assert len(client.sent) == 2


async def test_a_close_for_an_error_becomes_one_for_the_stop() -> None:
    """A framework that closes with 1011 because a run was refused is corrected."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        await _text(send, "welcome")
        await receive()
        try:
            await supervisor.current().iterate(_nothing())
        except supervisor.Stopped:
            await send({"type": "websocket.close", "code": 1011})

    async with serving(app := hosted(app)) as lifespan:
        client = connect(app)
        await client.until(lambda client: client.texts == ["welcome"])
        lifespan.state["supervisor"].stop("Enough")
        client.say(type="websocket.receive", text="go")
        await client.end()
    assert client.sent[-1] == {"type": "websocket.close", "code": 1012}


async def test_a_websocket_is_at_rest_while_it_waits_for_its_client() -> None:
    """For what holds the server's signal it counts from a run's start to the next wait."""
    chat = Chat()
    async with serving(app := hosted(chat)):
        block = app._blocks.here()
        assert block is not None
        client = connect(app)
        client.say(type="websocket.receive", text="go")
        await chat.work.has_begun.wait()
        assert block.sending
        asked = client.asked
        chat.work.may_end.set()
        await client.until(lambda client: client.texts[-1] == "last")
        await asyncio.sleep(0)
        assert not block.sending
        client.leave()
        await client.end()
    assert client.asked == asked


async def test_a_websocket_that_always_listens_is_at_rest_soon_after_its_run() -> None:
    """A handler that waits for its client during a run counts until the result can be sent."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        run = asyncio.ensure_future(work.start())
        listener = asyncio.ensure_future(receive())
        await run
        await listener

    async with serving(app := hosted(app)):
        block = app._blocks.here()
        assert block is not None
        client = connect(app)
        await work.has_begun.wait()
        work.may_end.set()
        await until(lambda: not block.sending)
        client.leave()
        await client.end()


async def test_a_run_that_follows_keeps_a_websocket_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two runs of a handler that always listens there is no rest."""
    monkeypatch.setattr(websocket, "_SETTLED_SECONDS", 0.0)
    first, second = Work(), Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        listener = asyncio.ensure_future(receive())
        for work in (first, second):
            await work.start()
        await listener

    async with serving(app := hosted(app)):
        block = app._blocks.here()
        assert block is not None
        client = connect(app)
        await first.has_begun.wait()
        first.may_end.set()
        await second.has_begun.wait()
        await asyncio.sleep(0)  # the look that the end of the first has asked for
        assert block.sending
        second.may_end.set()
        await until(lambda: not block.sending)
        client.leave()
        await client.end()


async def test_a_send_that_fails_is_a_disconnect() -> None:
    """A server that says by an OSError of `send` that the client has left stops the run, too."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        async for chunk in work.start():
            await _text(send, chunk)

    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Message) -> None:
        raise BrokenPipeError("the client has left")

    async with serving(app := hosted(app)):
        with pytest.raises(BrokenPipeError):
            await app({"type": "websocket", "path": "/"}, receive, send)
    assert work.reasons == [LEFT]


@pytest.mark.parametrize("listens", [False, True])
async def test_a_user_who_leaves_is_a_quiet_end(
    listens: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves while a `UserProxyAgent` waits for it stops the run, and that is all."""
    caplog.set_level(logging.WARNING)
    app, asked = FastAPI(), asyncio.Event()
    teams: list[RoundRobinGroupChat] = []
    reasons: list[str | None] = []

    @app.websocket("/ws")
    async def chat(websocket: WebSocket) -> None:
        async def ask(prompt: str, token: CancellationToken | None) -> str:
            asked.set()
            return await websocket.receive_text()

        await websocket.accept()
        if listens:  # its first words, before there is a run
            await websocket.receive_text()
        members = [ScriptedAgent("one"), UserProxyAgent("user", input_func=ask)]
        teams.append(team := RoundRobinGroupChat([*members]))
        sup: Supervisor = websocket.state.supervisor
        reasons.append((await sup.stream(team, "Talk")).stop_reason)

    async with serving(hosting := supervised(app, signals={})):
        client = connect(hosting)
        client.say(type="websocket.receive", text="hi")
        await asked.wait()
        if not listens:
            asked.clear()
            await asked.wait()
        client.leave()
        await client.end()
    assert reasons == [LEFT]
    assert_settled(teams[0])
    assert [record.message for record in caplog.records] == []


async def _nothing() -> AsyncGenerator[None]:
    yield None


async def test_a_second_close_is_not_passed_on() -> None:
    """A server would take it for an error of the application."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await _accept(receive, send)
        await send({"type": "websocket.close", "code": 1000})
        await send({"type": "websocket.close", "code": 1011})

    async with serving(wrapped := hosted(app)):
        client = await connect(wrapped).end()
    closes = [each["code"] for each in client.sent if each["type"] == "websocket.close"]
    assert closes == [1000]


async def test_a_websocket_that_the_server_cancels_ends_so() -> None:
    """Nothing is sent any more: the server's time is up."""
    chat = Chat()
    async with serving(app := hosted(chat)):
        client = connect(app)
        client.say(type="websocket.receive", text="go")
        await chat.work.has_begun.wait()
        sent = len(client.sent)
        client.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.end()
    assert len(client.sent) == sent
