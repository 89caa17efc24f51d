"""Ctrl-C stops a workflow of Microsoft's Agent Framework; the next start goes on with it.

.venv/bin/python examples/terminal/workflow.py    (press Ctrl-C; it says how to go on)
.venv/bin/python examples/terminal/workflow.py CHECKPOINT

The framework keeps a checkpoint after each superstep. `iterate` ends the workflow with every task
that it has started, and then its storage tells from which checkpoint to go on. On SIGTERM the
superstep is finished first, because of `boundary=`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from agent_framework import AgentResponseUpdate, FileCheckpointStorage

from examples.workflows import ends_superstep, report
from supervisor import Supervisor, run

FOLDER = Path(tempfile.gettempdir()) / "report-checkpoints"


async def main(sup: Supervisor) -> None:
    """Make the report, or go on with it."""
    storage = FileCheckpointStorage(FOLDER)
    workflow = report(storage)
    if sys.argv[1:]:
        stream = workflow.run(checkpoint_id=sys.argv[1], stream=True)
    else:
        stream = workflow.run("Tides", stream=True)

    making = sup.iterate(stream, boundary=ends_superstep)
    async for event in making:
        if isinstance(event.data, AgentResponseUpdate):
            print(event.data.text, end="", flush=True)
        elif event.type == "executor_completed":
            print(flush=True)

    if making.stop_request is None:
        print("The report is done.")
        return
    kept = await storage.get_latest(workflow_name=workflow.name)
    go_on = f" {kept.checkpoint_id}" if kept else ""
    print(f"\n{making.stop_request.reason}. To go on: python {sys.argv[0]}{go_on}", flush=True)


run(main)
