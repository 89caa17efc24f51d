"""The signal handlers: what is installed, taken again and put back."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import Any

import pytest

from supervisor._signals.handlers import SignalHandlers
from supervisor._signals.wakeup import WakeupFd
from tests.unit.signals.wakeups import arrived, outcome, slot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

USR1, USR2 = signal.SIGUSR1, signal.SIGUSR2


def test_it_handles_exactly_the_signals_it_is_given(wakeup_fd: WakeupFd) -> None:
    """Signals that are named are handled; those no longer named get back the handler found."""

    def mine(*_: object) -> None:
        pytest.fail("the handler that was found was called")

    before = signal.signal(USR1, mine)
    try:
        wakeup_fd.handle({USR1})
        assert wakeup_fd.signals == {USR1}
        wakeup_fd.handle({USR1, USR2})
        wakeup_fd.handle({USR2})
        assert signal.getsignal(USR1) is mine
        wakeup_fd.handle(())
        assert wakeup_fd.signals == frozenset()
        assert signal.getsignal(USR2) == signal.SIG_DFL
    finally:
        signal.signal(USR1, before)


def test_a_runner_that_is_over_gets_no_handler_back() -> None:
    """Where `asyncio.run` has ended meanwhile, SIGINT is Python's own again, as without us."""

    def ours(*_: object) -> None:
        """Do nothing."""

    handlers = SignalHandlers(ours)

    async def left_open() -> None:
        handlers.install(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(left_open())
        handlers.put_back(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_foreign_handler_is_left_to_its_owner(wakeup_fd: WakeupFd) -> None:
    """A handler that somebody sets over ours is neither taken back nor replaced at the end."""

    def theirs(*_: object) -> None:
        """Do nothing."""

    wakeup_fd.handle({USR1})
    signal.signal(USR1, theirs)
    try:
        wakeup_fd.reclaim()
        assert signal.getsignal(USR1) is theirs
        wakeup_fd.handle(())
        assert signal.getsignal(USR1) is theirs
    finally:
        signal.signal(USR1, signal.SIG_DFL)


def test_a_reset_handler_is_installed_again(wakeup_fd: WakeupFd) -> None:
    """A handler that a loop has reset to SIG_DFL is installed again."""
    wakeup_fd.handle({USR1})
    signal.signal(USR1, signal.SIG_DFL)
    wakeup_fd.reclaim()
    signal.raise_signal(USR1)
    assert arrived(wakeup_fd) == [USR1]
    wakeup_fd.handle(())
    assert signal.getsignal(USR1) == signal.SIG_DFL


def test_outside_the_main_thread_nothing_is_touched(wakeup_fd: WakeupFd) -> None:
    """In another thread `handle` and `reclaim` do nothing and raise nothing."""

    def elsewhere() -> None:
        wakeup_fd.handle({USR1})
        wakeup_fd.reclaim()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert wakeup_fd.signals == frozenset()
    assert signal.getsignal(USR1) == signal.SIG_DFL


@pytest.mark.parametrize("first", [USR1, USR2])
def test_if_a_handler_found_raises_the_rest_can_still_be_put_back(
    wakeup_fd: WakeupFd, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """If a handler raises as soon as it is back, a second call puts back the rest."""

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
        wakeup_fd.handle({USR1, USR2})
        with monkeypatch.context() as patch:
            patch.setattr(signal, "signal", put_and_raise)
            with pytest.raises(LookupError):
                wakeup_fd.handle(())
        wakeup_fd.handle(())
        assert [signal.getsignal(number) for number in (USR1, USR2)] == [mine, mine]
        assert (slot(), wakeup_fd.signals) == (before, frozenset())
    finally:
        for number, handler in zip((USR1, USR2), had, strict=True):
            put(number, handler)


@pytest.mark.process
def test_a_handler_set_by_c_code_is_put_back() -> None:
    """A C handler, as faulthandler sets it, is back after its signal was handled by us."""
    result = outcome(
        """
        import faulthandler, signal, sys
        from supervisor._signals.wakeup import WakeupFd

        faulthandler.register(signal.SIGUSR1, file=sys.stdout, all_threads=False)
        wakeup_fd = WakeupFd()
        wakeup_fd.handle({signal.SIGUSR1})
        signal.raise_signal(signal.SIGUSR1)
        print([number for number, _ in wakeup_fd.read(is_main=True)], flush=True)
        wakeup_fd.handle(())
        signal.raise_signal(signal.SIGUSR1)
        """
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[10]\n")
    assert "most recent call first" in result.stdout


def test_a_default_that_was_found_is_not_called(wakeup_fd: WakeupFd) -> None:
    """A handler above ours that chains to us, once we have left, finds nobody behind us."""
    found = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    wakeup_fd.handle({signal.SIGUSR1})
    ours = wakeup_fd.handler
    wakeup_fd.handle(())
    ours(signal.SIGUSR1, None)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    signal.signal(signal.SIGUSR1, found)
