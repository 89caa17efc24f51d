"""What a user sees: the names behind `sup.` and `run.`, each documented, and their types.

`docs/reference.md` has a table for each public class; the tables and the classes must agree.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import RoundRobinGroupChat

import supervisor
import supervisor.checkpoints
import supervisor.errors
import supervisor.integrations.asgi
import supervisor.integrations.fleet
import supervisor.integrations.streams
import supervisor.testing
import supervisor.types
from supervisor import Run, Supervisor
from supervisor.testing import ScriptedModel

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
PUBLIC = (
    supervisor,
    supervisor.checkpoints,
    supervisor.errors,
    supervisor.integrations.streams,
    supervisor.integrations.asgi,
    supervisor.integrations.fleet,
    supervisor.testing,
    supervisor.types,
)

IN_SUPERVISOR = {
    "dump", "exit_status", "iterate", "ladder", "on_interrupt", "on_stop", "quarantined", "rung",
    "runs", "serve", "spawn", "stop", "stop_request", "stream", "token", "wait_stop",
}  # fmt: skip
IN_RUN = {
    "aclose", "close", "drain", "error", "has_taken_task", "is_drained", "name", "phase", "result",
    "send", "stop", "stop_request", "throw",
}  # fmt: skip


def test_a_supervisor_shows_what_is_meant_for_users() -> None:
    """`dir(sup)` has the public names and nothing else."""
    assert _public(Supervisor()) == IN_SUPERVISOR


async def test_a_run_shows_what_is_meant_for_users() -> None:
    """`dir(run)` has the public names and nothing else, for each kind of run."""
    async with Supervisor(signals={}) as sup:
        runs: list[Run] = [
            sup.stream(AssistantAgent("parrot", ScriptedModel()), "Hello"),
            sup.stream(RoundRobinGroupChat([AssistantAgent("parrot", ScriptedModel())]), "Hello"),
            sup.iterate(_numbers()),
        ]
        for run in runs:
            run.close()
            assert _public(run) == IN_RUN


def test_run_names_each_setting_of_a_supervisor() -> None:
    """`run(main, ...)` takes each setting of `Supervisor` by its name and with its type."""
    ours = inspect.signature(supervisor.run).parameters
    of_a_supervisor = inspect.signature(Supervisor).parameters
    assert ours.keys() == {"main", "loop", "stop_status", *of_a_supervisor}
    for name, parameter in of_a_supervisor.items():
        assert ours[name].annotation == parameter.annotation


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("supervisor", set(supervisor.__all__)),
        ("Supervisor", IN_SUPERVISOR),
        ("Run", IN_RUN),
        ("supervisor.integrations.streams", set(supervisor.integrations.streams.__all__)),
        ("supervisor.errors", set(supervisor.errors.__all__)),
        ("supervisor.checkpoints", set(supervisor.checkpoints.__all__)),
        ("supervisor.integrations.fleet", set(supervisor.integrations.fleet.__all__)),
        ("supervisor.integrations.asgi", set(supervisor.integrations.asgi.__all__)),
        ("supervisor.types", set(supervisor.types.__all__)),
        ("supervisor.testing", set(supervisor.testing.__all__)),
    ],
)
def test_each_public_name_is_in_the_reference(heading: str, names: set[str]) -> None:
    """The table under a heading of the reference has the same names as the class or module."""
    assert _names_under(heading) == names


def test_a_public_module_shows_its_public_names() -> None:
    """`dir()` of a public module is its `__all__`, whatever it imports."""
    for module in PUBLIC:
        assert dir(module) == sorted(module.__all__)


def test_what_is_public_has_no_leading_underscore() -> None:
    """The package, its errors, types and checkpoints, `testing` and `integrations` are public."""
    folder = Path(supervisor.__file__).parent
    found = {
        path.relative_to(folder.parent).with_suffix("").as_posix().replace("/", ".")
        for path in folder.rglob("*.py")
        if not any(part.startswith("_") for part in path.relative_to(folder.parent).parts)
    }
    assert found == {
        "supervisor.checkpoints",
        "supervisor.errors",
        "supervisor.integrations.streams",
        "supervisor.integrations.asgi",
        "supervisor.integrations.fleet",
        "supervisor.types",
    }
    assert {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "_"} == {
        "integrations",
        "testing",
    }


@pytest.mark.parametrize("name", supervisor.types.__all__)
def test_a_type_is_the_one_of_its_module(name: str) -> None:
    """Each name of `supervisor.types` can be imported, and others are an AttributeError."""
    assert getattr(supervisor.types, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        getattr(supervisor.types, f"{name}s")


def test_a_type_loads_autogen_only_where_it_is_one_of_autogen() -> None:
    """Importing `supervisor.types` or a type of our own loads no AutoGen."""
    code = (
        "import sys; from supervisor.types import Children; "
        "print(*sorted(name for name in sys.modules if name.startswith('autogen_')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert found.stdout.split() == []


@pytest.mark.parametrize("name", supervisor.errors.__all__)
def test_an_error_is_named_by_its_public_module(name: str) -> None:
    """A traceback names the module from which an error can be imported."""
    error = getattr(supervisor.errors, name)
    assert error.__module__ == "supervisor.errors"
    if name in supervisor.__all__:
        assert getattr(supervisor, name) is error


def test_each_type_in_a_public_signature_can_be_imported() -> None:
    """What a public function takes and returns has a type that a public module exports."""
    private = {
        f"{where} has a type of {part!r}"
        for where, function in _signatures()
        if where not in ("Run.__init__", "Runs.__init__")  # made by a supervisor, never by a user
        for hint in _hints(function).values()
        for part in _parts(hint)
        if _is_ours(part) and not _is_exported(part)
    }
    assert private == set()


def test_the_signatures_are_found() -> None:
    """The check above looks at methods, properties and functions."""
    found = {where for where, _ in _signatures()}
    assert {"Supervisor.stream", "Supervisor.token", "Run.stop", "run", "sweep"} <= found
    assert len(found) > 50


async def _numbers() -> AsyncIterator[int]:
    yield 1


def _public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def _names_under(heading: str) -> set[str]:
    _, _, behind = REFERENCE.partition(f"\n## `{heading}`\n")
    section = behind.partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)[^`]*` \|", section, re.MULTILINE))


def _signatures() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each public function and method of ours, with its name."""
    for module in PUBLIC:
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) and _is_ours(thing):
                yield from _methods(thing)
            elif inspect.isfunction(thing):
                yield name, thing


def _methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for base in filter(_is_ours, cls.__mro__):
        for name, member in vars(base).items():
            function = member.fget if isinstance(member, property) else member
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function) and _is_ours(function) and not _is_private(name):
                yield f"{cls.__name__}.{name}", inspect.unwrap(function)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    # What is imported for type checkers only, so that AutoGen is loaded late, is in these modules.
    exported = {name: getattr(module, name) for module in PUBLIC for name in module.__all__}
    exported["TaskResult"] = TaskResult  # of AutoGen's
    return get_type_hints(function, {**exported, **function.__globals__})


def _parts(hint: Any) -> Iterator[Any]:
    """Yield a type, and the types that it is made of."""
    yield hint
    for part in get_args(hint):
        yield from _parts(part)
    if type(hint) is list:  # the parameters of a Callable
        yield from _parts(tuple[*hint])


def _is_ours(thing: object) -> bool:
    module = getattr(thing, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "supervisor"


def _is_exported(hint: object) -> bool:
    if isinstance(hint, TypeVar):
        return True
    of = get_origin(hint) or hint
    return any(getattr(module, name) is of for module in PUBLIC for name in module.__all__)
