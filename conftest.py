"""Run the Python blocks of README.md and docs/*.md as tests.

A block may await at its top level, as in `python -m asyncio`, because the examples show code from
inside a coroutine function, without a wrapper around each. The blocks of one file share names. Code
that a reader need not see is in an `invisible-code-block: python` comment, and `skip: next` in a
comment leaves a block out.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> object:
    """Keep some tests of one file together, in their order, where tests run side by side.

    The blocks of a page share names. Kernels choose their ports before they bind them, and two that
    start at once can choose the same.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    def scope(nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return file if file.endswith((".md", "test_kernels.py")) else nodeid

    scheduling: Any = LoadScopeScheduling(config, log)
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


def _run_block(example: Example) -> None:
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    awaitable = eval(code, example.namespace)
    if inspect.iscoroutine(awaitable):
        asyncio.run(awaitable)


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language="python", evaluator=_run_block), SkipParser()],
    patterns=["README.md", "docs/*.md"],
).pytest()
