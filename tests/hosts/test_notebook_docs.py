"""Each block of docs/notebooks.md is a cell that runs in a real kernel, and does what it says."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="needs a kernel")

from tests.hosts.kernels import Kernel, kernel

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(60)]

_PAGE = Path(__file__).parents[2] / "docs" / "notebooks.md"
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
    for code in re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL):
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
