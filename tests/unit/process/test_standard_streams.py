"""Standard streams that are closed, or cannot be written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor._process.standard_streams import let_go_of_unwritable

_ROOT = Path(__file__).parents[3]


class Broken(io.StringIO):
    """A stream that fails when it is flushed."""

    def flush(self) -> None:
        """Fail."""
        raise ValueError("I/O operation on closed file")


def test_a_stream_that_cannot_be_written_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter flushes at its end what is still there: the broken stream is not."""
    whole = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(sys, "stderr", whole)
    let_go_of_unwritable()
    assert sys.stdout is None
    assert sys.stderr is whole


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="fds of POSIX")
@pytest.mark.parametrize("closed", [(0, 1, 2), (1,), (2,)])
def test_a_closed_stream_becomes_the_null_device(closed: tuple[int, ...]) -> None:
    """A file that is opened later does not get the number of a closed standard file."""
    script = f"""
import os, sys
from supervisor._process.standard_streams import fill_closed
answer = os.dup(int(sys.argv[1]))
for fd in {closed!r}: os.close(fd)
fill_closed()
null = os.stat(os.devnull)
facts = [os.fstat(fd).st_rdev == null.st_rdev and os.get_inheritable(fd) for fd in {closed!r}]
os.write(answer, repr((facts, os.open("/", os.O_RDONLY) > 2)).encode())
"""
    reader, writer = os.pipe()
    subprocess.run(
        [sys.executable, "-c", script, str(writer)],
        pass_fds=[writer],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=30,
    )
    os.close(writer)
    assert os.read(reader, 100) == repr(([True] * len(closed), True)).encode()
    os.close(reader)
