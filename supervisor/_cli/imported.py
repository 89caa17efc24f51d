"""A team, an agent, or a function that makes one, imported from a module or a file.

Each build gives another object. A function is called each time. An object is what its module made
as it was imported; for another one the module is imported once more, its own code alone: the
modules that it imports stay as they are. Where that gives the same object again, because another
module has made it, the build says so.

Not chosen: to dump the component and load it again. Most agents of the user's cannot be dumped, and
tools would come back without the objects that they hold.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from importlib import import_module, util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from supervisor._cli import paths
from supervisor._cli.candidates import arguments_needed, candidates, is_runnable
from supervisor._cli.errors import CommandError
from supervisor._cli.search_path import put_first
from supervisor._cli.targets import Target
from supervisor._cli.user_code import has_user_frames, user_code

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable

_SHOWN: Final = 12  # of the names in a module


class ImportedSource:
    """What a word like `module:attribute` names.

    Args:
        target: The word.

    Raises:
        CommandError: It cannot be imported, or is nothing that can be run.
    """

    def __init__(self, target: Target) -> None:
        self.name = target.word
        self._target = target
        self._module_name = target.place
        if target.is_path:
            self._path = _existing(target.place)
            put_first(self._path.parent)
            self._module_name = _module_name(self._path)
        else:
            put_first(Path.cwd())
        self._found: Any = self._find(self._import())
        self._last: object = None

    async def build(self) -> Runnable:
        """Return the team or agent, another one at each call.

        Raises:
            CommandError: It cannot be made, or not once more.
        """
        made = await self._make()
        if made is self._last:
            raise CommandError(
                f"{self.name!r} gives the same object again, so it cannot be made anew; "
                "name a function that makes one at each call"
            )
        self._last = made
        return made

    async def _make(self) -> Runnable:
        if is_runnable(self._found):
            if self._last is not None:
                self._found = self._find(self._import_again())
            return self._found
        with user_code(f"make a team by {self.name!r}"):
            made = self._found()
            if inspect.isawaitable(made):
                made = await made
        if not is_runnable(made):
            raise CommandError(
                f"{self.name!r} returned {_kind(made)}; let it return a team or an agent"
            )
        return made

    # -- the module ----------------------------------------------------------------------------

    def _import(self) -> ModuleType:
        if self._target.is_path:
            return self._import_file()
        with user_code(f"import module {self._module_name!r}"):
            try:
                return import_module(self._module_name)
            except ModuleNotFoundError as error:
                if has_user_frames(error):
                    raise
                raise CommandError(self._no_module(error)) from None

    def _import_file(self) -> ModuleType:
        loader = SourceFileLoader(self._module_name, str(self._path))
        spec = util.spec_from_file_location(self._module_name, self._path, loader=loader)
        assert spec is not None
        module = util.module_from_spec(spec)
        sys.modules[self._module_name] = module
        with user_code(f"import {self._target.place!r}"):
            loader.exec_module(module)
        # As `import` has it: a module may have put another object in its place.
        return sys.modules.get(self._module_name, module)

    def _import_again(self) -> ModuleType:
        before = sys.modules.pop(self._module_name, None)
        try:
            return self._import()
        except BaseException:
            if before is not None:
                sys.modules[self._module_name] = before
            raise

    def _no_module(self, error: ModuleNotFoundError) -> str:
        missing = error.name or self._module_name  # it, or a package above it
        close = _close(missing, [path.stem for path in Path.cwd().glob("*.py")])
        return f"there is no module {missing!r}, neither installed nor in {Path.cwd()}{close}"

    # -- the attribute -------------------------------------------------------------------------

    def _find(self, module: ModuleType) -> object:
        found: object = module
        with user_code(f"get {self.name!r}"):
            for name in self._target.attribute.split("."):
                if not hasattr(found, name):
                    raise CommandError(f"there is no {self.name!r}{_choices(module, name)}")
                found = getattr(found, name)
        self._check(found, module)
        return found

    def _check(self, found: object, module: ModuleType) -> None:
        if is_runnable(found):
            return
        if inspect.iscoroutine(found):
            found.close()
        if not callable(found):
            raise CommandError(
                f"{self.name!r} is {_kind(found)}; give a team, an agent or a function that makes "
                f"one{_choices(module)}"
            )
        if missing := arguments_needed(found):
            raise CommandError(
                f"{self.name!r} cannot be called without {missing}; "
                "give a function that needs no arguments"
            )


def _choices(module: ModuleType, wrong: str = "") -> str:
    fitting = candidates(module)
    if not fitting:
        return "; the module has no team, no agent and no function that could make one"
    more = ", ..." if len(fitting) > _SHOWN else ""
    there = f"there is {', '.join(fitting[:_SHOWN])}{more}"
    close = _close(wrong, fitting)
    return f"{close} ({there})" if close else f"; {there}"


def _close(wrong: str, names: list[str]) -> str:
    close = difflib.get_close_matches(wrong, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _kind(thing: object) -> str:
    return "None" if thing is None else f"an object of type {type(thing).__name__}"


def _existing(place: str) -> Path:
    if not paths.is_file(place):
        raise CommandError(f"there is no file {place!r}; give its path from this folder")
    # As Python does with a script: sys.path[0] is where the file really is.
    return Path(place).resolve()


def _module_name(path: Path) -> str:
    """Return the name under which a file is imported: its own, if no other module has that."""
    name = path.stem
    is_taken = name in sys.modules or name in sys.stdlib_module_names
    return f"_{name}_" if is_taken or not name.isidentifier() else name
