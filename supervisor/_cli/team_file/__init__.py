"""Team files: a team or an agent in AutoGen's component format, as JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supervisor._autogen import components
from supervisor._autogen.adapter import Runnable


def load(
    place: str,
    *,
    trust: bool = False,  # noqa: ARG001
    allow: Sequence[str] = (),  # noqa: ARG001
    select: str | None = None,  # noqa: ARG001
) -> FileSource:
    """Read and check a team file."""
    text = Path(place).read_text(encoding="utf-8")
    if place.lower().endswith(".json"):
        return FileSource(place, json.loads(text))
    import yaml

    return FileSource(place, yaml.safe_load(text))


class FileSource:
    """A checked team file."""

    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self.name = name
        self._config = config

    async def build(self) -> Runnable:
        """Make the team or agent anew."""
        return components.load(self._config)
