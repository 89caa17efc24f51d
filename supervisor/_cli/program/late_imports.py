"""Calls functions as soon as a module was imported: the program decides when, and whether.

A module's own loader executes it, with one call behind that. Not chosen: to import the modules
before the program does, which takes its time and shows in `sys.modules`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Call = Callable[[], None]


class LateImports(MetaPathFinder):
    """Finds modules by the other finders, and notes when those of the table are imported.

    Args:
        calls: For each name of a module, what to call once it is imported. A call waits until no
            other module of the table is being imported: one may need the other.
    """

    def __init__(self, calls: dict[str, Call]) -> None:
        self._calls = calls
        self._due: list[Call] = []
        self._depth = 0

    def install(self) -> None:
        """Watch imports from now on; what was imported already is called at once."""
        for name in [name for name in self._calls if name in sys.modules]:
            self._calls.pop(name)()
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, if the module is one of the table."""
        call = self._calls.get(fullname)
        if call is None:
            return None
        for finder in sys.meta_path:
            find: Any = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None
            if finder is not self and find is not None:
                spec = find(fullname, path, target)
            if spec is not None:
                self._watch(fullname, spec.loader, call)
                return spec
        return None

    def _watch(self, name: str, loader: Any, call: Call) -> None:
        stock = getattr(loader, "exec_module", None)
        if stock is None:
            return

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            self._depth += 1
            try:
                stock(module)
                if self._calls.pop(name, None) is not None:
                    self._due.append(call)
            finally:
                self._depth -= 1
            while self._due and not self._depth:
                self._due.pop(0)()

        loader.exec_module = exec_module
