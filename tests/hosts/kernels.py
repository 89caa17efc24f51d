"""Jupyter kernels as processes: start one, run a cell, interrupt it at a fact, read what is shown.

A kernel is started as a notebook's server starts it: in a process group of its own, which
`interrupt` sends SIGINT to. What a cell shows is what the kernel has published for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SECONDS: Final = 30.0
"""How long a kernel may take for anything."""

_CELLS: Final = 10  # so many are listened to: one that is over may be shown more


@dataclass
class Shown:
    """What a cell shows, and how it has ended."""

    stdout: str = ""
    stderr: str = ""
    values: list[str] = field(default_factory=list[str])
    """What it has displayed, as text; the value of its last expression is the last."""
    error: str | None = None
    """The name of the exception that it has ended with."""
    message: str = ""
    """That exception's message."""
    traceback: list[str] = field(default_factory=list[str])
    is_over: bool = False

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Take in a message of the kernel's."""
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind in ("execute_result", "display_data"):
            self.values.append(content["data"].get("text/plain", ""))
        elif kind == "error":
            self.error, self.message = content["ename"], content["evalue"]
            self.traceback = content["traceback"]
        elif kind == "status":
            self.is_over = content["execution_state"] == "idle"

    @property
    def value(self) -> str:
        """The value of the last expression, as text."""
        assert self.error is None, "\n".join(self.traceback)
        return self.values[-1]


class Cell:
    """A cell that runs.

    Args:
        kernel: Where it runs.
        request: The kernel's name for it.
    """

    def __init__(self, kernel: Kernel, request: str) -> None:
        self._kernel = kernel
        self._request = request
        self.shown = Shown()

    def until(self, text: str) -> None:
        """Wait until it has written this."""
        self._read(lambda: text in self.shown.stdout + self.shown.stderr, f"write {text!r}")

    def ended(self) -> Shown:
        """Wait until it has ended; return what it has shown."""
        self._read(lambda: self.shown.is_over, "end")
        return self.shown

    def _read(self, is_there: Any, what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not is_there():
            left = deadline - time.monotonic()
            assert left > 0, f"the cell did not {what} within {SECONDS:g} s: {self.shown}"
            assert self._kernel.is_alive, f"the kernel has ended: {self.shown}"
            self._kernel.pump(min(left, 1.0))

    def take(self, message: dict[str, Any]) -> None:
        """Take in a message, if it is for this cell."""
        if message["parent_header"].get("msg_id") == self._request:
            self.shown.take(message["msg_type"], message["content"])


class Kernel:
    """A kernel that runs.

    Args:
        manager: What has started it.
        client: A connection to it.
    """

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self._cells: list[Cell] = []

    @property
    def pid(self) -> int:
        """The process's number."""
        provisioner = self.manager.provisioner
        assert provisioner is not None
        return int(provisioner.pid)  # type: ignore[attr-defined]

    @property
    def is_alive(self) -> bool:
        """Whether its process has not ended."""
        return bool(self.manager.is_alive())

    def begin(self, code: str, *, subshell: str | None = None) -> Cell:
        """Begin a cell."""
        message = self.client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": False,
            },
        )
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        cell = Cell(self, message["header"]["msg_id"])
        self._cells.append(cell)
        return cell

    def run(self, code: str) -> Shown:
        """Run a cell to its end; return what it shows."""
        return self.begin(code).ended()

    def interrupt(self) -> None:
        """Interrupt it, as the button of a notebook does."""
        self.manager.interrupt_kernel()

    def shut_down(self) -> None:
        """Shut it down, as a notebook's server does."""
        self.manager.shutdown_kernel()

    def restart(self) -> None:
        """Restart it, as the button of a notebook does."""
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=SECONDS)

    def ignores_sigint(self) -> bool:
        """Return whether the process ignores SIGINT now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        masks = dict(line.split(":", 1) for line in status.splitlines())
        return bool(int(masks["SigIgn"], 16) & 1 << signal.SIGINT - 1)

    def pump(self, seconds: float) -> None:
        """Take in one message of the kernel's."""
        with contextlib.suppress(queue.Empty):
            message = self.client.get_iopub_msg(timeout=seconds)
            for cell in self._cells:
                cell.take(message)
        del self._cells[:-_CELLS]

    def ask_control(self, kind: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask something on the control channel; return the content of the answer."""
        message = self.client.session.msg(kind, content or {})
        self.client.control_channel.send(message)
        answer: dict[str, Any] = self.client.get_control_msg(timeout=SECONDS)
        return dict(answer["content"])


@contextlib.contextmanager
def kernel(
    folder: Path, *, python: str = sys.executable, cwd: Path | None = None
) -> Generator[Kernel]:
    """Start a kernel, and end it.

    Args:
        folder: Where its description goes.
        python: The interpreter, which has ipykernel.
        cwd: Its working directory; that of the tests, if None.
    """
    where = folder / "kernels" / "tested"
    where.mkdir(parents=True)
    argv = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "tested", "language": "python"}
    (where / "kernel.json").write_text(json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(where.parent)], ensure_native_kernel=False)
    manager = KernelManager(kernel_name="tested", kernel_spec_manager=specs)
    manager.connection_file = str(folder / "connection.json")
    # Under pytest's variable a kernel publishes nothing of what is written to its stderr as such.
    unset = {"PYTEST_CURRENT_TEST"}
    env = {it: os.environ[it] for it in os.environ if it not in unset}
    manager.start_kernel(env=env, cwd=str(cwd or Path.cwd()))
    client = manager.client()
    try:
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=SECONDS)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
