"""What all tests share: loops, hypothesis profiles, and the checks around every test.

`async def` tests run twice: on asyncio in its debug mode, and on uvloop without, as programs run.
Long ones run on one of the two, and on the other in `make soak`.
`@pytest.mark.asyncio(loop_factories=["asyncio"])` picks one. A test that needs to own its loop is a
plain function that takes `loop_factory`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import inspect
import itertools
import logging
import os
import sys
import traceback
import zlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import FrameType
from typing import Any, Final, cast

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.as_found import Snapshot
from tests.seeds import draw_seeds

draw_seeds()  # here, for this is loaded before any worker is started
importlib.import_module("structlog")  # it asks for the current folder, which may not be in a loop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# A failing example must fail again; HYPOTHESIS_PROFILE=random looks further afield.
# No deadline: on a busy machine it measures the neighbours.
settings.register_profile("derandomized", derandomize=True, deadline=None)
settings.register_profile("random", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "derandomized"))

_FRAMES: Final = 4
_LOOPS: Final = ("asyncio", "uvloop")


def _shorten_stacks() -> None:
    """Let debug mode keep only the innermost frames of the stack that makes a task or a future.

    It keeps the whole stack otherwise, pytest's frames included: half the time of all tests.
    """
    walk = traceback.walk_stack

    def walk_some(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        return itertools.islice(walk(f), _FRAMES)

    traceback.walk_stack = walk_some


_shorten_stacks()  # here, for uvloop takes the function as it is imported


def _is_no_slow_step(record: logging.LogRecord) -> bool:
    """Return whether a record is none of those of debug mode for a step that took 0.1 s."""
    return not str(record.msg).startswith("Executing %")


# A test that expects an empty log would fail on a busy machine.
logging.getLogger("asyncio").addFilter(_is_no_slow_step)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave one of the two loops to `make soak`, where the marks are `process` or `one_loop`.

    Which of them is left is drawn by the test's name and its other parameters.
    """
    on_loops: dict[tuple[str, ...], dict[str, pytest.Item]] = {}
    for item in items:
        words = item.nodeid.removesuffix("]").replace("[", "-").split("-")
        loops = [word for word in words if word in _LOOPS]
        if len(loops) == 1 and _is_long(item):
            words.remove(loops[0])
            on_loops.setdefault(tuple(words), {})[loops[0]] = item
    for key, found in on_loops.items():
        if len(found) == len(_LOOPS):
            second = _LOOPS[zlib.crc32("-".join(key).encode()) % len(_LOOPS)]
            found[second].add_marker("soak")


def _is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("process", "one_loop"))


def pytest_collection_finish() -> None:
    """Let no collection of garbage look at what was imported and collected: it stays anyway."""
    gc.collect()
    gc.freeze()


def _loop_factories() -> dict[str, LoopFactory]:
    if sys.platform == "win32":
        return {"asyncio": asyncio.new_event_loop}
    import uvloop

    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Run every `async def` test on each loop."""
    return _loop_factories()


@pytest.fixture(params=list(_loop_factories().values()), ids=list(_loop_factories()))
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """Return a factory of loops, of each kind in turn, for `asyncio.Runner`."""
    factory: LoopFactory = request.param
    return factory


@pytest.fixture(autouse=True)
def _leaves_all_as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves tasks, handlers, the wakeup fd, threads or children behind."""
    item = request.node
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _ends_its_tasks(item.obj)
    found = Snapshot.take()
    yield
    changes = found.changes()
    if changes:
        pytest.fail("The test left behind:\n  " + "\n  ".join(changes), pytrace=False)


@pytest.fixture(autouse=True)
def _never_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Raise `BlockingError` where code of `supervisor` blocks a running loop."""
    if request.node.get_closest_marker("blocks") is not None:
        yield
        return
    with blockbuster_ctx("supervisor") as guard:
        for function in guard.functions.values():
            # The process table is memory, and only a process with children reads it.
            function.can_block_in("supervisor/_process/children.py", {"_scan", "_children"})
            function.can_block_in("supervisor/_process/process_table.py", {"read", "row_of"})
            # One small file, once as the block is entered and once as a stop begins.
            function.can_block_in("supervisor/_process/readiness.py", {"create", "remove"})
            # A look for one file, as a public name is first used.
            function.can_block_in("supervisor/_process_manager.py", {"refuse_process_manager"})
            # Coverage.py's lock around its own data, as it first comes to a file.
            function.can_block_in("coverage/collector.py", {"lock_data"})
        yield


@pytest.fixture(autouse=True)
def _has_no_debugger(
    request: pytest.FixtureRequest, _never_blocks_the_loop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hide `bdb`, which pytest and doctest import: a program that is no test has it not.

    While it is there the stacks of all threads are read at each step of a stop, and CPython 3.11
    can crash where a frame ends meanwhile. Tests of debuggers import it by themselves.

    `monkeypatch` comes after the guard against blocking calls. Before it, what it restores at the
    end of a test would be the functions of that guard.
    """
    options, module = request.config.option, cast(Any, request).module
    if not hasattr(module, "bdb") and not (options.usepdb or options.trace):
        monkeypatch.delitem(sys.modules, "bdb", raising=False)


def _ends_its_tasks(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    # Inside the loop and at once: closing it would cancel the leftovers, and hide them.
    @functools.wraps(test)
    async def checked(*args: object, **kwargs: object) -> None:
        loop, found = asyncio.get_running_loop(), asyncio.all_tasks()
        if isinstance(loop, asyncio.BaseEventLoop):
            loop.slow_callback_duration = 60.0  # what it warns of measures the neighbours
        else:
            loop.set_debug(False)
        await test(*args, **kwargs)
        left = asyncio.all_tasks() - found
        assert not left, f"The test left tasks behind: {left}"

    return checked
