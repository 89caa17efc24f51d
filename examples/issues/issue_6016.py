"""#6016: Docker Code Executor should be Cancellable.

AutoGen's Docker executor is by now. Its local one goes on with the code after a cancellation.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

from supervisor import Supervisor

warnings.simplefilter("ignore", UserWarning)  # that code runs here, outside a container
SLEEP = TextMessage(content="```sh\necho $$ > pid\nexec sleep 60\n```", source="user")


def executor_in(folder: str) -> CodeExecutorAgent:
    """Make an agent that runs code in a folder."""
    return CodeExecutorAgent("runner", LocalCommandLineCodeExecutor(work_dir=folder))


async def pid_in(folder: str) -> int:
    """Wait until the code runs, and return its process id."""
    file = Path(folder) / "pid"
    while not (file.exists() and file.read_text().endswith("\n")):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return int(file.read_text())


def is_running(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def alone() -> str:
    """Cancel the token while the code runs."""
    folder, token = tempfile.mkdtemp(), CancellationToken()
    running = asyncio.create_task(executor_in(folder).run(task=SLEEP, cancellation_token=token))
    pid = await pid_in(folder)
    await asyncio.sleep(0.5)  # the token still cancels the start of the process
    token.cancel()
    await asyncio.wait([running], timeout=2)
    state = "runs on" if is_running(pid) else "is gone"
    print(f"the code {state} 2 s after token.cancel()", flush=True)
    os.kill(pid, signal.SIGKILL)
    os._exit(0)


async def supervised() -> str:
    """Stop the run while the code runs."""
    with tempfile.TemporaryDirectory() as folder:
        async with Supervisor(signals={}) as sup:
            run = sup.stream(executor_in(folder), SLEEP)
            running = asyncio.create_task(run)
            pid = await pid_in(folder)
            run.stop("Enough")
            result = await running
            state = "runs on" if is_running(pid) else "is gone"
            return f"{result.stop_reason}; the code {state}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
