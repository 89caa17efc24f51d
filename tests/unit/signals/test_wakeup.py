"""The wakeup fd: its slot, its bytes and their times, in this process and in children."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from supervisor._signals.guard_state import ArrivalReport
from supervisor._signals.wakeup import WakeupFd
from tests.unit.signals.wakeups import arrived, numbers, outcome, slot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


# --- what is read -----------------------------------------------------------------------------


def test_a_signal_arrives_once(wakeup_fd: WakeupFd) -> None:
    """A signal makes the fd readable and is read once."""
    wakeup_fd.handle({USR1})
    signal.raise_signal(USR1)
    assert arrived(wakeup_fd) == [USR1]
    assert wakeup_fd.read(is_main=True) == []


def test_a_wake_up_is_no_signal(wakeup_fd: WakeupFd) -> None:
    """`wake()` makes the fd readable and is read as no signal."""
    wakeup_fd.wake()
    assert arrived(wakeup_fd) == []


def test_a_signal_notifies_in_the_main_thread() -> None:
    """The handler calls `notify` with the number, in the main thread."""
    notified: list[int] = []
    wakeup_fd = WakeupFd(lambda number: notified.extend((number, threading.get_ident())))
    wakeup_fd.handle({USR1})
    signal.raise_signal(USR1)
    assert notified == [USR1, threading.main_thread().ident]
    assert numbers(wakeup_fd.read(is_main=True)) == [USR1]
    wakeup_fd.handle(())
    wakeup_fd.forget()


def test_an_interruption_of_our_own_is_no_signal() -> None:
    """`interrupt` calls its function, notifies nobody, and is not read as a signal."""
    notified: list[int] = []
    called: list[str] = []
    wakeup_fd = WakeupFd(notified.append)
    wakeup_fd.handle({USR1})
    assert wakeup_fd.interrupt(lambda _frame: called.append("interrupted"))
    assert (called, notified) == (["interrupted"], [])
    assert wakeup_fd.read(is_main=True) == []
    signal.raise_signal(USR1)
    assert (notified, numbers(wakeup_fd.read(is_main=True))) == ([USR1], [USR1])
    wakeup_fd.handle(())
    wakeup_fd.forget()


def test_a_signal_beside_an_interruption_of_our_own_is_itself() -> None:
    """Where both are handled in one go, each is what it is."""
    notified: list[int] = []
    called: list[str] = []
    wakeup_fd = WakeupFd(notified.append)
    wakeup_fd.handle({signal.SIGUSR2})
    wakeup_fd.handle({signal.SIGUSR2, USR1})  # which has the smaller number, and is handled first
    found = signal.pthread_sigmask(signal.SIG_BLOCK, {USR1, signal.SIGUSR2})
    wakeup_fd.interrupt(lambda _frame: called.append("interrupted"))
    signal.raise_signal(USR1)
    signal.pthread_sigmask(signal.SIG_SETMASK, found)
    assert (called, notified) == (["interrupted"], [USR1])
    assert numbers(wakeup_fd.read(is_main=True)) == [USR1]
    wakeup_fd.handle(())
    wakeup_fd.forget()


def test_the_main_thread_is_not_blocked_by_another_reader() -> None:
    """While another thread reads, the main thread finds nothing and does not wait."""
    wakeup_fd = WakeupFd()
    wakeup_fd.handle({USR1})
    signal.raise_signal(USR1)
    with wakeup_fd._read_lock:
        assert wakeup_fd.read(is_main=True) == []
    assert numbers(wakeup_fd.read(is_main=True)) == [USR1]
    wakeup_fd.handle(())
    wakeup_fd.forget()


def test_what_the_watchdog_reads_stays_until_it_reads_again() -> None:
    """Signals that the watchdog reads stay on the fd for the guard until it reads again."""
    wakeup_fd = WakeupFd()
    wakeup_fd.handle({USR1})
    signal.raise_signal(USR1)
    with ThreadPoolExecutor(1) as watchdog:
        assert numbers(watchdog.submit(wakeup_fd.read, is_main=False).result()) == [USR1]
        assert select.select([wakeup_fd.fileno()], [], [], 0)[0]
        assert watchdog.submit(wakeup_fd.read, is_main=False).result() == []
        assert not select.select([wakeup_fd.fileno()], [], [], 0)[0]
        signal.raise_signal(USR1)
        assert numbers(watchdog.submit(wakeup_fd.read, is_main=False).result()) == [USR1]
    assert wakeup_fd.read(is_main=True) == []
    wakeup_fd.handle(())
    wakeup_fd.forget()


# --- the slot ---------------------------------------------------------------------------------


def test_the_fd_that_was_found_gets_its_bytes(wakeup_fd: WakeupFd, found: socket.socket) -> None:
    """Each byte is passed on once, those of other people's signals too."""

    def theirs(*_: object) -> None:
        """Do nothing."""

    before = signal.signal(USR2, theirs)
    try:
        wakeup_fd.handle({USR1})
        signal.raise_signal(USR1)
        signal.raise_signal(USR2)
        assert arrived(wakeup_fd) == [USR1, USR2]
        assert found.recv(16) == bytes([USR1, USR2])
    finally:
        signal.signal(USR2, before)


def test_the_fd_that_was_found_is_put_back(wakeup_fd: WakeupFd, found: socket.socket) -> None:
    """With no signal left to handle, the fd found is back in the slot and gets the last bytes."""
    before = slot()
    wakeup_fd.handle({USR1})
    assert slot() != before
    signal.raise_signal(USR1)
    wakeup_fd.handle(())
    assert slot() == before
    assert found.recv(16) == bytes([USR1])


def test_without_signals_the_slot_is_not_touched(wakeup_fd: WakeupFd, found: socket.socket) -> None:
    """With no signal to handle, the wakeup fd that was found stays where it is."""
    before = slot()
    wakeup_fd.handle(())
    wakeup_fd.reclaim()
    assert slot() == before


def test_a_slot_that_was_taken_is_taken_back(wakeup_fd: WakeupFd, found: socket.socket) -> None:
    """Somebody's `set_wakeup_fd` is chained, and its owner still gets the signals."""
    wakeup_fd.handle({USR1})
    ours = slot()
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        signal.raise_signal(USR1)  # noticed by the handler: delivered by it, and not twice to them
        assert slot() == ours
        assert arrived(wakeup_fd) == [USR1]
        assert reader.recv(16) == bytes([USR1])
        signal.set_wakeup_fd(-1)
        wakeup_fd.reclaim()
        assert slot() == ours
        wakeup_fd.handle(())


def test_a_slot_that_is_anothers_at_the_end_stays_theirs(wakeup_fd: WakeupFd) -> None:
    """A wakeup fd that somebody else has put in the slot by the end is not removed."""
    before = slot()
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        wakeup_fd.handle({USR1})
        signal.set_wakeup_fd(writer.fileno())
        wakeup_fd.handle(())
        assert slot() == writer.fileno()
        signal.set_wakeup_fd(before)


def test_a_number_that_was_reused_is_never_written(wakeup_fd: WakeupFd) -> None:
    """If the number of the fd found names a file by now, nothing is written to the file."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    number = writer.fileno()
    signal.set_wakeup_fd(number)
    wakeup_fd.handle({USR1})
    writer.detach()
    with reader, tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        signal.raise_signal(USR1)
        assert arrived(wakeup_fd) == [USR1]
        wakeup_fd.handle(())
        assert slot() == -1
        os.close(number)
        assert os.fstat(file.fileno()).st_size == 0
    signal.set_wakeup_fd(before)


def test_an_fd_that_was_closed_is_not_put_back(wakeup_fd: WakeupFd) -> None:
    """If the owner of the fd found has closed it, the slot is left empty."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    wakeup_fd.handle({USR1})
    reader.close()
    writer.close()
    wakeup_fd.handle(())
    assert slot() == -1
    signal.set_wakeup_fd(before)


def test_the_copy_of_the_chained_fd_is_closed(wakeup_fd: WakeupFd) -> None:
    """After the last signal no copy of the fd found stays open, read from or not."""
    before = slot()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    with reader, writer:
        signal.set_wakeup_fd(writer.fileno())
        fds = sorted(os.listdir("/dev/fd"))  # noqa: PTH208
        wakeup_fd.handle({USR1})
        wakeup_fd.handle(())
        assert sorted(os.listdir("/dev/fd")) == fds  # noqa: PTH208
        assert signal.set_wakeup_fd(before) == writer.fileno()


def test_an_unread_signal_is_returned_as_its_handler_is_put_back(
    wakeup_fd: WakeupFd, found: socket.socket
) -> None:
    """`handle` returns unread signals whose handlers it puts back; the fd found gets them."""
    wakeup_fd.handle({USR1, USR2})
    signal.raise_signal(USR1)
    assert numbers(wakeup_fd.handle({USR2})) == [USR1]
    signal.raise_signal(USR2)
    assert numbers(wakeup_fd.handle(())) == [USR2]
    assert found.recv(10) == bytes([USR1, USR2])
    assert wakeup_fd.handle(()) == []


def test_forget_leaves_nothing_behind() -> None:
    """`forget()` in a forked child leaves handlers, slot and fds as they were without us."""
    before, fds = slot(), len(list(Path("/dev/fd").iterdir()))
    wakeup_fd = WakeupFd()
    wakeup_fd.handle({USR1})
    wakeup_fd.forget()
    assert signal.getsignal(USR1) == signal.SIG_DFL
    assert slot() == before
    assert len(list(Path("/dev/fd").iterdir())) == fds


# --- in real processes ------------------------------------------------------------------------


@pytest.mark.process
def test_a_signal_given_to_another_thread_arrives() -> None:
    """A signal given to another thread makes the fd readable while the main thread sleeps on."""
    result = outcome(
        """
        import select, signal, threading, time
        from supervisor._signals.wakeup import WakeupFd

        wakeup_fd = WakeupFd()
        wakeup_fd.handle({signal.SIGTERM})
        may_end = threading.Event()
        thread = threading.Thread(target=may_end.wait)
        thread.start()
        main = threading.main_thread().ident

        def send():
            signal.pthread_kill(thread.ident, signal.SIGTERM)

        threading.Timer(0.05, send).start()
        is_ready = select.select([wakeup_fd.fileno()], [], [], 10)[0] != []
        print(is_ready, [number for number, _ in wakeup_fd.read(is_main=True)])
        may_end.set()
        """
    )
    assert (result.stdout, result.stderr) == ("True [15]\n", "")


@pytest.mark.process
def test_a_forked_child_has_none_of_it() -> None:
    """A signal to a forked child ends the child and does not reach the parent's supervisor."""
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
def test_a_signal_that_arrived_before_a_fork_is_the_parents() -> None:
    """A forked child shares the sockets and leaves unread signals to the parent."""
    result = outcome(
        """
        import os, signal
        from supervisor._signals.wakeup import WakeupFd

        wakeup_fd = WakeupFd()
        wakeup_fd.handle({signal.SIGUSR1})
        signal.raise_signal(signal.SIGUSR1)
        child = os.fork()
        if child == 0:
            wakeup_fd.forget()
            os._exit(0)
        os.waitpid(child, 0)
        print([number for number, _ in wakeup_fd.read(is_main=True)])
        """
    )
    assert (result.stdout, result.stderr) == ("[10]\n", "")


@pytest.mark.process
def test_ten_thousand_signals_do_no_harm() -> None:
    """A storm of signals arrives at least once, and the handlers are as found after it."""
    result = outcome(
        """
        import os, signal
        from supervisor._signals.wakeup import WakeupFd

        wakeup_fd = WakeupFd()
        wakeup_fd.handle({signal.SIGUSR1})
        for _ in range(10_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        print({number for number, _ in wakeup_fd.read(is_main=True)})
        wakeup_fd.handle(())
        print(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)
        """
    )
    assert (result.stdout, result.stderr) == ("{10}\nTrue\n", "")


# --- when a signal came -----------------------------------------------------------------------


def test_a_signal_has_the_time_at_which_it_was_read(wakeup_fd: WakeupFd) -> None:
    """Without a report of the guard a signal gets the time at which it is read."""
    wakeup_fd.handle({USR1})
    signal.raise_signal(USR1)
    before = time.monotonic()
    [(_, at)] = wakeup_fd.read(is_main=True)
    assert before <= at <= time.monotonic()


def test_a_reported_signal_has_the_time_at_which_it_came(wakeup_fd: WakeupFd) -> None:
    """A signal that the guard has reported has its time; another one has come since."""
    wakeup_fd.handle({USR1, USR2})
    wakeup_fd.read(is_main=True)
    came = time.monotonic()
    for number in (USR1, USR2):
        signal.raise_signal(number)
    looked = time.monotonic()
    wakeup_fd.arrival_reports = lambda: [ArrivalReport(looked, [came])]
    (one, first), (other, second) = wakeup_fd.read(is_main=True)
    assert (one, first, other) == (USR1, came, USR2)
    assert second >= looked


def test_a_report_from_before_the_last_read_is_ignored(wakeup_fd: WakeupFd) -> None:
    """A report made before the last read says nothing about what has come since."""
    wakeup_fd.handle({USR1})
    late = ArrivalReport(time.monotonic(), [time.monotonic()])
    wakeup_fd.read(is_main=True)
    signal.raise_signal(USR1)
    wakeup_fd.arrival_reports = lambda: [late]
    [(_, at)] = wakeup_fd.read(is_main=True)
    assert at > late.at


def test_a_report_counts_the_bytes_that_the_watchdog_left(wakeup_fd: WakeupFd) -> None:
    """The second signal does not get the time of the first, which is still on the fd."""
    wakeup_fd.handle({USR1})
    with ThreadPoolExecutor(1) as watchdog:
        signal.raise_signal(USR1)
        [(_, first)] = watchdog.submit(wakeup_fd.read, is_main=False).result()
        signal.raise_signal(USR1)
        came = time.monotonic()
        wakeup_fd.arrival_reports = lambda: [ArrivalReport(came, [first, came])]
        assert watchdog.submit(wakeup_fd.read, is_main=False).result() == [(USR1, came)]


def test_a_signal_that_the_guard_took_for_one_before_came_as_it_looked(
    wakeup_fd: WakeupFd,
) -> None:
    """A time before the last read is another signal's; this one was there when the guard looked."""
    wakeup_fd.handle({USR1})
    before = time.monotonic()
    wakeup_fd.read(is_main=True)
    signal.raise_signal(USR1)
    looked = time.monotonic()
    wakeup_fd.arrival_reports = lambda: [ArrivalReport(looked, [before])]
    [(_, at)] = wakeup_fd.read(is_main=True)
    assert at == looked
