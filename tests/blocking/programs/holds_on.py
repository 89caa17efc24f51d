"""Runs a team under `run` that uses a tool server or a script which does not end.

python -m tests.blocking.programs.holds_on LOOP tools|script FIFO FOLDER    the FIFO is told more
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from supervisor import Ladder, Supervisor, run
from tests.blocking.programs.facts import tell

_SCRIPT = """```python
import json, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
with open({fifo!r}, "w") as told:
    print(json.dumps({{"fact": "called", "pid": os.getpid(), "child": child.pid}}), file=told)
child.wait()
```"""


def _with_tools(fifo: str) -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
        McpWorkbench,
        StdioServerParams,
    )

    from supervisor.testing import ScriptedModel, calls

    arguments = ["-m", "tests.blocking.programs.mcp_server", fifo]
    # Starting it, a busy machine may need more than AutoGen's five seconds.
    server = StdioServerParams(
        command=sys.executable, args=arguments, env=dict(os.environ), read_timeout_seconds=30
    )
    model = ScriptedModel([calls(("wait", {"key": "a"}))])
    return AssistantAgent("caller", model, workbench=McpWorkbench(server))


def _with_script(folder: str) -> Any:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

    return CodeExecutorAgent("coder", LocalCommandLineCodeExecutor(work_dir=Path(folder)))


async def main(sup: Supervisor) -> None:
    """Run a team of one."""
    from autogen_agentchat.teams import RoundRobinGroupChat

    kind, fifo, folder = sys.argv[2:]
    agent = _with_tools(fifo) if kind == "tools" else _with_script(folder)
    team = RoundRobinGroupChat([agent], max_turns=1)
    result = await sup.stream(team, _SCRIPT.format(fifo=fifo))
    tell("result", reason=result.stop_reason)


if __name__ == "__main__":
    loop: Any = sys.argv[1]
    run(main, loop=loop, ladder=Ladder(drain=0.2, cancel=4, abandon=4))
