"""AutoGen's own methods, whoever has put something in front of them.

Tracing libraries wrap AutoGen's methods: before this package is imported, after it, and while a
team is at work. So no function is kept from the import on. A method is known by its code: by the
module and the qualified name that AutoGen's source gives it. No wrapper has those. One that takes
over the names of what it wraps (`functools.wraps`) does so as a function; its code keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Final

_DECORATED: Final = {
    ("event.<locals>.decorator.<locals>.wrapper", "autogen_core._routed_agent"),
    ("contextmanager.<locals>.helper", "contextlib"),
}
"""What decorators in AutoGen's own source make of a method, by its code's name and its module."""

_MOST: Final = 500  # objects that are looked at, to find AutoGen's function behind others


class Method:
    """A method that AutoGen defines.

    Args:
        cls: The class that defines it.
        name: Its name.
    """

    def __init__(self, cls: type, name: str) -> None:
        self._cls = cls
        self._name = name
        self._module = cls.__module__
        self.qualname = f"{cls.__qualname__}.{name}"
        self._plain: object = self  # as none that is found
        self._followed: object = self

    def is_itself(self, found: object) -> bool:
        """Whether this is AutoGen's own function, with nothing around it but its own decorator."""
        if found is not self._plain and self._is_own(found):
            self._plain = found
        return found is self._plain

    def is_plain(self, kind: type | None = None) -> bool:
        """Whether a class has AutoGen's own function here: not wrapped, replaced or overridden.

        Cheap enough to be asked for each message.

        Args:
            kind: A subclass; None for the class that defines the method.
        """
        return self.is_itself(getattr(kind or self._cls, self._name, None))

    def is_plain_of(self, thing: object) -> bool:
        """Whether an object has it: neither its class nor itself has another one."""
        return self._name not in vars(thing) and self.is_plain(type(thing))

    def is_inherited(self, kind: type) -> bool:
        """Whether a subclass does here what AutoGen's class does, perhaps behind wrappers."""
        found = getattr(kind, self._name, None)
        while found is not None and not self._is_own(found):
            found = _attribute(found, "__wrapped__")
        return found is not None

    @property
    def replaced(self) -> object | None:
        """What was put in its place and does not lead to AutoGen's own function; else None."""
        found = vars(self._cls).get(self._name)
        if found is not self._followed and any(map(self._is_own, _reached(found))):
            self._followed = found
        return None if found is self._followed else found

    def _is_own(self, found: object) -> bool:
        if type(found) is not FunctionType:  # `isinstance` takes a proxy for what it wraps
            return False
        names = (found.__code__.co_qualname, found.__globals__.get("__name__"))
        if names in _DECORATED:
            return self._is_own(_attribute(found, "__wrapped__"))
        return names == (self.qualname, self._module)


def _reached(function: object) -> Iterator[object]:
    """A function, what it holds in any way, and so on: one of them it calls."""
    waiting, seen = [function], set[int]()
    while waiting and len(seen) < _MOST:
        thing = waiting.pop(0)
        if thing is not None and id(thing) not in seen:
            seen.add(id(thing))
            yield thing
            waiting.extend(_held(thing))


def _held(thing: object) -> Iterator[object]:
    """What a wrapper keeps a function in."""
    for name in ("__wrapped__", "__func__", "func"):  # of a proxy, a static method, a partial
        yield _attribute(thing, name)
    if isinstance(thing, FunctionType):
        yield from _held_by_function(thing)
    elif callable(thing):
        attributes = _attribute(thing, "__dict__")
        yield from attributes.values() if isinstance(attributes, dict) else ()
        yield _attribute(type(thing), "__call__")


def _held_by_function(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        yield _attribute(cell, "cell_contents")
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for code in _codes(function.__code__):
        yield from (function.__globals__.get(name) for name in code.co_names)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions which it defines."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _attribute(thing: object, name: str) -> object | None:
    try:
        found: object = getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - of whoever wrote the wrapper
        return None
    return found
