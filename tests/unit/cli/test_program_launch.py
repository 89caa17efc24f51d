"""How the errors of a program are shown that is run as it is."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from supervisor._cli.program.blocks import Block, Blocks
from supervisor._cli.program.launch import _limited, _show, _show_in_thread
from supervisor._cli.program.program_stop import ProgramStop
from supervisor._supervisor import nesting


def test_a_hook_for_exceptions_may_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status is that of the program, as in Python."""

    def leave(*_: object) -> None:
        sys.exit(5)

    with monkeypatch.context() as patched:
        patched.setattr(sys, "excepthook", leave)
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            patched.setattr(sys, name, None, raising=False)
        with pytest.raises(SystemExit, match="5"):
            _show(ValueError())


def test_an_error_of_a_thread_may_have_no_exception() -> None:
    """A program that calls the hook by itself may give the type alone."""
    shown: list[threading.ExceptHookArgs] = []
    args = threading.ExceptHookArgs((ValueError, None, None, None))
    _show_in_thread(shown.append, args)
    assert shown == [args]


def test_a_time_limit_stops_what_is_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any thread; then nobody is interrupted."""
    monkeypatch.setattr(nesting, "on_enter", None)
    blocks = Blocks(ProgramStop(), is_limited=True)
    has_begun = threading.Event()
    reasons: list[str] = []

    async def body(block: Block[None]) -> None:
        asyncio.get_running_loop().call_soon(has_begun.set)
        try:
            await asyncio.sleep(60)
        finally:
            request = block.supervisor.stop_request
            reasons.append(request.reason if request is not None else "no stop")

    def run() -> None:
        block: Block[None] = blocks.new()
        asyncio.run(block.run(body(block)))
        block.conclude()

    thread = threading.Thread(target=run)
    thread.start()
    assert has_begun.wait(30)
    with _limited(0.001, blocks):
        thread.join()
    assert reasons == ["Stopped after 0.001 s"]
    assert blocks.stop.is_timed_out
