"""The bridge: the handlers' slots and the wakeup fd's, in this process and in children."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from supervisor._signals.guard import Sighting
from supervisor._signals.wakeup import WakeupFd

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

ROOT = Path(__file__).parents[3]
USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture
def bridge() -> Iterator[WakeupFd]:
    """A bridge, taken down afterwards."""
    bridge = WakeupFd()
    yield bridge
    bridge.forget()


@pytest.fixture
def found() -> Iterator[socket.socket]:
    """A wakeup fd that somebody has set before; the end that is read."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno())
    yield reader
    signal.set_wakeup_fd(before)
    reader.close()
    writer.close()


def slot() -> int:
    """The wakeup fd."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def arrived(bridge: WakeupFd) -> list[int]:
    """The numbers that have arrived by now, kicks left out."""
    select.select([bridge.fileno()], [], [], 5)
    return numbers(bridge.read())


def numbers(signals: list[tuple[int, float]]) -> list[int]:
    """Without their times."""
    return [number for number, _ in signals]


# --- the handlers --------------------------------------------------------------------------------


def test_it_handles_exactly_what_it_is_told_to(bridge: WakeupFd) -> None:
    """What is named is installed, what is no longer named is put back as it was."""

    def mine(*_: object) -> None:
        pytest.fail("the handler that was found was called")

    before = signal.signal(USR1, mine)
    try:
        bridge.keep({USR1})
        assert bridge.signals == {USR1}
        bridge.keep({USR1, USR2})
        bridge.keep({USR2})
        assert signal.getsignal(USR1) is mine
        bridge.keep(())
        assert bridge.signals == frozenset()
        assert signal.getsignal(USR2) == signal.SIG_DFL
    finally:
        signal.signal(USR1, before)


def test_a_signal_arrives_once(bridge: WakeupFd) -> None:
    """A signal makes the fd readable, and is read once."""
    bridge.keep({USR1})
    signal.raise_signal(USR1)
    assert arrived(bridge) == [USR1]
    assert bridge.read() == []


def test_a_kick_is_no_signal(bridge: WakeupFd) -> None:
    """A kick makes the fd readable, and nothing else."""
    bridge.kick()
    assert arrived(bridge) == []


def test_a_foreign_handler_is_left_to_its_owner(bridge: WakeupFd) -> None:
    """What somebody has set over ours is neither taken back nor replaced at the end."""

    def theirs(*_: object) -> None:
        """Does nothing."""

    bridge.keep({USR1})
    signal.signal(USR1, theirs)
    try:
        bridge.hold()
        assert signal.getsignal(USR1) is theirs
        bridge.keep(())
        assert signal.getsignal(USR1) is theirs
    finally:
        signal.signal(USR1, signal.SIG_DFL)


def test_a_reset_handler_is_taken_again(bridge: WakeupFd) -> None:
    """`remove_signal_handler` of a loop leaves SIG_DFL: a signal would end the process."""
    bridge.keep({USR1})
    signal.signal(USR1, signal.SIG_DFL)
    bridge.hold()
    signal.raise_signal(USR1)
    assert arrived(bridge) == [USR1]
    bridge.keep(())
    assert signal.getsignal(USR1) == signal.SIG_DFL


def test_outside_the_main_thread_nothing_is_touched(bridge: WakeupFd) -> None:
    """In another thread `keep` and `hold` do nothing, and raise nothing."""

    def elsewhere() -> None:
        bridge.keep({USR1})
        bridge.hold()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert bridge.signals == frozenset()
    assert signal.getsignal(USR1) == signal.SIG_DFL


# --- the wakeup fd -------------------------------------------------------------------------------


def test_the_fd_that_was_found_gets_its_bytes(bridge: WakeupFd, found: socket.socket) -> None:
    """Each byte is passed on once, those of other people's signals too."""

    def theirs(*_: object) -> None:
        """Does nothing."""

    before = signal.signal(USR2, theirs)
    try:
        bridge.keep({USR1})
        signal.raise_signal(USR1)
        signal.raise_signal(USR2)
        assert arrived(bridge) == [USR1, USR2]
        assert found.recv(16) == bytes([USR1, USR2])
    finally:
        signal.signal(USR2, before)


def test_the_fd_that_was_found_is_put_back(bridge: WakeupFd, found: socket.socket) -> None:
    """With no signal left to handle the slot is as it was, and gets what was not yet passed on."""
    before = slot()
    bridge.keep({USR1})
    assert slot() != before
    signal.raise_signal(USR1)
    bridge.keep(())
    assert slot() == before
    assert found.recv(16) == bytes([USR1])


def test_nothing_to_handle_does_not_touch_the_slot(bridge: WakeupFd, found: socket.socket) -> None:
    """A bridge without signals leaves a wakeup fd where it is."""
    before = slot()
    bridge.keep(())
    bridge.hold()
    assert slot() == before


def test_a_slot_that_was_taken_is_taken_back(bridge: WakeupFd, found: socket.socket) -> None:
    """Somebody's `set_wakeup_fd` is chained, and its owner hears all the same."""
    bridge.keep({USR1})
    ours = slot()
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        signal.raise_signal(USR1)  # noticed by the handler: delivered by it, and not twice to them
        assert slot() == ours
        assert arrived(bridge) == [USR1]
        assert reader.recv(16) == bytes([USR1])
        signal.set_wakeup_fd(-1)
        bridge.hold()
        assert slot() == ours
        bridge.keep(())


def test_a_slot_that_is_anothers_at_the_end_stays_theirs(bridge: WakeupFd) -> None:
    """What stands in the slot by then is not ours to remove."""
    before = slot()
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        bridge.keep({USR1})
        signal.set_wakeup_fd(writer.fileno())
        bridge.keep(())
        assert slot() == writer.fileno()
        signal.set_wakeup_fd(before)


def test_a_number_that_was_reused_is_never_written(bridge: WakeupFd) -> None:
    """The fd that was found is closed, and its number is a file now: the file stays empty."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    number = writer.fileno()
    signal.set_wakeup_fd(number)
    bridge.keep({USR1})
    writer.detach()
    with reader, tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        signal.raise_signal(USR1)
        assert arrived(bridge) == [USR1]
        bridge.keep(())
        assert slot() == -1
        os.close(number)
        assert os.fstat(file.fileno()).st_size == 0
    signal.set_wakeup_fd(before)


def test_an_fd_that_was_closed_is_not_put_back(bridge: WakeupFd) -> None:
    """Its owner has closed it and forgotten the slot: -1 is what is true."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    bridge.keep({USR1})
    reader.close()
    writer.close()
    bridge.keep(())
    assert slot() == -1
    signal.set_wakeup_fd(before)


def test_what_it_was_chained_to_is_let_go(bridge: WakeupFd) -> None:
    """Behind the last signal no copy of the fd that was found stays open, read from or not."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    with reader, writer:
        signal.set_wakeup_fd(writer.fileno())
        fds = sorted(os.listdir("/dev/fd"))  # noqa: PTH208
        bridge.keep({USR1})
        bridge.keep(())
        assert sorted(os.listdir("/dev/fd")) == fds  # noqa: PTH208
        assert signal.set_wakeup_fd(before) == writer.fileno()


def test_a_signal_that_nobody_has_read_is_told_as_its_handler_is_put_back(
    bridge: WakeupFd, found: socket.socket
) -> None:
    """Also where others stay; the fd that was found gets it as always."""
    bridge.keep({USR1, USR2})
    signal.raise_signal(USR1)
    assert numbers(bridge.keep({USR2})) == [USR1]
    signal.raise_signal(USR2)
    assert numbers(bridge.keep(())) == [USR2]
    assert found.recv(10) == bytes([USR1, USR2])
    assert bridge.keep(()) == []


@pytest.mark.parametrize("first", [USR1, USR2])
def test_where_what_was_found_raises_the_rest_can_still_be_put_back(
    bridge: WakeupFd, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """A signal comes as soon as its handler is back, and that raises: what is left is done anew."""

    def mine(*_: object) -> None:
        raise LookupError

    def put_and_raise(number: int, handler: Any) -> Any:
        had = put(number, handler)
        if number == first:
            signal.raise_signal(number)
        return had

    before, put = slot(), signal.signal
    had = [put(number, mine) for number in (USR1, USR2)]
    try:
        bridge.keep({USR1, USR2})
        with monkeypatch.context() as patch:
            patch.setattr(signal, "signal", put_and_raise)
            with pytest.raises(LookupError):
                bridge.keep(())
        bridge.keep(())
        assert [signal.getsignal(number) for number in (USR1, USR2)] == [mine, mine]
        assert (slot(), bridge.signals) == (before, frozenset())
    finally:
        for number, handler in zip((USR1, USR2), had, strict=True):
            put(number, handler)


def test_forgotten_it_leaves_nothing_behind() -> None:
    """`forget()`, for a child made by fork: handlers, slot and fds are as without us."""
    before, fds = slot(), len(list(Path("/dev/fd").iterdir()))
    bridge = WakeupFd()
    bridge.keep({USR1})
    bridge.forget()
    assert signal.getsignal(USR1) == signal.SIG_DFL
    assert slot() == before
    assert len(list(Path("/dev/fd").iterdir())) == fds


# --- in real processes ---------------------------------------------------------------------------


def outcome(script: str) -> subprocess.CompletedProcess[str]:
    """What became of a script, in a session of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


@pytest.mark.process
def test_a_signal_given_to_another_thread_arrives() -> None:
    """The kernel may choose any thread: the fd is readable while the main thread sleeps on."""
    result = outcome(
        """
        import select, signal, threading, time
        from supervisor._signals.wakeup import WakeupFd

        bridge = WakeupFd()
        bridge.keep({signal.SIGTERM})
        may_end = threading.Event()
        thread = threading.Thread(target=may_end.wait)
        thread.start()
        main = threading.main_thread().ident

        def send():
            signal.pthread_kill(thread.ident, signal.SIGTERM)

        threading.Timer(0.05, send).start()
        print(select.select([bridge.fileno()], [], [], 10)[0] != [], [n for n, _ in bridge.read()])
        may_end.set()
        """
    )
    assert (result.stdout, result.stderr) == ("True [15]\n", "")


@pytest.mark.process
def test_a_handler_set_by_c_code_is_put_back() -> None:
    """A C handler, as faulthandler sets it, is back after the bridge has had its signal."""
    result = outcome(
        """
        import faulthandler, signal, sys
        from supervisor._signals.wakeup import WakeupFd

        faulthandler.register(signal.SIGUSR1, file=sys.stdout, all_threads=False)
        bridge = WakeupFd()
        bridge.keep({signal.SIGUSR1})
        signal.raise_signal(signal.SIGUSR1)
        print([number for number, _ in bridge.read()], flush=True)
        bridge.keep(())
        signal.raise_signal(signal.SIGUSR1)
        """
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[10]\n")
    assert "most recent call first" in result.stdout


@pytest.mark.process
def test_a_child_made_by_fork_has_none_of_it() -> None:
    """A signal to the child ends the child, and does not reach the parent's supervisor."""
    result = outcome(
        """
        import asyncio, os, signal
        from supervisor import Supervisor

        async def main():
            async with Supervisor(signals={"SIGTERM": "CANCEL"}) as sup:
                child = os.fork()
                if child == 0:
                    signal.pause()
                os.kill(child, signal.SIGTERM)
                _, status = os.waitpid(child, 0)
                print(os.waitstatus_to_exitcode(status), sup.stop_request)

        asyncio.run(main())
        """
    )
    assert (result.stdout, result.returncode) == ("-15 None\n", 0), result.stderr


@pytest.mark.process
def test_a_signal_that_had_arrived_as_it_forked_is_the_parents() -> None:
    """The child shares the sockets, and leaves what is unread."""
    result = outcome(
        """
        import os, signal
        from supervisor._signals.wakeup import WakeupFd

        bridge = WakeupFd()
        bridge.keep({signal.SIGUSR1})
        signal.raise_signal(signal.SIGUSR1)
        child = os.fork()
        if child == 0:
            bridge.forget()
            os._exit(0)
        os.waitpid(child, 0)
        print([number for number, _ in bridge.read()])
        """
    )
    assert (result.stdout, result.stderr) == ("[10]\n", "")


@pytest.mark.process
def test_ten_thousand_signals_are_no_harm() -> None:
    """A storm arrives at least once, and the handlers are as found after it."""
    result = outcome(
        """
        import os, signal
        from supervisor._signals.wakeup import WakeupFd

        bridge = WakeupFd()
        bridge.keep({signal.SIGUSR1})
        for _ in range(10_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        print({number for number, _ in bridge.read()})
        bridge.keep(())
        print(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)
        """
    )
    assert (result.stdout, result.stderr) == ("{10}\nTrue\n", "")


def test_a_signal_rings_in_the_main_thread() -> None:
    """The handler rings, so that a busy loop looks even where the watchdog gets no turn."""
    rung: list[int] = []
    bridge = WakeupFd(lambda number: rung.extend((number, threading.get_ident())))
    bridge.keep({USR1})
    signal.raise_signal(USR1)
    assert rung == [USR1, threading.main_thread().ident]
    assert numbers(bridge.read()) == [USR1]
    bridge.keep(())
    bridge.forget()


def test_an_interruption_of_our_own_is_no_signal() -> None:
    """It calls what it is to call, rings nobody, and is not read as a number."""
    rung: list[int] = []
    called: list[str] = []
    bridge = WakeupFd(rung.append)
    bridge.keep({USR1})
    assert bridge.interrupt(lambda _frame: called.append("interrupted"))
    assert (called, rung) == (["interrupted"], [])
    assert bridge.read() == []
    signal.raise_signal(USR1)
    assert (rung, numbers(bridge.read())) == ([USR1], [USR1])
    bridge.keep(())
    bridge.forget()


def test_the_main_thread_is_not_blocked_by_another_reader() -> None:
    """It finds nothing: who is at it tells what there is."""
    bridge = WakeupFd()
    bridge.keep({USR1})
    signal.raise_signal(USR1)
    with bridge._passing:
        assert bridge.read() == []
    assert numbers(bridge.read()) == [USR1]
    bridge.keep(())
    bridge.forget()


def test_what_the_watchdog_reads_is_there_until_it_comes_again() -> None:
    """Should it lose the interpreter before it has told, the guard sees what is unread."""
    bridge = WakeupFd()
    bridge.keep({USR1})
    signal.raise_signal(USR1)
    with ThreadPoolExecutor(1) as watchdog:
        assert numbers(watchdog.submit(bridge.read).result()) == [USR1]
        assert select.select([bridge.fileno()], [], [], 0)[0]
        assert watchdog.submit(bridge.read).result() == []
        assert not select.select([bridge.fileno()], [], [], 0)[0]
        signal.raise_signal(USR1)
        assert numbers(watchdog.submit(bridge.read).result()) == [USR1]
    assert bridge.read() == []
    bridge.keep(())
    bridge.forget()


# --- when a signal came --------------------------------------------------------------------------


def test_a_signal_has_the_time_at_which_it_was_read(bridge: WakeupFd) -> None:
    """Where nobody has seen it before."""
    bridge.keep({USR1})
    signal.raise_signal(USR1)
    before = time.monotonic()
    [(_, at)] = bridge.read()
    assert before <= at <= time.monotonic()


def test_a_signal_that_was_seen_unread_has_the_time_at_which_it_came(bridge: WakeupFd) -> None:
    """The witness's; one that it has not seen yet has come since."""
    bridge.keep({USR1, USR2})
    bridge.read()
    came = time.monotonic()
    for number in (USR1, USR2):
        signal.raise_signal(number)
    looked = time.monotonic()
    bridge.witness = lambda: [Sighting(looked, [came])]
    (one, first), (other, second) = bridge.read()
    assert (one, first, other) == (USR1, came, USR2)
    assert second >= looked


def test_what_was_seen_before_the_last_look_tells_of_what_was_read_then(bridge: WakeupFd) -> None:
    """It comes late, and is no news of what has come since."""
    bridge.keep({USR1})
    late = Sighting(time.monotonic(), [time.monotonic()])
    bridge.read()
    signal.raise_signal(USR1)
    bridge.witness = lambda: [late]
    [(_, at)] = bridge.read()
    assert at > late.at


def test_what_the_watchdog_has_left_is_the_first_of_what_is_seen(bridge: WakeupFd) -> None:
    """The second signal is not given the time of the first."""
    bridge.keep({USR1})
    with ThreadPoolExecutor(1) as watchdog:
        signal.raise_signal(USR1)
        [(_, first)] = watchdog.submit(bridge.read).result()
        signal.raise_signal(USR1)
        came = time.monotonic()
        bridge.witness = lambda: [Sighting(came, [first, came])]
        assert watchdog.submit(bridge.read).result() == [(USR1, came)]


def test_no_signal_came_before_the_last_look(bridge: WakeupFd) -> None:
    """A witness that takes one for another, of the same number, is wrong by no more than that."""
    bridge.keep({USR1})
    before = time.monotonic()
    bridge.read()
    signal.raise_signal(USR1)
    looked = time.monotonic()
    bridge.witness = lambda: [Sighting(looked, [before])]
    [(_, at)] = bridge.read()
    assert before < at <= looked
