"""Fifty interrupts in a row, in each state of a notebook, with ipykernel 7 and 6."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

import psutil
import pytest

pytest.importorskip("ipykernel", reason="needs a kernel")

from tests.hosts.kernels import Kernel
from tests.hosts.test_notebooks import (
    IN_BACKGROUND,
    assert_as_found,
    assert_stopped,
    begun,
    has_ended,
    interrupted,
    run_of,
)
from tests.hosts.versions import python_with

pytestmark = [
    pytest.mark.soak,
    pytest.mark.process,
    pytest.mark.blocks,
    pytest.mark.timeout(600),
]

TIMES: Final = 50


@pytest.fixture(scope="module", params=["ipykernel 7", "ipykernel 6"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter with this ipykernel, and all else that there is here."""
    if request.param == "ipykernel 7":
        return sys.executable
    own = python_with("ipykernel<7", tmp_path_factory.mktemp("ipykernel-6"))
    if own is None:
        pytest.skip("ipykernel 6 cannot be installed here")
    return own


@pytest.fixture(scope="module")
def soaked(python: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Kernel]:
    """Return a kernel that is interrupted again and again."""
    yield from begun(tmp_path_factory.mktemp("kernel"), python=python)


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_a_tool_at_work(soaked: Kernel, presses: int) -> None:
    """Each run has its result, and each time the kernel is as before."""
    for _ in range(TIMES):
        assert_stopped(interrupted(soaked, run_of("dig"), presses))
        assert_as_found(soaked)


def test_a_tool_that_blocks(soaked: Kernel) -> None:
    """It is interrupted each time."""
    for _ in range(TIMES):
        shown = interrupted(soaked, run_of("block", "ladder=Ladder(cancel=0.1, abandon=5)"))
        assert (shown.error, shown.stdout.split("\n")[1]) == (None, "Stopped by SIGINT")
        assert_as_found(soaked)


def test_a_team_that_refuses(soaked: Kernel) -> None:
    """It is quarantined each time, and the kernel lives."""
    for _ in range(TIMES):
        shown = interrupted(soaked, run_of("refuse", "ladder=Ladder(cancel=0.1, abandon=0.1)"))
        assert (shown.error, shown.stderr) == ("Quarantined", "")
        assert_as_found(soaked)
        soaked.run("refuser_may_end.set(); refuser_may_end.clear()")


def test_supervise(soaked: Kernel) -> None:
    """A cell with one run and no block is interrupted in the same way."""
    soaked.run("from supervisor import supervise")
    for _ in range(TIMES):
        cell = "print((await supervise(make(dig), 'Go')).stop_reason)"
        assert_stopped(interrupted(soaked, cell))
        assert_as_found(soaked)


def test_a_block_that_is_kept_open(soaked: Kernel) -> None:
    """It hears each interrupt of fifty cells."""
    soaked.run("kept = await Supervisor().__aenter__()")
    for _ in range(TIMES):
        cell = "print((await kept.stream(make(dig), 'Go')).stop_reason)"
        assert_stopped(interrupted(soaked, cell))
        assert_as_found(soaked)
    soaked.run("await kept.__aexit__(None, None, None)")
    assert_as_found(soaked)


def test_runs_in_the_background(soaked: Kernel) -> None:
    """Each ends at an interrupt between two cells."""
    for _ in range(TIMES):
        cell = soaked.begin(IN_BACKGROUND)
        cell.until("BEGUN")
        while soaked.ignores_sigint():
            pass
        soaked.interrupt()
        cell.until("Stopped by SIGINT")
        soaked.run("await task")
        assert_as_found(soaked)


@pytest.mark.parametrize(
    "start", ["asyncio.run(main())", "asyncio.get_event_loop().run_until_complete(main())"]
)
def test_nested_loops(python: str, tmp_path: Path, start: str) -> None:
    """Under nest_asyncio, which ipykernel 6 brings, the same."""
    main = f"async def main():\n{textwrap.indent(run_of('dig'), '    ')}"
    for started in begun(tmp_path, python=python):
        started.run("import nest_asyncio\nnest_asyncio.apply()")
        for _ in range(TIMES):
            assert_stopped(interrupted(started, f"{main}\n{start}"))
            assert_as_found(started)


@pytest.mark.parametrize("tool", ["dig", "block", "refuse"])
@pytest.mark.parametrize("end", [Kernel.restart, Kernel.shut_down])
def test_the_kernel_is_ended_during_a_run(
    python: str, tmp_path: Path, tool: str, end: Callable[[Kernel], None]
) -> None:
    """It is gone within five seconds, and so is what it has started."""
    start = "import subprocess\nprint(subprocess.Popen(['sleep', '3600']).pid)\n"
    for number in range(3):
        (folder := tmp_path / str(number)).mkdir()
        for started in begun(folder, python=python):
            cell = started.begin(start + run_of(tool))
            cell.until("BEGUN")
            child = psutil.Process(int(cell.shown.stdout.split()[0]))
            first = psutil.Process(started.pid)
            asked = time.monotonic()
            end(started)
            first.wait(5 - (time.monotonic() - asked))
            assert has_ended(child)
