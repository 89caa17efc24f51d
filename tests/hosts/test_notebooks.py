"""In a Jupyter kernel an interrupt ends the runs, and leaves kernel, variables and cells as before.

The kernels are real, and are interrupted as by the button of a notebook: SIGINT to their group.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO

import pytest

pytest.importorskip("ipykernel", reason="needs a kernel")

import psutil

from tests.hosts.kernels import Kernel, Shown, kernel

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(60)]

_SETUP = """
from supervisor import Ladder, Quarantined, Supervisor
from tests.hosts.notebook_setup import *
import asyncio, time
before = 41
"""
_OF_CELL = "IPythonKernel._cancel_on_sigint.<locals>.handle_sigint"
_FAST = "ladder=Ladder(cancel=0.3, abandon=0.5)"


def begun(folder: Path, *, python: str = sys.executable) -> Generator[Kernel]:
    """Start a kernel, and run the first cell in it."""
    with kernel(folder, python=python) as started:
        shown = started.run(_SETUP)
        assert shown.error is None, shown.traceback
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Kernel]:
    """Return a kernel, for tests that leave it as it was."""
    yield from begun(tmp_path_factory.mktemp("kernel"))


@pytest.fixture
def own(tmp_path: Path) -> Generator[Kernel]:
    """Return a kernel that the test may end, or change for good."""
    yield from begun(tmp_path)


def run_of(tool: str, settings: str = "") -> str:
    """Return a cell in which a team calls a tool, and which prints why it has ended."""
    return textwrap.dedent(
        f"""
        team = make({tool})
        async with Supervisor({settings}) as sup:
            result = await sup.stream(team, "Go")
        print(result.stop_reason)
        """
    )


def interrupted(kernel: Kernel, code: str, times: int = 1) -> Shown:
    """Run a cell, and interrupt it once it has said BEGUN."""
    cell = kernel.begin(code)
    cell.until("BEGUN")
    for _ in range(times):
        kernel.interrupt()
    return cell.ended()


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, waited for or not."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def assert_stopped(shown: Shown) -> None:
    """Check that a cell has shown why the run was stopped, and nothing else of it."""
    assert (shown.error, shown.stderr) == (None, ""), shown
    assert shown.stdout.splitlines() == ["BEGUN", "Stopped by SIGINT"]


def assert_as_found(kernel: Kernel) -> None:
    """Check that the kernel's own handlers are in place: in a cell that awaits, and at idle."""
    shown = kernel.run("await asyncio.sleep(0); print(before + 1, read_handler())")
    assert shown.stdout.split() == ["42", _OF_CELL]
    deadline = time.monotonic() + 10
    while not kernel.ignores_sigint():
        assert time.monotonic() < deadline, "at idle the kernel handles SIGINT"


_GOES_ON = """
async with Supervisor() as sup:
    print((await sup.stream(team)).messages[-1].content)
"""


@pytest.mark.parametrize(
    "times", [5, *(pytest.param(times, marks=pytest.mark.soak) for times in (1, 2))]
)
def test_interrupts_end_the_run_and_nothing_else(shared: Kernel, times: int) -> None:
    """The run has a normal result, the kernel all that it had, and the next cell goes on."""
    assert_stopped(interrupted(shared, run_of("dig"), times))
    assert_as_found(shared)
    assert shared.run(_GOES_ON).stdout.strip() == "Done."


def test_a_tool_that_blocks_the_loop_is_interrupted(shared: Kernel) -> None:
    """The run has its result, and stderr says what has blocked the loop."""
    cell = shared.begin(run_of("block", _FAST))
    cell.until("BEGUN")
    shared.interrupt()
    shown = cell.ended()
    assert (shown.error, shown.stdout.split("\n")[1]) == (None, "Stopped by SIGINT")
    cell.until("block (")
    assert "the event loop is blocked" in shown.stderr
    assert_as_found(shared)


def test_a_team_that_refuses_is_quarantined(shared: Kernel) -> None:
    """The cell shows its own line, and one that says so; the kernel goes on."""
    shown = interrupted(shared, run_of("refuse", _FAST))
    assert shown.error == "Quarantined"
    assert shown.message.startswith(
        "the team 'RoundRobinGroupChat' is quarantined: 'digger' refused"
    )
    assert shown.stderr == ""
    assert sum("/supervisor/" in frame for frame in shown.traceback) == 1  # its last frame
    assert_as_found(shared)
    shared.run("refuser_may_end.set()")


def test_a_block_that_is_kept_open_hears_each_cell(shared: Kernel) -> None:
    """Each run of each cell is interrupted; behind it the handler is the kernel's again."""
    assert shared.run("sup = await Supervisor().__aenter__()").error is None
    for _ in range(2):
        cell = "print((await sup.stream(make(dig), 'Go')).stop_reason)\nprint(read_handler())"
        shown = interrupted(shared, cell)
        assert shown.stdout.splitlines() == ["BEGUN", "Stopped by SIGINT", _OF_CELL]
        assert_as_found(shared)
    assert shared.run("await sup.__aexit__(None, None, None)").error is None
    assert_as_found(shared)


def test_an_interrupt_in_the_next_cell_leaves_a_block_that_is_kept_open(shared: Kernel) -> None:
    """With no cell between, it is a KeyboardInterrupt, and the block takes a run as before."""
    for _ in range(2):
        opens = shared.begin("sup = await Supervisor().__aenter__()")
        blocks = shared.begin("print('BEGUN', flush=True); time.sleep(1000)")
        runs = shared.begin("print((await sup.stream(make(), 'Go')).stop_reason, sup.rung.name)")
        blocks.until("BEGUN")
        shared.interrupt()
        assert opens.ended().error is None
        assert blocks.ended().error == "KeyboardInterrupt"
        shown = runs.ended()
        assert (shown.error, shown.stdout.split()[-1]) == (None, "RUNNING"), shown
        assert shared.run("await sup.__aexit__(None, None, None)").error is None
        assert_as_found(shared)


def test_a_block_hears_beside_one_that_was_left_open(shared: Kernel) -> None:
    """A block that somebody has forgotten to close takes no interrupt from another."""
    shared.run("forgotten = await Supervisor().__aenter__()")
    assert_stopped(interrupted(shared, run_of("dig")))
    assert_as_found(shared)
    shared.run("await forgotten.__aexit__(None, None, None)")
    assert_as_found(shared)


IN_BACKGROUND = f"""
async def in_background():
    {textwrap.indent(run_of("dig"), "    ")}
task = asyncio.create_task(in_background())
"""


def test_an_interrupt_between_cells_ends_a_run_in_the_background(shared: Kernel) -> None:
    """What the kernel ignores while it is idle was not ignored when the process started."""
    cell = shared.begin(IN_BACKGROUND)
    cell.until("BEGUN")
    while shared.ignores_sigint():
        pass
    shared.interrupt()
    cell.until("Stopped by SIGINT")
    assert shared.run("await task; print(task.done())").stdout.strip() == "True"
    assert_as_found(shared)


def test_a_run_in_the_background_ends_during_a_later_cell(shared: Kernel) -> None:
    """The cell puts our handler back, which it has found; the kernel's idle is as before."""
    cell = shared.begin(IN_BACKGROUND)
    cell.until("BEGUN")
    while shared.ignores_sigint():
        pass
    assert shared.run("task.cancel(); await asyncio.wait([task])").error is None
    assert_as_found(shared)


def test_another_cell_stops_the_run_of_a_subshell(shared: Kernel) -> None:
    """No interrupt comes there, which is said; a stop from another cell does."""
    subshell = shared.ask_control("create_subshell_request")["subshell_id"]
    aside = run_of("dig").replace("as sup", "as aside").replace("sup.", "aside.")
    cell = shared.begin(aside, subshell=subshell)
    cell.until("BEGUN")
    shared.interrupt()
    shared.run("aside.stop('From another cell')")
    shown = cell.ended()
    assert shown.stdout.splitlines() == ["BEGUN", "From another cell"]
    cell.until("subshell")
    shared.ask_control("delete_subshell_request", {"subshell_id": subshell})


def test_the_console_of_autogen_shows_an_interrupted_run(shared: Kernel) -> None:
    """It prints the events, and returns the result."""
    cell = """
from autogen_agentchat.ui import Console
async with Supervisor() as sup:
    result = await Console(sup.stream(make(dig), "Go"))
print(result.stop_reason)
"""
    shown = interrupted(shared, cell)
    assert (shown.error, shown.stderr) == (None, "")
    assert shown.stdout.splitlines()[-1] == "Stopped by SIGINT"
    assert "---------- TextMessage (user) ----------" in shown.stdout


def test_restarted_during_a_run(own: Kernel) -> None:
    """The kernel is gone in time, although a tool blocks it, and so is what it has started."""
    start = "import subprocess\nchild = subprocess.Popen(['sleep', '3600'])\n"
    cell = own.begin(start + "print(child.pid)\n" + run_of("block"))
    cell.until("BEGUN")
    child = psutil.Process(int(cell.shown.stdout.split()[0]))
    first = psutil.Process(own.pid)
    asked = time.monotonic()
    own.restart()
    assert not first.is_running()
    assert has_ended(child)
    assert time.monotonic() - asked < 10  # five seconds, and the start of the next one
    assert own.run("1 + 1").value == "2"


def test_nested_loops(own: Kernel) -> None:
    """Under nest_asyncio a cell may run a loop of its own, and is interrupted as well."""
    own.run("import nest_asyncio\nnest_asyncio.apply()")
    main = f"async def main():\n{textwrap.indent(run_of('dig'), '    ')}"
    for start in ("asyncio.run(main())", "asyncio.get_event_loop().run_until_complete(main())"):
        assert_stopped(interrupted(own, f"{main}\n{start}"))
        assert_as_found(own)


@pytest.mark.soak
def test_a_tool_server_lives_through_an_interrupt(shared: Kernel, tmp_path: Path) -> None:
    """A call to it is interrupted with the run, and the same server answers the next run."""
    pytest.importorskip("mcp", reason="needs the extra `mcp`")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    started = shared.run(f"""
import os, sys
from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams
from supervisor.testing import ScriptedModel, calls
server = ["-m", "tests.blocking.programs.mcp_server", {str(fifo)!r}]
workbench = McpWorkbench(StdioServerParams(command=sys.executable, args=server, cwd=os.getcwd()))
await workbench.start()
def asker(tool):
    model = ScriptedModel([calls((tool, {{"key": "b"}})), "Done."])
    return AssistantAgent("asker", model, workbench=workbench)
""")
    assert started.error is None, started.traceback
    run = """
async with Supervisor() as sup:
    result = await sup.stream(asker({tool!r}), "Go")
print(result.stop_reason, result.messages[-1].to_text())
"""
    with os.fdopen(os.open(fifo, os.O_RDWR)) as facts:
        cell = shared.begin(run.format(tool="wait"))
        (server,) = {fact["pid"] for fact in _until(facts, "called")}
        shared.interrupt()
        assert "Stopped by SIGINT" in cell.ended().stdout
        answer = shared.run(run.format(tool="look_up"))
        assert "found b" in answer.stdout, answer
        assert {fact["pid"] for fact in _until(facts, "called")} == {server}
        assert shared.run("await workbench.stop()").error is None
    assert_as_found(shared)


def _until(facts: TextIO, wanted: str) -> Generator[dict[str, Any]]:
    for line in facts:
        fact: dict[str, Any] = json.loads(line)
        yield fact
        if fact["fact"] == wanted:
            return


def test_code_of_an_executor_that_is_interrupted_fails_no_run(
    shared: Kernel, tmp_path: Path
) -> None:
    """The kernel's whole process group gets the interrupt; what that ends is part of the stop."""
    shown = interrupted(
        shared,
        f"""
import os, warnings
from autogen_agentchat.agents import CodeExecutorAgent
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor
warnings.simplefilter("ignore")
executor = LocalCommandLineCodeExecutor(work_dir={str(tmp_path)!r})
coder = CodeExecutorAgent("coder", executor, supported_languages=["python"])
code = "```python\\nimport time\\nopen('begun', 'w').close()\\ntime.sleep(3600)\\n```"
async def tell():
    while not os.path.exists({str(tmp_path / "begun")!r}):
        await asyncio.sleep(0.01)
    print("BEGUN", flush=True)
telling = asyncio.create_task(tell())
async with Supervisor() as sup:
    result = await sup.stream(coder, code)
print(result.stop_reason)
""",
    )
    assert_stopped(shown)
    assert_as_found(shared)
