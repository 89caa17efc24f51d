"""Team files: a team or an agent in AutoGen's component format, as JSON or YAML.

A team file is code. AutoGen imports any module that it names, `FunctionTool` runs source that
stands in it, and a tool server is any command. So all of the file is looked at before anything that
it names is imported: which classes it names (`checks`, `providers`), and what those do (`risks`).

Not chosen: to let AutoGen load it and to watch what it imports. It would be half done by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supervisor._cli.errors import CommandError
from supervisor._cli.search_path import put_last
from supervisor._cli.targets import Source
from supervisor._cli.team_file import checks, gallery
from supervisor._cli.team_file.nodes import FileError, printable
from supervisor._cli.team_file.reading import read
from supervisor._cli.team_file.risk import Risk
from supervisor._cli.team_file.risks import risks
from supervisor._process.standard_streams import write_stderr

_LISTED = 5  # risks in one error


def load(
    place: str, *, trust: bool = False, allow: Sequence[str] = (), select: str | None = None
) -> Source:
    """Read a team file, check it, and import the classes that it names.

    Args:
        place: The path.
        trust: Whether it may start programs and run code.
        allow: Namespaces from which it may load classes, besides AutoGen's own.
        select: The name of the team or agent to take out of a gallery.

    Raises:
        CommandError: It cannot be loaded, or does what needs trust.
    """
    namespaces = checks.allowed_namespaces(allow)
    try:
        data = read(place)
        if gallery.is_gallery(data):
            data = gallery.select(data, select)
        elif select is not None:
            raise FileError("it is no gallery; leave --select out")
        components = checks.check(data, namespaces)
        found = risks(components)
    except FileError as error:
        raise CommandError(printable(f"{place}: {error}")) from None
    if found and not trust:
        said = f"{place}: {_refusal(found)}; if you trust the file, add --trust"
        raise CommandError(printable(said))
    for risk in found:
        write_stderr(f"supervisor: {printable(place)}: trusted: {risk.in_full()}\n")
    if namespaces:
        put_last(Path.cwd())  # what is allowed must not take the place of what is installed
    from supervisor._cli.team_file.source import FileSource, import_classes

    try:
        import_classes(components, namespaces)
    except FileError as error:
        raise CommandError(printable(f"{place}: {error}")) from None
    name = place if select is None else f"{place} ({select})"
    own = any(checks.is_in(it.provider, namespaces) for it in components)
    return FileSource(name, components, has_own_classes=own)


def _refusal(found: Sequence[Risk]) -> str:
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(risk.in_one_line() for risk in found[:_LISTED]) + more
