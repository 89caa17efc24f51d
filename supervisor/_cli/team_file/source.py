"""A checked team file, of which teams and agents are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from supervisor._autogen import components
from supervisor._autogen.adapter import Runnable
from supervisor._cli.errors import CommandError
from supervisor._cli.team_file.nodes import Component, FileError, Path, at, printable
from supervisor._cli.team_file.providers import PACKAGES, requirement
from supervisor._cli.user_code import raise_interrupt_behind, show_traceback, summary


@dataclass(frozen=True)
class FileSource:
    """A checked team file.

    Args:
        name: The file, and what was selected of it.
        components: What is in it, the team or agent first.
        has_own_classes: Whether it names classes that are not AutoGen's.
    """

    name: str
    components: Sequence[Component]
    has_own_classes: bool

    async def build(self) -> Runnable:
        """Make the team or agent anew, in the running loop.

        Raises:
            CommandError: AutoGen cannot make it.
        """
        try:
            return components.load(self.components[0].node)
        except Exception as error:  # noqa: BLE001 - a class may raise anything
            if self.has_own_classes:
                show_traceback(error)
            said = f"{self.name}: {self._place(error)}{summary(error)}"
            raise CommandError(printable(said)) from None

    def _place(self, error: Exception) -> str:
        """Say which component it is, by the path of those that hold it."""
        place: Component | None = None
        for node in components.nodes_of_failure(error):
            inside = [it for it in self.components if self._holder(it) is place]
            place = next((it for it in inside if node.items() <= it.node.items()), place)
        return f"{place.where if place else 'it'} cannot be made: "

    def _holder(self, component: Component) -> Component | None:
        by_path = self._by_path
        above = (component.path[:length] for length in reversed(range(len(component.path))))
        return next((by_path[path] for path in above if path in by_path), None)

    @cached_property
    def _by_path(self) -> dict[Path, Component]:
        return {it.path: it for it in self.components}


def import_classes(found: Sequence[Component], namespaces: Sequence[str]) -> None:
    """Import the classes that a checked file names, and check the components against them.

    Raises:
        FileError: A class is missing, or is no component, or takes another config.
    """
    classes: dict[str, type] = {}
    for component in found:
        if component.provider not in classes:
            classes[component.provider] = _class_of(component, (*PACKAGES, *namespaces))
    if not components.can_run(classes[found[0].provider]):
        raise FileError(f"{found[0].provider} is neither a team nor an agent; give a file of one")
    for component in found:
        wrong = components.mismatch(classes[component.provider], component.node)
        if wrong is not None:
            path, problem = wrong
            raise FileError(f"{at((*component.path, *path))} {problem}")


def _class_of(component: Component, packages: Sequence[str]) -> type:
    where, provider = component.where, component.provider
    try:
        return components.class_of(provider, packages)
    except components.NoComponentError as error:
        raise FileError(f"{where} names {provider!r}, {error}") from None
    except ImportError as error:
        raise_interrupt_behind(error)
        needed = requirement(provider)
        what = f"run: pip install {needed!r}" if needed else summary(error)
        raise FileError(f"{where} ({provider}) needs what is not installed; {what}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - so may a module
        show_traceback(error)
        raise FileError(f"{where}: cannot import {provider!r}: {summary(error)}") from None
