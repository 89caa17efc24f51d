"""The held signals: a stop begins at once, and the server hears of it when the runs have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from types import FrameType
from typing import Any

import pytest
import uvloop

from supervisor import Ladder, Rung, Supervisor
from supervisor._reports.log import reporter
from supervisor._signals import held
from supervisor._signals.registry import registry
from supervisor._supervisor import host_signals, nesting
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.host_signals import HostSignals
from tests.unit.signals.wakeups import outcome, slot
from tests.unit.supervisor.fakes import insist

TERM, INT, QUIT = signal.SIGTERM, signal.SIGINT, signal.SIGQUIT
PATIENCE = 20.0


class Server:
    """A server's handlers; its method, as uvicorn's are."""

    def __init__(self) -> None:
        self.heard = list[int]()
        self.should_exit = False
        self.has_heard = asyncio.Event()

    def handle_exit(self, number: int, _frame: FrameType | None) -> None:
        """Note it."""
        self.heard.append(number)
        self.should_exit = True
        self.has_heard.set()

    async def wait(self) -> None:
        """Wait until it has heard a signal."""
        async with asyncio.timeout(PATIENCE):
            await self.has_heard.wait()


class Hosted:
    """A block in a server, kept by a task of its own."""

    def __init__(self, sup: Supervisor) -> None:
        self.sup = sup
        self.is_sending = False
        self.signals = HostSignals(sup, is_sending=lambda: self.is_sending)

    async def reach(self, rung: Rung) -> None:
        """Wait until the stop has gone so far."""
        async with asyncio.timeout(PATIENCE):
            while self.sup.rung < rung:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let the loop do all that is due."""
        for _ in range(20):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def hosted(sup: Supervisor) -> AsyncGenerator[Hosted]:
    """Open a block and its host's signals, as the wrapper does."""
    host, is_open, is_over = Hosted(sup), asyncio.Event(), asyncio.Event()

    async def enter() -> None:
        await sup.__aenter__()
        host.signals.open()
        is_open.set()

    async def keep() -> None:
        await asyncio.create_task(enter())
        await is_over.wait()
        sup.stop("The test is over", Rung.ABANDON)
        await sup.__aexit__(None, None, None)

    keeper = asyncio.create_task(keep())
    await is_open.wait()
    try:
        yield host
    finally:
        is_over.set()
        await keeper
        host.signals.close()


@contextlib.contextmanager
def handlers(handler: Any, *numbers: int) -> Generator[None]:
    """Set a handler for each signal, and put back what was there."""
    found = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in found.items():
            signal.signal(number, before)


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server with handlers for SIGTERM and SIGINT."""
    server = Server()
    with handlers(server.handle_exit, TERM, INT):
        yield server


class Pages:
    """A source that yields when it is told to."""

    def __init__(self) -> None:
        self.more = asyncio.Event()
        self.is_asked = asyncio.Event()

    async def __aiter__(self) -> AsyncGenerator[int]:
        while True:
            self.is_asked.set()
            await self.more.wait()
            yield 1

    async def run(self, sup: Supervisor) -> asyncio.Task[Any]:
        """Start a run of it."""

        async def read() -> None:
            async for _ in sup.iterate(self):
                pass

        task = asyncio.create_task(read())
        await self.is_asked.wait()
        return task


def _new(**settings: Any) -> Supervisor:
    return Supervisor(exits=False, **settings)


# -- the hold, and its end -------------------------------------------------------------------------


async def test_the_server_hears_of_it_when_the_runs_have_ended(server: Server) -> None:
    """The stop begins with the signal; the server's handler is called once no run is left."""
    async with hosted(_new()) as host:
        pages = Pages()
        task = await pages.run(host.sup)
        signal.raise_signal(TERM)
        await host.reach(Rung.DRAIN)
        await host.settle()
        assert (server.heard, host.signals.is_held) == ([], True)
        pages.more.set()
        await task
        await server.wait()
        assert (server.heard, host.signals.is_held) == ([TERM], False)


async def test_a_response_that_is_sent_is_waited_for(server: Server) -> None:
    """The hold lasts until the response that carried a run has sent its last byte."""
    async with hosted(_new()) as host:
        host.is_sending = True
        signal.raise_signal(TERM)
        await host.reach(Rung.CANCEL)  # nothing to wait for in DRAIN
        await host.settle()
        assert server.heard == []
        host.is_sending = False
        host.signals.note_sent()
        await server.wait()
        assert server.heard == [TERM]


async def test_with_nothing_at_work_it_is_handed_on_at_once(server: Server) -> None:
    """Where no run is at work, the server hears the signal in the same moment."""
    async with hosted(_new()):
        signal.raise_signal(INT)
        await server.wait()
        assert server.heard == [INT]


async def test_after_a_stop_by_code_it_is_handed_on_as_well(server: Server) -> None:
    """A signal that changes nothing in the ladder still reaches the server."""
    async with hosted(_new(ladder=Ladder(drain=0, cancel=0, abandon=0))) as host:
        host.sup.stop("by code", Rung.ABANDON)
        await host.settle()
        signal.raise_signal(TERM)
        await server.wait()
        assert server.heard == [TERM]


@pytest.mark.parametrize(
    ("sent", "handed_on"),
    [([TERM, TERM], [TERM]), ([INT, TERM], [TERM]), ([TERM, INT, TERM], [TERM]), ([INT], [INT])],
)
async def test_what_comes_within_a_second_is_one_request(
    server: Server, sent: list[int], handed_on: list[int]
) -> None:
    """It climbs no rung; a number is handed on once, and no SIGINT that came with a SIGTERM."""
    async with hosted(_new(signals={"SIGTERM": "DRAIN", "SIGINT": "DRAIN"})) as host:
        pages = Pages()
        task = await pages.run(host.sup)
        for number in sent:
            signal.raise_signal(number)
            await host.settle()
        await host.reach(Rung.DRAIN)
        assert host.sup.rung is Rung.DRAIN
        pages.more.set()
        await task
        await server.wait()
        assert server.heard == handed_on


async def test_a_further_signal_ends_the_hold(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes later than a second climbs, and both are handed on, in their order."""
    monkeypatch.setattr(held, "ONE_REQUEST_SECONDS", 0.0)
    async with hosted(_new()) as host:
        host.is_sending = True
        await Pages().run(host.sup)
        signal.raise_signal(TERM)
        await host.reach(Rung.DRAIN)
        signal.raise_signal(INT)
        await host.reach(Rung.CANCEL)
        await server.wait()
        assert server.heard == [TERM, INT]


async def test_the_hold_ends_with_the_ladder(server: Server) -> None:
    """Where a run refuses to end, the server hears of the signal when the ladder has ended."""
    async with hosted(_new(ladder=Ladder(drain=0.02, cancel=0.02, abandon=0.02))) as host:
        release = asyncio.Event()

        async def refusing() -> AsyncGenerator[int]:
            yield 1
            await insist(release)

        await anext(aiter(host.sup.iterate(refusing())))
        host.is_sending = True
        signal.raise_signal(TERM)
        await server.wait()
        assert host.sup.rung is Rung.ABANDON
        release.set()


async def test_afterwards_the_server_hears_signals_itself(server: Server) -> None:
    """Once it was handed over, the server's own handlers stand."""
    async with hosted(_new()):
        signal.raise_signal(TERM)
        await server.wait()
        assert signal.getsignal(TERM) == signal.getsignal(INT) == server.handle_exit
        signal.raise_signal(INT)
        assert server.heard == [TERM, INT]


async def test_what_is_held_at_the_end_is_handed_on(server: Server) -> None:
    """A server that shuts down by itself meanwhile still gets what was held."""
    async with hosted(_new()) as host:
        host.is_sending = True
        signal.raise_signal(TERM)
        await host.reach(Rung.DRAIN)
    assert server.heard == [TERM]
    assert signal.getsignal(TERM) == server.handle_exit


# -- whose handlers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_handlers_of_the_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """What `add_signal_handler` has set is called at the end of the hold, and not before."""

    async def main() -> None:
        heard, has_heard = list[int](), asyncio.Event()

        def handle() -> None:
            heard.append(TERM)
            has_heard.set()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(TERM, handle)
        found = slot()
        async with hosted(_new()) as host, asyncio.timeout(PATIENCE):
            host.is_sending = True
            signal.raise_signal(TERM)
            await host.reach(Rung.CANCEL)
            await asyncio.sleep(0.05)  # in which its fd would have been read
            assert heard == []
            host.is_sending = False
            host.signals.note_sent()
            await has_heard.wait()
            assert (heard, slot()) == ([TERM], found)
            has_heard.clear()
            signal.raise_signal(TERM)
            await has_heard.wait()
        loop.remove_signal_handler(TERM)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_handlers_that_are_set_later(server: Server) -> None:
    """A server that sets its handlers after us, again and again, has its signals held."""
    late = Server()
    async with hosted(_new()) as host:
        for _ in range(3):
            signal.signal(TERM, late.handle_exit)
            host.signals.look()
        host.is_sending = True
        signal.raise_signal(TERM)
        await host.reach(Rung.DRAIN)
        assert late.heard == []
        host.is_sending = False
        host.signals.note_sent()
        await late.wait()
        assert (late.heard, server.heard) == ([TERM], [])
        assert signal.getsignal(TERM) == late.handle_exit


async def test_a_wakeup_fd_that_is_set_later() -> None:
    """The slot is taken again, and what stood there gets its byte at the end of the hold."""
    reader, writer = socket.socketpair()
    reader.settimeout(PATIENCE)
    writer.setblocking(False)
    before = slot()
    server = Server()
    with reader, writer, handlers(server.handle_exit, TERM, INT):
        async with hosted(_new()) as host:
            signal.set_wakeup_fd(writer.fileno())
            host.signals.look()
            assert slot() != writer.fileno()
            signal.raise_signal(TERM)
            await server.wait()
            assert slot() == writer.fileno()
            assert reader.recv(10) == bytes([TERM])
        signal.set_wakeup_fd(before)


async def test_a_handler_above_ours_that_calls_ours(server: Server) -> None:
    """Each handler of a chain is called once, also where it keeps one of ours as the next."""
    chained = list[int]()
    async with hosted(_new()) as host:
        for _ in range(2):
            below: Any = signal.getsignal(TERM)

            def above(number: int, frame: FrameType | None, below: Any = below) -> None:
                chained.append(number)
                below(number, frame)

            signal.signal(TERM, above)
            host.signals.look()
        signal.raise_signal(TERM)
        await server.wait()
        assert (chained, server.heard) == ([TERM, TERM], [TERM])


async def test_a_quick_stop(server: Server) -> None:
    """SIGQUIT that a server handles cancels the runs, and is handed on at once."""
    with handlers(server.handle_exit, QUIT):
        async with hosted(_new()) as host:
            host.is_sending = True
            signal.raise_signal(QUIT)
            await server.wait()
            assert server.heard == [QUIT]
            assert host.sup.rung >= Rung.CANCEL
            assert host.sup.stop_request is not None
            assert host.sup.stop_request.signal is QUIT
        assert signal.getsignal(QUIT) == server.handle_exit


async def test_a_quick_stop_that_nobody_handles(server: Server) -> None:
    """SIGQUIT keeps its default action, a core dump, where the server does not handle it."""
    async with hosted(_new()):
        assert signal.getsignal(QUIT) is signal.SIG_DFL


async def test_an_ignored_signal_stays_ignored(server: Server) -> None:
    """What the server ignores requests no stop."""
    with handlers(signal.SIG_IGN, INT):
        async with hosted(_new()) as host:
            signal.raise_signal(INT)
            await host.settle()
            assert host.sup.stop_request is None
            signal.signal(TERM, signal.SIG_IGN)  # later than we came
            host.signals.look()
            assert signal.getsignal(TERM) is signal.SIG_IGN


async def test_no_signals_no_hold(server: Server) -> None:
    """With `signals={}` the server's handlers stand as ever."""
    async with hosted(_new(signals={})) as host:
        host.signals.look()
        signal.raise_signal(TERM)
        assert (server.heard, host.sup.stop_request) == ([TERM], None)


# -- others in the process -------------------------------------------------------------------------


def _object_of_handler() -> Any:
    handler: Any = signal.getsignal(TERM)
    return handler.__self__


async def test_sse_starlette_finds_the_server(server: Server) -> None:
    """Our handlers say what uvicorn's server says, for whoever asks; before and afterwards."""
    async with hosted(_new()) as host:
        early = _object_of_handler()
        assert early is not server
        host.is_sending = True
        signal.raise_signal(TERM)
        await host.reach(Rung.DRAIN)
        assert early.should_exit is False
        host.is_sending = False
        host.signals.note_sent()
        await server.wait()
        assert early.should_exit is True


async def test_a_server_that_is_set_later_is_found_as_well(server: Server) -> None:
    """The handler that covers it says what that server says."""
    late = Server()
    async with hosted(_new()) as host:
        signal.signal(TERM, late.handle_exit)
        host.signals.look()
        assert _object_of_handler().should_exit is False
        late.should_exit = True
        assert _object_of_handler().should_exit is True


async def test_a_handler_without_a_server() -> None:
    """Where no server of that kind was found, ours have no such attribute either."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        pass

    with handlers(handle, TERM, INT):
        async with hosted(_new()):
            assert not hasattr(_object_of_handler(), "should_exit")


async def test_a_supervisor_inside(server: Server) -> None:
    """One inside the host's block hears the signals too, and it is one request for it as well."""
    async with hosted(_new(signals={"SIGTERM": "DRAIN", "SIGINT": "DRAIN"})) as host:
        nesting.use(parts_of(host.sup).scope)
        async with Supervisor(signals={"SIGTERM": "DRAIN", "SIGINT": "DRAIN"}) as inner:
            pages = Pages()
            task = await pages.run(inner)
            for number in (INT, TERM):
                signal.raise_signal(number)
                await host.settle()
            await host.reach(Rung.DRAIN)
            assert (inner.rung, server.heard) == (Rung.DRAIN, [])
            pages.more.set()
            await task
            await server.wait()
        assert server.heard == [TERM]


async def test_a_supervisor_around_the_server() -> None:
    """Its handlers, on top of which the server has set its own, are as before in the end."""
    server = Server()
    async with Supervisor(exits=False, ladder=Ladder(drain=60)) as outer:
        ours = signal.getsignal(TERM)
        with handlers(server.handle_exit, TERM, INT):
            async with hosted(_new()) as host:
                host.is_sending = True
                signal.raise_signal(TERM)
                await host.reach(Rung.DRAIN)
                assert (server.heard, outer.rung) == ([], Rung.DRAIN)
                host.is_sending = False
                host.signals.note_sent()
                await server.wait()
                await host.settle()
                assert (server.heard, outer.rung) == ([TERM], Rung.DRAIN)
                assert signal.getsignal(TERM) == server.handle_exit
        assert signal.getsignal(TERM) == ours


async def test_a_signal_that_only_a_supervisor_around_hears_is_not_held() -> None:
    """It stops what is around, and the server hears of it no later than ever: never."""
    settings: Any = {"exits": False, "signals": {"SIGUSR1": "DRAIN"}, "ladder": Ladder(drain=60)}
    async with Supervisor(**settings) as outer:
        server = Server()
        with handlers(server.handle_exit, TERM, INT):
            async with hosted(_new()) as host:
                host.is_sending = True
                signal.raise_signal(signal.SIGUSR1)
                await outer.wait_stop()
                assert (host.signals.is_held, server.heard) == (False, [])


async def test_in_a_forked_child_no_server_has_anything_held() -> None:
    """What was held for the server around, too, is for the parent to hand on."""
    first, second = Server(), Server()
    with handlers(first.handle_exit, TERM, INT):
        async with hosted(_new()) as one:
            one.is_sending = True
            signal.raise_signal(TERM)
            await one.reach(Rung.DRAIN)
            with handlers(second.handle_exit, TERM, INT):
                async with hosted(_new()):
                    assert registry.hold is not None
                    before = one.signals.is_held
                    registry.hold.forget()  # as in the child
                    assert (before, one.signals.is_held) == (True, False)
    assert (first.heard, second.heard) == ([], [])


async def test_two_servers_in_one_process() -> None:
    """The signal that the inner one raises again at its end is held for the outer one."""
    first, second = Server(), Server()
    with handlers(first.handle_exit, TERM, INT):
        async with hosted(_new()) as one:
            with handlers(second.handle_exit, TERM, INT):
                async with hosted(_new()):
                    signal.raise_signal(TERM)
                    await second.wait()
            assert (first.heard, one.sup.rung > Rung.RUNNING) == ([], True)
            signal.raise_signal(TERM)  # as uvicorn does once its handlers are back
            await first.wait()
        assert (first.heard, second.heard) == ([TERM], [TERM])


async def test_two_servers_end_in_the_order_of_their_start() -> None:
    """Nothing is left of either: a supervisor that is opened then hears its signals."""
    server = Server()
    with handlers(server.handle_exit, TERM, INT):
        async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as second:
            await first.enter_async_context(hosted(_new()))
            await second.enter_async_context(hosted(_new()))
            await first.aclose()
            await second.aclose()
        assert registry.hold is None
        async with _new() as sup:
            signal.raise_signal(TERM)
            assert (await sup.wait_stop()).signal is TERM
        assert not server.heard


def test_a_loop_that_is_closed_by_hand_leaves_no_hold() -> None:
    """The next signal goes to the server's handler, and nothing of the hold is left."""
    heard, kept = list[int](), list[object]()

    async def open_block() -> None:
        sup = await _new().__aenter__()
        signals = HostSignals(sup, is_sending=lambda: True)
        kept.extend((sup, signals))
        signals.open()
        signal.signal(INT, hear)  # the server sets one after us
        signals.look()

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    with handlers(hear, TERM, INT):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(open_block())
        loop.close()
        signal.raise_signal(TERM)
        signal.raise_signal(INT)
        assert heard == [TERM, INT]
        assert (signal.getsignal(TERM), signal.getsignal(INT)) == (hear, hear)
        assert (registry.hold, registry.owners) == (None, ())


def test_in_another_thread_that_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server outside the main thread hears no signals: one line for all blocks."""
    host_signals.say_that_stops_are_not_heard.cache_clear()
    written = list[str]()
    monkeypatch.setattr(reporter, "write", written.append)

    async def main() -> None:
        for _ in range(2):
            async with hosted(_new()) as host:
                host.signals.look()

    with caplog.at_level(logging.WARNING, "supervisor"):
        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        thread.join(PATIENCE)
        reporter.flush(5)
    assert [record.message for record in caplog.records] == ["signals not heard"]
    (line,) = written
    assert line.startswith("supervisor: stops of this server are not heard: it runs outside the")


async def test_in_another_thread_of_a_supervised_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said where a supervisor of the main thread hears signals, and passes them on."""
    host_signals.say_that_stops_are_not_heard.cache_clear()
    written = list[str]()
    monkeypatch.setattr(reporter, "write", written.append)

    async def main() -> None:
        async with hosted(_new()):
            pass

    async with Supervisor(exits=False):
        await asyncio.to_thread(asyncio.run, main())
    assert not written


async def test_nothing_stays_behind(server: Server) -> None:
    """With the host's end the process has no hold any more, whatever has happened."""
    async with hosted(_new()):
        assert registry.hold is not None
    assert registry.hold is None


# -- in a process of its own -----------------------------------------------------------------------

_CHILD = """
    import asyncio, os, signal
    from supervisor import Supervisor
    from supervisor._supervisor.host_signals import HostSignals

    async def main():
        sending, sup = [1], Supervisor(exits=False)
        host = HostSignals(sup, is_sending=lambda: bool(sending))

        async def enter():
            await sup.__aenter__()
            host.open()

        await asyncio.create_task(enter())
        {then}
"""


@pytest.mark.process
@pytest.mark.blocks
def test_a_default_action_gets_its_due() -> None:
    """A signal that nobody handles ends the process as ever, once the hold is over."""
    then = """
        os.kill(os.getpid(), signal.SIGTERM)
        await sup.wait_stop()
        print("held:", host.is_held, flush=True)
        sending.clear()
        host.note_sent()
        await asyncio.sleep(60)
    asyncio.run(main())
    """
    ended = outcome(_CHILD.format(then=then.strip()))
    assert (ended.stdout, ended.returncode) == ("held: True\n", -TERM), ended.stderr


@pytest.mark.process
@pytest.mark.blocks
def test_a_forked_child_holds_nothing() -> None:
    """A forked child has the server's handlers, also those that were set after us."""
    then = """
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        host.look()
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), sup.stop_request, flush=True)
        os._exit(0)
    asyncio.run(main())
    """
    ended = outcome(_CHILD.format(then=then.strip()))
    assert (ended.stdout, ended.returncode) == ("7 None\n", 0), ended.stderr
