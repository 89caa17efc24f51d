"""Run the Python blocks of README.md, the pages under docs/ and the examples' pages as tests.

A block may await at its top level, as in `python -m asyncio`, because the examples show code from
inside a coroutine function, without a wrapper around each. The blocks of one file share names. Code
that a reader need not see is in an `invisible-code-block: python` comment, and `skip: next "why"`
in a comment leaves a block out. `tests/docs/test_blocks.py` checks the blocks of other languages.
"""

from __future__ import annotations

import ast
import asyncio
import faulthandler
import inspect
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from scripts.docs.fences import AT_A_TERMINAL

_TOGETHER: Final = (
    ".md",
    "test_gradio.py",
    "test_kernels.py",
    "test_marimo.py",
    "test_notebooks.py",
    "tests/hosts/test_requests.py",
    "tests/serving/test_processes.py",
    "tests/test_package.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> object:
    """Keep some tests of one file together, in their order, where tests run side by side.

    The blocks of a page share names. Kernels choose their ports before they bind them, and two that
    start at once can choose the same. What the tests of a file share is made once: Gradio and
    marimo take minutes to install, a server or a kernel takes seconds to start.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    def scope(nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return file if file.endswith(_TOGETHER) else nodeid

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        """Goes on after a worker has crashed, where xdist 3.8 waits for ever."""

        def remove_node(self, node: Any) -> Any:
            """Put back only what is left to do: a worker answers nothing to an empty order."""
            work = self.assigned_work.get(node, {})
            for name in [name for name, unit in work.items() if all(unit.values())]:
                del work[name]
            return super().remove_node(node)

        def schedule(self) -> None:
            """Assign twice to a new worker, which begins a test once it knows what comes next."""
            is_late = self.collection is not None
            super().schedule()
            for node in self.nodes if is_late else ():
                self._reschedule(node)

    scheduling: Any = Scheduling(config, log)
    # Not `xdist_group` marks: xdist 3.8 writes them to where pytest 9.2 does not read them.
    scheduling._split_scope = scope  # noqa: SLF001 - the way that xdist documents
    return scheduling


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the tests of each file over the whole run, where tests run side by side.

    Some files wait, for a rung's seconds or a process, and some compute: they take turns. Tests
    with a time-out of their own may take longest, and begin first.
    """
    if not hasattr(config, "workerinput"):
        return
    counts, seen = Counter(item.path for item in items), Counter[Path]()
    places: dict[pytest.Item, tuple[float, float]] = {}
    for item in items:
        own = item.get_closest_marker("timeout")
        seen[item.path] += 1
        longest = own.args[0] if own and own.args else 0.0
        places[item] = (-longest, seen[item.path] / counts[item.path])
    items.sort(key=places.__getitem__)


# Seconds in which a test that has timed out must end, and in which every clean-up must.
_LAST_SECONDS: Final = 30


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Bound every test, its clean-up included, even where the main thread takes no exception.

    The time-out raises in the main thread, once. A test that does not end by that, or whose
    clean-up hangs too, would hang the whole run: then all stacks are shown and the process ends.
    pytest-xdist names the test, and goes on with another worker.
    """
    own = item.get_closest_marker("timeout")
    limit = own.args[0] if own and own.args else float(item.config.getini("timeout"))
    _end_after(limit + _LAST_SECONDS, item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Bound the clean-up by itself: pytest ends the timer where a test fails."""
    _end_after(_LAST_SECONDS, item)
    return (yield)


def _end_after(seconds: float, item: pytest.Item) -> None:
    stderr = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(seconds, file=stderr, exit=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Save what the tests have reached: pytest-xdist kills a process that is slow to exit."""
    if hasattr(session.config, "workerinput") and "coverage" in sys.modules:
        measured = sys.modules["coverage"].Coverage.current()
        if measured is not None:
            measured.save()


def _run_block(example: Example) -> None:
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    awaitable = eval(code, example.namespace)
    if inspect.iscoroutine(awaitable):
        asyncio.run(awaitable)


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language="python", evaluator=_run_block), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=AT_A_TERMINAL,  # tests/docs runs these
).pytest()
