"""What the command line is told to run: an object in Python, a team file, or a program.

| word | kind |
|---|---|
| `module:attribute`, `file.py:attribute` | object: a team, an agent, or a function that makes one |
| `team.json`, `team.yaml`, `team.yml` | file: a team or an agent in AutoGen's component format |
| `app.py`, or any other file or folder | program: as under `python app.py` |

A target is loaded before any event loop runs, while signals do what they do in Python: Ctrl-C in a
slow import ends the process at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from supervisor._cli import paths
from supervisor._cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor._autogen.adapter import Runnable

_TEAM_FILES: Final = (".json", ".yaml", ".yml")
_FORMS: Final = "module:attribute, file.py:attribute, team.json, team.yaml or program.py"


class Source(Protocol):
    """Where a team or an agent comes from."""

    @property
    def name(self) -> str:
        """The name to show; the same in each process that is given the same target."""
        ...

    async def build(self) -> Runnable:
        """Make the team or agent anew, in the running loop.

        Raises:
            CommandError: It cannot be made, or not once more.
        """
        ...


@dataclass(frozen=True)
class Target:
    """What a word of the command line names.

    Args:
        kind: "object", "file" or "program".
        word: The word as it was given.
        place: The module's name, or the path of a file or program.
        attribute: The name in the module, which may have dots; "" where it is no object.
    """

    kind: Literal["object", "file", "program"]
    word: str
    place: str
    attribute: str = ""

    @property
    def is_path(self) -> bool:
        """Whether the place is a path, and no module's name."""
        return self.kind != "object" or not _is_dotted_name(self.place)


def parse(word: str) -> Target:
    """Return what a word names.

    Raises:
        CommandError: It names nothing.
    """
    place, colon, attribute = word.rpartition(":")
    if colon and place and _is_dotted_name(attribute):
        return _object(word, place, attribute)
    if word.lower().endswith(_TEAM_FILES):
        return Target("file", word, word)
    if word.endswith(".py") or (word and paths.exists(word)):
        return Target("program", word, word)
    if _is_dotted_name(word):
        raise CommandError(
            f"{word!r} is no file, and as a module it lacks an attribute; "
            f"give {word}:ATTRIBUTE, or -m {word} for a program"
        )
    raise CommandError(f"{word!r} is nothing that can be run; give {_FORMS}")


def load(
    target: Target, *, trust: bool = False, allow: Sequence[str] = (), select: str | None = None
) -> Source:
    """Import what a target names, or read and check its file; no event loop may run yet.

    Args:
        target: An object or a team file.
        trust: Whether a team file may start programs and run code.
        allow: Namespaces from which a team file may load classes, besides AutoGen's own.
        select: The name of the team or agent to take out of a gallery.

    Raises:
        CommandError: It cannot be loaded.
    """
    if target.kind == "program":
        raise CommandError(
            f"{target.word!r} is a program, and no team; give {target.word}:ATTRIBUTE"
        )
    if target.kind == "file":
        from supervisor._cli import team_file

        return team_file.load(target.place, trust=trust, allow=allow, select=select)
    if select is not None:
        raise CommandError(f"--select is for galleries, and {target.word!r} is none; leave it out")
    from supervisor._cli.imported import ImportedSource

    return ImportedSource(target)


def _object(word: str, place: str, attribute: str) -> Target:
    if place.lower().endswith(_TEAM_FILES):
        raise CommandError(
            f"a team file has no attributes; give {place}, and --select {attribute} for a gallery"
        )
    if _is_dotted_name(place) or place.endswith(".py") or paths.is_file(place):
        return Target("object", word, place, attribute)
    raise CommandError(f"{place!r} is neither a module's name nor a file; give {_FORMS}")


def _is_dotted_name(word: str) -> bool:
    # `file.py` is one as well: a path by what it ends with.
    return not word.endswith(".py") and all(part.isidentifier() for part in word.split("."))
