"""The runs of an HTTP request, in plain ASGI applications and an in-process server."""

from __future__ import annotations

import asyncio

import pytest

import supervisor
from supervisor import Supervisor, UsageError
from supervisor.integrations._asgi.protocol import ConnectionScope, Message, Receive, Send
from supervisor.integrations._asgi.read_ahead import BUFFER_BYTES
from supervisor.testing import assert_settled
from supervisor.types import Phase
from tests.unit.integrations.apps import (
    Conversation,
    Work,
    answering,
    body,
    hosted,
    read_all,
    start,
    streaming,
)
from tests.unit.integrations.driver import get, post, serving

LEFT = "The client has disconnected"


async def test_a_handler_has_the_supervisor() -> None:
    """In a handler `current()` and the state of the scope have the same open supervisor."""
    seen: list[Supervisor] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        seen.extend([supervisor.current(), scope["state"]["supervisor"]])
        await start(send, 204)
        await body(send)

    async with serving(app := hosted(app)):
        client = await get(app).end()
    assert client.status == 204
    assert seen[0] is seen[1]


async def test_the_context_of_a_request_ends_with_it() -> None:
    """A server that handles requests in one task finds its context as it was."""
    work = Work()
    work.may_end.set()
    app = hosted(answering(work))
    async with serving(app):
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        await app({"type": "http", "path": "/"}, receive, send)
        with pytest.raises(UsageError):
            supervisor.current()
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("make", [streaming, answering])
async def test_a_disconnect_stops_the_run_of_a_handler_that_never_reads(
    make: type[object],
) -> None:
    """A client that leaves stops the runs of its request, although nobody asks for messages."""
    work = Work()
    async with serving(app := hosted(make(work))):  # type: ignore[arg-type, call-arg]
        client = get(app)
        await work.has_begun.wait()
        client.leave()
        await client.end()
    assert work.reasons == [LEFT]
    assert work.runs[0].phase is Phase.DONE


async def test_a_disconnect_stops_no_run_of_another_request() -> None:
    """A client that leaves stops the runs of its own request only."""
    first, second = Work(), Work()
    works = {"/first": first, "/second": second}

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await streaming(works[scope["path"]])(scope, receive, send)

    async with serving(app := hosted(app)):
        leaver, reader = get(app, "/first"), get(app, "/second")
        await asyncio.gather(first.has_begun.wait(), second.has_begun.wait())
        leaver.leave()
        await leaver.end()
        second.may_end.set()
        await reader.end()
    assert (first.reasons, second.reasons) == ([LEFT], [None])
    assert reader.body == b"firstlast"


async def test_a_team_that_a_disconnect_has_stopped_can_go_on() -> None:
    """The run of a team is settled after a disconnect, and another request goes on with it."""
    talk = Conversation()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        task = "Talk" if scope["path"] == "/" else None
        talk.result = await supervisor.current().stream(talk.team, task)
        await start(send)
        await body(send, str(talk.result.messages[-1].to_text()).encode())

    async with serving(app := hosted(app)):
        client = get(app)
        await talk.is_second.wait()
        client.leave()
        await client.end()
        assert talk.result is not None
        assert talk.result.stop_reason == LEFT
        assert_settled(talk.team)
        talk.may_end.set()
        assert (await get(app, "/on").end()).body == b"Third."


async def test_a_run_of_a_task_of_the_handler_belongs_to_the_request() -> None:
    """A run that a handler starts in a task, in a block of its own, is stopped by a disconnect."""
    work = Work()

    async def inner() -> None:
        async with Supervisor(signals={}):
            await work.start()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await asyncio.create_task(inner())
        await start(send)
        await body(send)

    async with serving(app := hosted(app)):
        client = get(app)
        await work.has_begun.wait()
        client.leave()
        await client.end()
    assert work.reasons == [LEFT]


async def test_a_run_that_outlives_a_complete_response_belongs_to_no_request() -> None:
    """A job for which a handler has answered 202 goes on, whatever its client does."""
    work = Work()
    tasks: list[asyncio.Future[list[str]]] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.ensure_future(work.start()))
        await work.has_begun.wait()
        await start(send, 202)
        await body(send)

    async with serving(app := hosted(app)):
        client = await get(app).end()
        client.leave()
        work.may_end.set()
        assert await tasks[0] == ["first", "last"]
    assert work.reasons == [None]


@pytest.mark.parametrize("last", ["body", "pathsend"])
async def test_a_run_behind_the_response_goes_on(last: str) -> None:
    """A run that starts once the response is complete, as a background task does, goes on."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send, 202)
        await send({"type": f"http.response.{last}"})
        await work.start()

    async with serving(app := hosted(app)):
        client = get(app)
        await work.has_begun.wait()
        assert client.is_complete
        client.leave()
        work.may_end.set()
        await client.end()
    assert work.reasons == [None]


async def test_runs_go_on_without_their_client_where_that_is_set() -> None:
    """With `on_disconnect="continue"` a run goes on, and nothing is read ahead."""
    work = Work()
    async with serving(app := hosted(streaming(work), on_disconnect="continue")):
        client = get(app)
        await work.has_begun.wait()
        client.leave()
        work.may_end.set()
        await client.end()
    assert work.reasons == [None]
    assert client.asked == 0


async def test_a_further_run_of_a_client_that_has_left_is_stopped() -> None:
    """A handler that works off jobs for a client that has left gets no further one done."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            await work.start()
        await start(send)
        await body(send)

    async with serving(app := hosted(app)):
        client = get(app)
        await work.has_begun.wait()
        client.leave()
        await client.end()
    assert work.reasons == [LEFT, LEFT]


async def test_a_request_without_a_run_is_not_read_ahead() -> None:
    """Nobody asks for the messages of a client before there is a run, as without us."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send)

    async with serving(app := hosted(app)):
        assert (await get(app).end()).asked == 0


async def test_an_upload_is_slowed_down_by_its_handler() -> None:
    """What is read ahead of a handler is bounded, and the handler gets all of it in its order."""
    work, may_read = Work(), asyncio.Event()
    got: list[Message] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        run = asyncio.ensure_future(work.start())
        await may_read.wait()
        got.extend(await read_all(receive))
        work.may_end.set()
        await run
        await start(send)
        await body(send)

    async with serving(app := hosted(app)):
        client = post(app, parts=100)
        client.say(type="http.request", body=b"the end", more_body=False)
        await client.until(lambda client: client.asked * 65536 >= BUFFER_BYTES)
        for _ in range(10):
            await asyncio.sleep(0)
        assert client.asked == BUFFER_BYTES // 65536
        may_read.set()
        await client.end()
    assert len(got) == 101
    assert got[-1]["body"] == b"the end"


async def test_a_handler_that_reads_by_itself_learns_of_the_disconnect() -> None:
    """A handler that waits for messages as its run starts gets each, the last one repeatedly."""
    work = Work()
    got: list[str] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        listener = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await asyncio.wait(
            [listener, run := asyncio.ensure_future(work.start())], return_when="FIRST_COMPLETED"
        )
        got.append((await listener)["type"])
        got.extend([(await receive())["type"], (await receive())["type"]])
        await run

    async with serving(app := hosted(app)):
        client = get(app)
        await work.has_begun.wait()
        client.leave()
        await client.end()
    assert got == ["http.request", "http.disconnect", "http.disconnect"]
    assert work.reasons == [LEFT]


async def test_a_disconnect_is_told_as_often_as_the_handler_asks() -> None:
    """A server need not be asked again for what it has told already."""
    got: list[str] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        got.extend([(await receive())["type"] for _ in range(3)])

    async with serving(app := hosted(app)):
        client = get(app)
        client.leave()
        await client.end()
    assert got == ["http.request", "http.disconnect", "http.disconnect"]
    assert client.asked == 2


async def test_a_run_in_a_thread_of_the_handler_stops_with_its_client() -> None:
    """A handler may have its runs in a thread with a loop of its own."""
    works: list[Work] = []
    has_begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def in_thread() -> None:
        works.append(work := Work())
        async with Supervisor(signals={}):
            run = asyncio.ensure_future(work.start())
            await work.has_begun.wait()
            loop.call_soon_threadsafe(has_begun.set)
            await run

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(asyncio.run, in_thread())
        await start(send)
        await body(send)

    async with serving(app := hosted(app)):
        client = get(app)
        await has_begun.wait()
        client.leave()
        await client.end()
    assert works[0].reasons == [LEFT]


async def test_what_a_server_raises_as_it_is_asked_goes_to_the_handler() -> None:
    """An exception of the server's `receive` is the handler's, also where it was read ahead."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        run = asyncio.ensure_future(work.start())
        await work.has_begun.wait()
        try:
            await receive()
        finally:
            work.may_end.set()
            await run

    async def receive() -> Message:
        raise RuntimeError("the server has a defect")

    async with serving(app := hosted(app)):
        with pytest.raises(RuntimeError, match="has a defect"):
            await app({"type": "http", "path": "/"}, receive, _send_nothing)


async def test_what_still_asks_when_the_handler_has_returned_is_answered_by_the_server() -> None:
    """A task that a handler has left behind gets what the server says then, and does not hang."""
    work = Work()
    tasks: list[asyncio.Future[Message]] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await receive()
        run = asyncio.ensure_future(work.start())
        await work.has_begun.wait()
        tasks.append(asyncio.ensure_future(receive()))
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])

    async with serving(app := hosted(app)):
        client = await get(app).end()
        client.leave()
        async with asyncio.timeout(10):
            assert (await tasks[0])["type"] == "http.disconnect"


async def test_a_send_that_fails_is_a_disconnect() -> None:
    """A server that says by an OSError of `send` that the client has left stops the run, too."""
    work = Work()
    app = hosted(streaming(work))

    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Message) -> None:
        if message.get("body"):
            raise ConnectionResetError("the client has left")

    async with serving(app):
        with pytest.raises(ConnectionResetError):
            await app({"type": "http", "path": "/"}, receive, send)
        with pytest.raises(UsageError):
            supervisor.current()
    assert work.reasons == [LEFT]
    assert work.runs[0].phase is Phase.DONE


async def test_a_request_that_the_server_cancels_ends_so() -> None:
    """A server's time limit cancels the request: its run settles, and the server is told."""
    work = Work()
    async with serving(app := hosted(streaming(work))):
        client = get(app)
        await work.has_begun.wait()
        client.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.end()
    assert work.runs[0].phase is Phase.DONE


async def _send_nothing(_: Message) -> None: ...
