"""What a module has that could be run: its teams and agents, then functions that may make one.

AutoGen is not imported for this. A function whose annotation says that it returns a text, a number
or nothing is a tool or a helper, and is left out.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable


def is_runnable(thing: object) -> TypeGuard[Runnable]:
    """Return whether it can be run, as `Supervisor.stream` has it."""
    return not isinstance(thing, type) and callable(getattr(thing, "run_stream", None))


def arguments_needed(function: Any) -> str:
    """Return the names of the arguments that a function cannot be called without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some of C code have none
        return ""
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [it.name for it in parameters if it.default is it.empty and it.kind not in optional]
    return ", ".join(map(repr, needed))


def candidates(module: ModuleType) -> list[str]:
    """Return the names that could be given: teams and agents first."""
    return [*runnables(module), *(name for name, _ in _factories(module))]


def runnables(module: ModuleType) -> list[str]:
    """Return the names of the teams and agents; nothing of theirs is called for that."""
    return sorted(
        name
        for name, value in _public(module)
        if callable(getattr(type(value), "run_stream", None))
    )


def known_factories(module: ModuleType) -> list[str]:
    """Return the names of the functions that are annotated to make a team or an agent."""
    return [name for name, returned in _factories(module) if hasattr(returned, "run_stream")]


def unknown_factories(module: ModuleType) -> list[str]:
    """Return the names of the functions that do not tell what they return."""
    return [name for name, returned in _factories(module) if returned in ("", Any)]


def _factories(module: ModuleType) -> list[tuple[str, object]]:
    """Return the functions that may make one, each with the class that it is annotated with."""
    found = [(name, it, _returned(it)) for name, it in _public(module) if inspect.isfunction(it)]
    return sorted(
        (name, returned)
        for name, function, returned in found
        if function.__module__ == module.__name__
        and not arguments_needed(function)
        and not (returned is None or getattr(returned, "__module__", "") == builtins.__name__)
    )


def _returned(function: FunctionType) -> object:
    """Return what a function is annotated to return; an empty text where nobody knows."""
    found = function.__annotations__.get("return", "")
    if not isinstance(found, str):
        return found
    name = found.strip("\"'").partition("[")[0]
    if name == "None":
        return None
    return function.__globals__.get(name, vars(builtins).get(name, ""))


def _public(module: ModuleType) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
