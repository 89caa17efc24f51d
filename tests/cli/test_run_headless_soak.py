"""The headless contract, for each way to end on both loops, and for a stop at any moment."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence

import pytest

from tests.cli.headless import headless
from tests.seeds import seed

pytestmark = [pytest.mark.process, pytest.mark.soak]

_QUICK = ("--drain", "0.1", "--cancel", "0.3", "--abandon", "0.3")
_INT, _TERM, _KILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
_ROUNDS = 25


@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("output", ["json", "stream-json"])
@pytest.mark.parametrize(
    ("target", "options", "number", "status"),
    [
        ("answering", (), None, "finished"),
        ("failing", (), None, "failed"),
        ("unmade", (), None, "failed"),
        ("asking", (), None, "failed"),
        ("waiting", ("--timeout", "0.5"), None, "timed_out"),
        ("waiting", (), _INT, "stopped"),
        ("waiting", ("--drain", "0.1"), _TERM, "stopped"),
        ("refusing", ("--cancel", "0.3", "--abandon", "20"), _INT, "abandoned"),
        ("blocking", _QUICK, _INT, "forced"),
        ("blocking", _QUICK, _TERM, "forced"),
        ("waiting", (), _KILL, "killed"),
        ("blocking", (), _KILL, "killed"),
    ],
)
def test_each_way_to_end(
    target: str,
    options: Sequence[str],
    number: signal.Signals | None,
    status: str,
    output: str,
    loop: str,
) -> None:
    """The last line is the result, and it agrees with the exit status."""
    with headless(target, *options, "--loop", loop, output=output) as run:
        if number is not None:
            run.until_busy()
            run.signal(number)
        ended = run.end()
    assert ended.result["status"] == status


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [_INT, _TERM])
@pytest.mark.parametrize("output", ["json", "stream-json"])
def test_a_stop_at_any_moment(number: signal.Signals, output: str) -> None:
    """From the start of Python to the end of the process, each stop is told as it has ended."""
    moment = random.Random(seed("SOAK_SEED"))
    began = time.monotonic()
    with headless("answering", output=output) as run:
        run.end()
    seconds = time.monotonic() - began
    for _ in range(_ROUNDS):
        with headless("answering", output=output) as run:
            time.sleep(moment.uniform(0, seconds))  # the moment is what is drawn
            run.signal(number)
            ended = run.end()
        if ended.lines:
            assert ended.result["status"] in ("finished", "stopped")
        else:  # before our first line
            assert ended.status in (-number, 1)
