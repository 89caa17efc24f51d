"""Programs that inherit blocked signals through `exec`."""

from __future__ import annotations

import signal

import pytest

from tests.process.guarded import on_each_loop, program

pytestmark = [pytest.mark.process]

_BLOCKED = """
if sys.argv[1:] != ["again"]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})
    os.execv(sys.executable, [*sys.orig_argv, "again"])
mask = lambda: sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
found = mask()
assert signal.SIGTERM in found
"""


def _program(script: str) -> str:
    return _BLOCKED + script


@on_each_loop
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_the_parent_has_blocked_is_heard_under_run(
    loop: str, number: signal.Signals
) -> None:
    """A blocked signal stops the program in order under `run`, and the status is true."""
    script = f"""
async def main(sup):
    tell("ready")
    request = await sup.wait_stop()
    tell(request.reason)
run(main, loop={loop!r})
"""
    with program(_program(script)) as it:
        it.until("ready")
        it.signal(number)
        it.until(f"Stopped by {number.name}")
        assert it.wait() == -number
        assert it.stderr == b""


def test_one_that_came_before_is_heard_as_run_begins() -> None:
    """A signal that came before `run` was kept by the kernel, and stops the program."""
    script = """
async def main(sup):
    tell((await sup.wait_stop()).reason)
os.kill(os.getpid(), signal.SIGTERM)
tell("ready")
run(main)
"""
    with program(_program(script)) as it:
        it.until("ready")
        assert it.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    "how", ["return", "raise SystemExit", "os.kill(os.getpid(), signal.SIGTERM)"]
)
def test_the_mask_is_as_found_behind_run(how: str) -> None:
    """The mask is as found after `run`, even if the program goes on after a stop."""
    script = f"""
async def main(sup):
    assert signal.SIGTERM not in mask()
    {how}
try:
    run(main, stop_status=0)
except SystemExit:
    pass
assert mask() == found
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
tell("as found")
"""
    with program(_program(script)) as it:
        it.until("as found")
        assert it.wait() == 0


def test_the_reports_are_heard_too() -> None:
    """SIGUSR1 writes its report, even if it was blocked."""
    script = """
async def main(sup):
    tell("ready")
    await sup.wait_stop()
run(main)
"""
    with program(_program(script)) as it:
        it.until("ready")
        it.signal(signal.SIGUSR1)
        assert it._process.stderr is not None
        assert b"Supervisor" in it._process.stderr.readline()
        it.signal(signal.SIGTERM)
        assert it.wait() == -signal.SIGTERM


def test_a_block_says_once_that_it_is_deaf() -> None:
    """A block warns once, and leaves the signals to a thread of the program that waits for them."""
    script = """
async def main():
    for _ in range(2):
        async with Supervisor() as sup:
            tell("ready")
            number = await asyncio.to_thread(signal.sigwait, {signal.SIGTERM})
            tell(f"{number.name} {sup.stop_request}")
asyncio.run(main())
"""
    with program(_program(script)) as it:
        for _ in range(2):
            it.until("ready")
            it.signal(signal.SIGTERM)
            it.until("SIGTERM None")
        assert it.wait() == 0
        (line,) = it.stderr.splitlines()
        assert line.startswith(b"supervisor: blocked in the main thread")
        assert b": SIGINT, SIGTERM; unblock with signal.pthread_sigmask()" in line


def test_a_block_that_hears_says_nothing() -> None:
    """A block that handles no blocked signal writes no warning."""
    script = """
async def main():
    async with Supervisor(signals={"SIGHUP": "CANCEL"}):
        await asyncio.sleep(0)
asyncio.run(main())
"""
    with program(_program(script)) as it:
        assert it.wait() == 0
        assert it.stderr == b""
