"""The module `__main__` of a program that is run as it is, and what else Python sets up for it.

Not chosen: `runpy`, which takes `__main__` back as soon as the code has run. What runs at the
interpreter's end (`atexit`, a pool) could then pickle nothing that is defined in the program.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Final, cast

from supervisor._cli import paths
from supervisor._cli.errors import CommandError
from supervisor._cli.search_path import put_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import InspectLoader

_MAIN: Final = "__main__"
_MP_MAIN: Final = "__mp_main__"
"""The name under which processes of a pool that are spawned know it."""


class MainModule:
    """A program that can be started: its `__main__`, and how its code is found.

    Args:
        place: The path of a file or a folder, or the name of a module or a package.
        arguments: What stands behind it on the command line.
        is_module: Whether it is a name, as behind `python -m`.

    Raises:
        CommandError: There is no such program.
    """

    def __init__(self, place: str, arguments: Sequence[str], *, is_module: bool = False) -> None:
        self.module = ModuleType(_MAIN)
        vars(self.module).update(__annotations__={}, __builtins__=builtins)
        self._arguments = list(arguments)
        self._place = place
        if is_module:
            self._find_code = self._of_module(place)
        elif paths.is_dir(place) or _is_archive(place):
            self._find_code = self._of_folder(place)
        else:
            self._find_code = self._of_file(place)

    def run(self) -> None:
        """Run its code as `__main__`; raises what the code raises."""
        code = self._find_code()
        sys.modules[_MAIN] = self.module
        if _MP_MAIN in sys.modules:  # `multiprocessing` was imported before, and has ours there
            sys.modules[_MP_MAIN] = self.module
        exec(code, vars(self.module))  # noqa: S102 - that is what was asked for

    def _begin(self, first: str, folder: Path) -> None:
        sys.argv[:] = [first, *self._arguments]
        put_first(folder)

    # -- `python app.py` ------------------------------------------------------------------------

    def _of_file(self, place: str) -> Callable[[], CodeType]:
        # With its "./", ".." and links, as Python has it; a `Path` would drop some.
        path = os.path.join(os.getcwd(), place)  # noqa: PTH109, PTH118
        self._set(None, path, SourceFileLoader(_MAIN, path))
        self._begin(place, Path(os.path.realpath(place)).parent)
        try:
            with io.open_code(path) as file:
                source = file.read()
        except OSError as error:
            raise CommandError(
                f"cannot read {place!r}: {error.strerror}; give its path from this folder"
            ) from None
        return lambda: compile(source, path, "exec", dont_inherit=True)

    # -- `python folder`, `python app.pyz` ------------------------------------------------------

    def _of_folder(self, place: str) -> Callable[[], CodeType]:
        folder = Path.cwd() / place
        self._begin(place, folder)
        spec = PathFinder.find_spec(_MAIN, [str(folder)])
        if spec is None or spec.loader is None:
            raise CommandError(f"cannot run {place!r}: there is no __main__.py in it; name a file")
        return self._of_spec(spec)

    # -- `python -m package` --------------------------------------------------------------------

    def _of_module(self, name: str) -> Callable[[], CodeType]:
        self._begin("-m", Path.cwd())  # what the packages around it see while they are imported
        spec = _find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = _find_spec(f"{name}.{_MAIN}")
            if spec is None:
                why = f"{name!r} is a package without a __main__ module"
                raise CommandError(f"cannot run -m {name}: {why}")
        if spec is None or spec.loader is None:
            raise CommandError(f"there is no module {name!r} to run; install it, or name a file")
        return self._of_spec(spec)

    def _of_spec(self, spec: ModuleSpec) -> Callable[[], CodeType]:
        loader = cast("InspectLoader", spec.loader)
        self._set(spec, spec.origin or self._place, loader)
        self.module.__package__ = spec.parent
        if sys.argv[0] == "-m":
            sys.argv[0] = spec.origin or self._place

        def find_code() -> CodeType:
            code = loader.get_code(spec.name)
            if code is None:
                raise CommandError(
                    f"cannot run {self._place!r}: there is no Python code in it; name another"
                )
            return code

        return find_code

    def _set(self, spec: ModuleSpec | None, path: str, loader: object) -> None:
        names = vars(self.module)
        names.update(__spec__=spec, __file__=path, __loader__=loader)
        names["__cached__"] = spec.cached if spec is not None else None


def _is_archive(place: str) -> bool:
    import zipfile

    return not place.endswith(".py") and paths.is_file(place) and zipfile.is_zipfile(place)


def _find_spec(name: str) -> ModuleSpec | None:
    """Return a module's spec; the packages around it are imported, and may raise anything.

    Raises:
        CommandError: One of the packages around it does not exist.
    """
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise CommandError(f"there is no module {name!r} to run: {error}") from None
        raise
    except ValueError as error:  # it is imported already, and has no spec
        raise CommandError(f"cannot run -m {name}: {error}") from None
