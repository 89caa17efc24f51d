"""How a server starts and ends with a supervisor, in an in-process server."""

from __future__ import annotations

import asyncio
import contextvars
from pathlib import Path
from typing import Any, cast

import pytest

import supervisor
from supervisor import Supervisor, UsageError
from supervisor.errors import SettingsError
from supervisor.integrations._asgi.protocol import ASGIApp, ConnectionScope, Message, Receive, Send
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from supervisor.types import Phase
from tests.conftest import LoopFactory
from tests.unit.integrations.apps import Work, answering, body, hosted, start, streaming
from tests.unit.integrations.driver import Lifespan, get, serving

STARTED = "lifespan.startup.complete"
ENDED = "lifespan.shutdown.complete"


class Recorder:
    """An application with a lifespan that does as it is told, and notes what it sees."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.seen: list[Supervisor] = []
        self.returns_after: str | None = None
        self.raises_after: str | None = None
        self.answer = "complete"

    async def __call__(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        """Handle a lifespan or a request."""
        if scope["type"] != "lifespan":
            self.seen.append(supervisor.current())
            await start(send)
            await body(send)
            return
        for kind in ("startup", "shutdown"):
            message = await receive()
            self.heard.append(message["type"])
            if kind == "startup":
                self.seen.extend([supervisor.current(), scope["state"]["supervisor"]])
            if self.raises_after == kind:
                raise RuntimeError(kind)
            await send({"type": f"lifespan.{kind}.{self.answer}"})
            if self.returns_after == kind or self.answer == "failed":
                return


async def test_the_application_has_the_supervisor_as_it_starts() -> None:
    """The lifespan of the application runs inside the block that its requests use."""
    recorder = Recorder()
    async with serving(app := supervised(recorder, signals={})) as lifespan:
        await get(app).end()
    assert lifespan.answers == [STARTED, ENDED]
    assert recorder.heard == ["lifespan.startup", "lifespan.shutdown"]
    assert len(set(recorder.seen)) == 1


async def test_a_second_start_has_a_supervisor_of_its_own() -> None:
    """An application that is started again, as in tests, has a new supervisor."""
    recorder = Recorder()
    app = supervised(recorder, signals={})
    for _ in range(2):
        async with serving(app):
            pass
    assert len(set(recorder.seen)) == 2


async def _raises(scope: ConnectionScope, receive: Receive, send: Send) -> None:
    raise NotImplementedError(scope["type"])


async def _returns(scope: ConnectionScope, receive: Receive, send: Send) -> None:
    return


@pytest.mark.parametrize("app", [_raises, _returns])
async def test_a_lifespan_is_answered_for_an_application_that_has_none(app: ASGIApp) -> None:
    """Where the application raises or returns, the server is answered in its place."""
    async with serving(supervised(app, signals={})) as lifespan:
        assert lifespan.answers == [STARTED]
    assert lifespan.answers == [STARTED, ENDED]


async def test_the_end_is_answered_for_an_application_that_left_after_its_start() -> None:
    """An application that returns once it has started still has a supervisor until the end."""
    recorder = Recorder()
    recorder.returns_after = "startup"
    async with serving(app := supervised(recorder, signals={})) as lifespan:
        await get(app).end()
    assert lifespan.answers == [STARTED, ENDED]


async def test_a_start_that_fails_is_told() -> None:
    """`lifespan.startup.failed` goes to the server once, and the block is left."""
    recorder = Recorder()
    recorder.answer = "failed"
    lifespan = await (await Lifespan(supervised(recorder, signals={})).start()).end()
    assert lifespan.answers == ["lifespan.startup.failed"]


@pytest.mark.parametrize("when", ["startup", "shutdown"])
async def test_what_a_lifespan_raises_goes_to_the_server(when: str) -> None:
    """An exception behind the server's message is not taken for a refusal."""
    recorder = Recorder()
    recorder.raises_after = when
    lifespan = Lifespan(supervised(recorder, signals={}))
    with pytest.raises(RuntimeError, match=when):
        await (await lifespan.start()).stop()


async def test_what_is_at_work_ends_before_the_application_does() -> None:
    """The application learns of the shutdown once the runs are over, which may need what it has."""
    work = Work()
    phases: list[Phase] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answering(work)(scope, receive, send)
            return
        await receive()
        await send({"type": STARTED})
        await receive()
        phases.extend(run.phase for run in work.runs)
        await send({"type": ENDED})

    async with serving(app := supervised(app, signals={}, ladder=supervisor.Ladder(drain=0))):
        client = get(app)
        await work.has_begun.wait()
    await client.end()
    assert phases == [Phase.DONE]
    assert work.reasons == ["The server shuts down"]


async def test_without_a_lifespan_the_first_requests_open_one_block() -> None:
    """Requests that come at once, and no lifespan before them, have one supervisor."""
    recorder = Recorder()
    app = supervised(recorder, signals={})
    clients = [get(app) for _ in range(3)]
    for client in clients:
        await client.end()
    assert len(recorder.seen) == 3
    assert len(set(recorder.seen)) == 1
    await _leave(app)


def test_without_a_lifespan_the_block_ends_with_the_loop(loop_factory: LoopFactory) -> None:
    """A server that ends without a word leaves no handler, no thread and no run behind."""
    work = Work()
    app = hosted(streaming(work))

    async def main() -> None:
        get(app)
        await work.has_begun.wait()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert work.runs[0].phase is Phase.DONE


def test_each_loop_has_a_supervisor_of_its_own(loop_factory: LoopFactory) -> None:
    """A test client that makes a loop for each request gets an answer to each."""
    recorder = Recorder()
    app = supervised(recorder, signals={})

    async def main() -> int:
        return (await get(app).end()).status

    for _ in range(2):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(main()) == 200
    assert len(set(recorder.seen)) == 2


async def test_the_block_has_no_context_of_a_request() -> None:
    """What the first request has in its context is not kept for as long as the server runs."""
    variable = contextvars.ContextVar[str]("of a request", default="none")
    variable.set("mine")
    seen: list[str] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        if not seen:
            supervisor.current().on_stop(lambda _: seen.append(variable.get()))
        await start(send)
        await body(send)

    app_with = hosted(app)
    await get(app_with).end()
    await _leave(app_with)
    assert seen == ["none"]


async def test_a_server_may_cancel_it_once_it_is_complete() -> None:
    """Nothing is awaited after the last answer, so such a cancellation comes too late."""

    async def send(message: Message) -> None:
        if message["type"] == ENDED:
            asyncio.get_running_loop().call_soon(task.cancel)

    inbox = asyncio.Queue[Message]()
    for kind in ("startup", "shutdown"):
        inbox.put_nowait({"type": f"lifespan.{kind}"})
    scope: ConnectionScope = {"type": "lifespan", "state": {}}
    task = asyncio.ensure_future(supervised(Recorder(), signals={})(scope, inbox.get, send))
    await asyncio.wait([task])
    assert not task.cancelled()


async def test_a_server_inside_a_block_has_a_block_inside_it() -> None:
    """A program that serves inside its own supervisor stops the server's runs with it."""
    work = Work()
    outside = Supervisor(signals={}, ladder=supervisor.Ladder(drain=0))
    async with outside, serving(app := hosted(answering(work))):
        client = get(app)
        await work.has_begun.wait()
        outside.stop("Outside")
        await client.end()
    assert work.reasons == ["Outside"]


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_block_that_cannot_open_is_a_start_that_fails() -> None:
    """On a loop with eager tasks the server says why it does not start."""
    app = hosted(_returns)
    loop = asyncio.get_running_loop()
    eager = cast(Any, getattr(asyncio, "eager_task_factory", None))
    if eager is None:
        pytest.skip("eager tasks came with Python 3.12")
    loop.set_task_factory(eager)
    try:
        lifespan = await (await Lifespan(app).start()).end()
    finally:
        loop.set_task_factory(None)
    assert lifespan.answers == ["lifespan.startup.failed"]
    assert "eager" in lifespan.sent[0]["message"]


async def test_a_ready_file_that_cannot_be_written_is_a_start_that_fails(tmp_path: Path) -> None:
    """The server says why it does not start; without a lifespan, each request raises it."""
    app = hosted(_returns, ready_file=tmp_path / "missing" / "ready")
    lifespan = await (await Lifespan(app).start()).end()
    assert lifespan.answers == ["lifespan.startup.failed"]
    assert "ready_file" in lifespan.sent[0]["message"]
    for _ in range(2):
        with pytest.raises(SettingsError, match="ready_file"):
            await get(app).end()


async def test_a_spawned_task_that_failed_is_told_and_the_server_ends_in_order() -> None:
    """A failure that nobody looked at goes to the loop's exception handler, and no further."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def fail() -> None:
        raise RuntimeError("spawned")

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        supervisor.current().spawn(fail())
        await start(send)
        await body(send)

    async with serving(app := hosted(app)) as lifespan:
        await get(app).end()
    assert lifespan.answers == [STARTED, ENDED]
    assert isinstance(told[0]["exception"], ExceptionGroup)


async def test_outside_a_request_there_is_no_supervisor() -> None:
    """`current()` is of no use to code that no request and no lifespan has called."""
    async with serving(hosted(_returns)):
        with pytest.raises(UsageError):
            supervisor.current()


async def _leave(app: SupervisorMiddleware) -> None:
    block = app._blocks.here()
    assert block is not None
    await block.close()
