"""AutoGen's own methods, recognized also behind wrappers.

Tracing libraries wrap AutoGen's methods: before this package is imported, after it, and while a
team is at work. So no function is kept from the import on. A method is recognized by its code: by
the module and the qualified name that AutoGen's source gives it. No wrapper has those. A wrapper
that takes over the names of what it wraps (`functools.wraps`) does so as a function; its code keeps
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Final

_DECORATED: Final = {
    ("event.<locals>.decorator.<locals>.wrapper", "autogen_core._routed_agent"),
    ("contextmanager.<locals>.helper", "contextlib"),
}
"""The wrappers that decorators in AutoGen's own source make: the code's name, and its module."""

_MOST: Final = 500  # objects that are inspected, to find AutoGen's function behind others


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
        self._plain: object = self  # equal to no function that is found
        self._followed: object = self

    def is_itself(self, found: object) -> bool:
        """Return whether an object is AutoGen's own function, in nothing but its own decorator."""
        if found is not self._plain and self._is_own(found):
            self._plain = found
        return found is self._plain

    def is_plain(self, kind: type | None = None) -> bool:
        """Return whether a class has AutoGen's function: not wrapped, replaced or overridden.

        This is cheap enough for each message.

        Args:
            kind: A subclass; None for the class that defines the method.
        """
        return self.is_itself(getattr(kind or self._cls, self._name, None))

    def is_plain_of(self, thing: object) -> bool:
        """Return whether an object has it: neither its class nor the object has another one."""
        return self._name not in vars(thing) and self.is_plain(type(thing))

    def is_inherited(self, kind: type) -> bool:
        """Return whether a subclass inherits it, perhaps behind wrappers."""
        found = getattr(kind, self._name, None)
        while found is not None and not self._is_own(found):
            found = _attribute(found, "__wrapped__")
        return found is not None

    @property
    def replaced(self) -> object | None:
        """What has replaced it and does not call AutoGen's own function; else None."""
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
    """Yield a function, what it holds in any way, and so on: it calls one of these."""
    waiting, seen = [function], set[int]()
    while waiting and len(seen) < _MOST:
        thing = waiting.pop(0)
        if thing is not None and id(thing) not in seen:
            seen.add(id(thing))
            yield thing
            waiting.extend(_held(thing))


def _held(thing: object) -> Iterator[object]:
    """Yield what a wrapper may keep its function in."""
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
    """Yield a function's code, and that of the functions that it defines."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _attribute(thing: object, name: str) -> object | None:
    try:
        found: object = getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a wrapper's attribute may raise anything
        return None
    return found
