"""The attributes that AutoGen's classes give an object, apart from those of the user's classes."""

from __future__ import annotations

import functools
from typing import Any

_PACKAGES = ("autogen_agentchat", "autogen_core", "autogen_ext")


@functools.cache
def is_of_autogen(cls: type[Any]) -> bool:
    """Return whether a class is AutoGen's own."""
    return cls.__module__.partition(".")[0] in _PACKAGES


@functools.cache
def set_by_autogen(cls: type[Any]) -> frozenset[str]:
    """Return the attributes that AutoGen's own classes set as they make an object of a class."""
    names: set[str] = set()
    for base in cls.__mro__:
        own: dict[str, Any] = dict(vars(base))
        code = getattr(own.get("__init__"), "__code__", None)
        if is_of_autogen(base) and code is not None:
            names.update(code.co_names)
    return frozenset(names)
