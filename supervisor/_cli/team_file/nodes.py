"""The parts of a team file's data, each with its path, like `config.participants[1].config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

Path = tuple[str | int, ...]

_DEEPEST: Final = 100
_LONGEST_KEY: Final = 60
_SCALARS: Final = (str, int, float, bool, type(None))


class FileError(Exception):
    """A team file cannot be used; the text goes on after the file's name and a colon."""


@dataclass(frozen=True)
class Component:
    """A place in the file that AutoGen would make an object of.

    That is a mapping with a `provider` and a `config`, wherever it stands.
    """

    path: Path
    node: dict[str, Any]

    @property
    def where(self) -> str:
        """Its path, as text."""
        return at(self.path)

    @property
    def provider(self) -> str:
        """What names its class."""
        return cast("str", self.node["provider"])

    @property
    def config(self) -> dict[str, Any]:
        """What it is made from."""
        return cast("dict[str, Any]", self.node["config"])


def walk(data: object) -> Iterator[tuple[Path, object]]:
    """Yield each mapping, list and value, outer ones first, in the order of the file.

    Raises:
        FileError: It has what JSON does not have, or is nested too deeply.
    """
    waiting: list[tuple[Path, object]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            mapping = cast("dict[object, object]", value)
            waiting.extend(reversed([((*path, _key(path, key)), mapping[key]) for key in mapping]))
        elif isinstance(value, list):
            items = cast("list[object]", value)
            waiting.extend(reversed([((*path, place), it) for place, it in enumerate(items)]))
        elif not isinstance(value, _SCALARS):
            raise FileError(f"{at(path)} is a {type(value).__name__}, which JSON does not have")
        if len(path) > _DEEPEST:
            raise FileError(f"it is nested more than {_DEEPEST} levels deep")


def components(data: object) -> Iterator[Component]:
    """Yield each component, outer ones first.

    Raises:
        FileError: The data has what JSON does not have.
    """
    for path, value in walk(data):
        if is_component(value):
            yield Component(path, cast("dict[str, Any]", value))


def is_component(value: object) -> bool:
    """Return whether AutoGen's loader would take it for a component."""
    node = as_mapping(value)
    return isinstance(node.get("provider"), str) and isinstance(node.get("config"), dict)


def as_mapping(value: object) -> dict[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return a list as it is, and an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def at(path: Sequence[str | int]) -> str:
    """Return a path as text."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() and len(part) <= _LONGEST_KEY:
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part, _LONGEST_KEY)}]"
    return text or "the top level"


def shown(text: object, longest: int = 200) -> str:
    """Return a text of the file in quotes, on one line, with no character that a terminal obeys."""
    whole = str(text)
    quoted = repr(whole[:longest])
    return quoted if len(whole) <= longest else f"{quoted}... ({len(whole)} characters)"


def printable(text: str) -> str:
    """Return a text with its control characters written out: a terminal would obey them."""
    return "".join(
        character if character.isprintable() or character == "\t" else repr(character)[1:-1]
        for character in text
    )


def names_of(node: Mapping[str, Any]) -> list[str]:
    """Return the names by which a component can be selected: its label, its own name."""
    names = (node.get("label"), as_mapping(node.get("config")).get("name"))
    return [name for name in names if isinstance(name, str) and name]


def _key(path: Path, key: object) -> str:
    if not isinstance(key, str):
        raise FileError(f"the key {key!r} in {at(path)} has to be text")
    return key
