"""Programs that nobody has written for a supervisor, started by the command line `run`."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.process.harness import Child, Server

SCRIPTS: Final = Path(__file__).parent / "scripts"
AT_WORK: Final = "at work\n"
"""What the scripts write once there is something to stop."""

_PATIENCE: Final = 30.0


class Program:
    """A program in a child, and what it writes on stdout.

    Args:
        child: The child.
        stdout: The pipe's end to read.
    """

    def __init__(self, child: Child, stdout: int) -> None:
        self.child = child
        self._stdout = stdout
        self.stdout = ""

    def until(self, text: str, times: int = 1) -> None:
        """Read until this was written so many times."""
        deadline = time.monotonic() + _PATIENCE
        while self.stdout.count(text) < times:
            assert self._read(deadline), f"ended without {text!r}: {self.story()}"

    def wait(self) -> int:
        """Wait for the end; return the exit code, or minus the signal that it died by."""
        status = self.child.wait()
        while self._read(time.monotonic() + 0.0):
            pass
        return status

    def story(self) -> str:
        """Return all that is known of it."""
        return f"{self.child.story()}\n--- stdout\n{self.stdout}"

    def _read(self, deadline: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return False
        data = os.read(self._stdout, 65536)
        self.stdout += data.decode(errors="replace")
        return bool(data)


@contextmanager
def running(
    server: Server,
    script: str | Path,
    *arguments: str,
    options: Sequence[str] = (),
    stdin: int | None = None,
    **more: Any,
) -> Generator[Program]:
    """Run a script, of the folder or elsewhere, in a forked child; kill it on the way out."""
    words = ["run", *options, str(SCRIPTS / script), *arguments]
    reader, writer = os.pipe()
    try:
        with server.start("command_line", stdin=stdin, stdout=writer, words=words, **more) as child:
            os.close(writer)
            yield Program(child, reader)
    finally:
        os.close(reader)


def written(folder: Path, *parts: str) -> Path:
    """Write a script that consists of these parts."""
    script = folder / "script.py"
    head = f"import os; os.environ['SCRIPTS'] = {str(SCRIPTS)!r}\n"
    script.write_text(head + "\n".join(map(textwrap.dedent, parts)), encoding="utf-8")
    return script


def python(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Start Python with these words, in a session of its own, and with pipes."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        **options,
    )
