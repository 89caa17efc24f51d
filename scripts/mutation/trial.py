"""Runs the tests of a module on a mutant of it, in a fork of a process that has all else loaded.

The fork imports the mutant's text in place of the module's file. So no file is changed, several
mutants are tried side by side, and a trial costs what its tests cost.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

_HEAVY: Final = (
    *("asyncio", "sqlite3", "ssl", "structlog", "uvloop", "pytest", "blockbuster", "psutil"),
    *("hypothesis", "hypothesis.stateful", "hypothesis.strategies"),
    *("autogen_agentchat.agents", "autogen_agentchat.teams", "autogen_agentchat.conditions"),
    *("autogen_agentchat.ui", "autogen_core", "autogen_core.tools", "autogen_core.code_executor"),
    *("autogen_core.model_context", "autogen_core.models"),
)


def load_all_else() -> None:
    """Import what the tests need beside the package, and nothing of the package itself."""
    for name in _HEAVY:
        importlib.import_module(name)
    loaded = [name for name in sys.modules if name.split(".")[0] == "supervisor"]
    assert not loaded, f"a mutant would not be seen behind {loaded}"


class Trial:
    """One run of tests in a fork.

    Args:
        tests: What pytest is to run.
        seconds: How long it may take: a mutant that hangs is one that was noticed.
        prepare: Called in the fork before that; returns pytest's plugins.
    """

    def __init__(
        self, tests: Sequence[str], seconds: float, prepare: Callable[[], Sequence[object]]
    ) -> None:
        self._until = time.monotonic() + seconds
        self._pid = os.fork()
        if self._pid == 0:
            _run(tests, prepare)
        self._pidfd = os.pidfd_open(self._pid)
        self.status: int | None = None
        """pytest's exit status once it is over; a negative one means that it had to be killed."""

    def fileno(self) -> int:
        """Return what `select` can wait for."""
        return self._pidfd

    def look(self) -> bool:
        """Return whether it is over; end it where its time is over."""
        is_late = time.monotonic() >= self._until
        if is_late:
            os.killpg(self._pid, signal.SIGKILL)
        elif not select.select([self], [], [], 0)[0]:
            return False
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pidfd)
        self.status = -signal.SIGKILL if is_late else os.waitstatus_to_exitcode(status)
        return True

    def kill(self) -> None:
        """End it, because nobody waits for it any more."""
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._pidfd)


def mutated(file: str, text: str) -> Sequence[object]:
    """Have a module imported with another text than that of its file.

    Args:
        file: The module's path from the root of the checkout.
        text: Its text.
    """
    name = file.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, _Finder(name, str(Path(file).resolve()), text))
    return ()


def _run(tests: Sequence[str], prepare: Callable[[], Sequence[object]]) -> None:
    """Run the tests in this fork, and end it with pytest's status."""
    os.setpgid(0, 0)
    silence = os.open(os.environ.get("MUTATION_LOG", os.devnull), os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(silence, stream)
    import pytest

    options = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist")
    chosen = ("-o", "timeout=20", "-m", "not soak and not process")
    status = 70  # an error of this program, which no status of pytest is
    try:
        status = int(pytest.main([*options, *chosen, *tests], plugins=prepare()))
    except BaseException:  # noqa: BLE001 - the fork must not go on as its parent would
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


class _Finder(importlib.machinery.PathFinder):
    """Finds one module with another text than that of its file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        self._name, self._path, self._text = name, path, text

    def find_spec(  # type: ignore[override]  # that of its class is a class method
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - as importlib calls it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._text)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as importlib calls it
        code: CodeType = compile(self._text, self.path, "exec", dont_inherit=True)
        return code
