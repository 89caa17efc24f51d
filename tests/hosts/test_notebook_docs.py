"""The page and the example of notebooks: each cell runs in a real kernel, and does what it says."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipykernel", reason="needs a kernel")

from scripts.docs.fences import blocks_of
from tests.hosts.kernels import Kernel, kernel

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(60)]

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "guide" / "notebooks.md"
_EXAMPLE = _ROOT / "examples" / "notebook" / "interrupt.ipynb"
_SETUP = """
from tests.hosts.notebook_setup import *
from supervisor.testing import ScriptedAgent
def write(messages, token):
    print("BEGUN", flush=True)
    return waiting() if "novel" in messages[-1].content and not stopped else "Done."
async def waiting():
    stopped.append(True)
    await asyncio.sleep(3600)
stopped = []
team = RoundRobinGroupChat([ScriptedAgent("writer", write)], max_turns=1)
"""


@pytest.fixture
def page(tmp_path: Path) -> Generator[Kernel]:
    """Return a kernel with the team that the page speaks of."""
    with kernel(tmp_path) as started:
        assert started.run(_SETUP).error is None
        yield started


def test_each_block_does_what_it_says(page: Kernel) -> None:
    """A cell at which the page presses the button is interrupted, and the next goes on."""
    blocks = blocks_of(_PAGE.read_text())
    for code in (block.text for block in blocks if block.language == "python"):
        is_pressed = "press ■" in code or "create_task" in code
        if is_pressed:
            page.run("stopped.clear()")
        cell = page.begin(code)
        if is_pressed:
            cell.until("BEGUN")
            page.interrupt()
        shown = cell.ended()
        assert shown.error is None, shown.traceback
        assert shown.stderr == ""
        if "create_task" in code:
            page.run("result = await task")
        if "result" in code:
            reason = page.run("print(result.stop_reason)").stdout.strip()
            assert (reason == "Stopped by SIGINT") == is_pressed, code


@pytest.mark.soak
def test_the_example_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    """It has no outputs in it; the third cell says what the second one has not."""
    cells = json.loads(_EXAMPLE.read_text())["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in cells)
    with kernel(tmp_path, cwd=_EXAMPLE.parent) as started:
        assert started.run(codes[0]).error is None
        cell = started.begin(codes[1])
        cell.until("number 3")
        started.interrupt()
        assert "Stopped by SIGINT" in cell.ended().stdout
        assert "number 13." in started.run(codes[2]).stdout


@pytest.mark.soak
def test_a_time_limit_of_nbclient_ends_the_run() -> None:
    """With `interrupt_on_timeout` the next cell has the result."""
    nbclient = pytest.importorskip("nbclient")
    nbformat: Any = pytest.importorskip("nbformat")
    codes = [_SETUP, "result = await supervise(make(dig), 'Go')", "print(result.stop_reason)"]
    codes[0] += "\nfrom supervisor import supervise"
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=15, interrupt_on_timeout=True).execute()
    assert notebook.cells[-1].outputs[0].text == "Stopped by SIGINT\n"
