"""A gallery of AutoGen Studio: a file with many components, of which one can be selected."""

from __future__ import annotations

import difflib
from typing import Any

from supervisor._cli.team_file.nodes import FileError, as_list, as_mapping, names_of, shown


def is_gallery(data: object) -> bool:
    """Return whether a file's data is a gallery, and no team or agent."""
    return _entries(data) is not None


def select(data: object, name: str | None) -> dict[str, Any]:
    """Return the team or agent of a gallery that has a name.

    Args:
        data: The gallery.
        name: A label, or the name of a team or agent.

    Raises:
        FileError: There is not exactly one.
    """
    entries = _entries(data) or []
    listed = ", ".join(_listed(entry) for entry in entries) or "nothing that can be run"
    if name is None:
        raise FileError(f"it is a gallery; take one out of it by --select NAME: {listed}")
    labelled = [entry for entry in entries if entry.get("label") == name]
    found = labelled or [entry for entry in entries if name in names_of(entry)]
    if not found:
        names = [it for entry in entries for it in names_of(entry)]
        close = difflib.get_close_matches(name, names, n=1)
        meant = f"; did you mean {shown(close[0])}?" if close else ""
        raise FileError(f"it has no team or agent {shown(name)}{meant}; it has {listed}")
    if len(found) > 1:
        raise FileError(f"it has {len(found)} teams and agents {shown(name)}; it has {listed}")
    return found[0]


def _entries(data: object) -> list[dict[str, Any]] | None:
    """Return the teams and agents of a gallery, None if it is none."""
    record = as_mapping(data)
    if "components" not in record:
        record = as_mapping(record.get("config"))  # as Studio stores it
    if "provider" in as_mapping(data) or not as_mapping(record.get("components")):
        return None
    groups = [as_list(record["components"].get(key)) for key in ("teams", "agents")]
    return [as_mapping(entry) for group in groups for entry in group]


def _listed(entry: dict[str, Any]) -> str:
    """Return the label, or the name where there is none."""
    return shown(next(iter(names_of(entry)), "without a name"))
