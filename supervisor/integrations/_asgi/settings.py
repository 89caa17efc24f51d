"""What `supervised` is set to, checked as the application is wrapped."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, cast, get_args

from supervisor._checkpoints.settings import Durability
from supervisor._checkpoints.store import CheckpointStore
from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung
from supervisor._core.settings import Children, Ladder
from supervisor._supervisor.facade import Supervisor

OnDisconnect = Literal["stop", "continue"]
"""What becomes of a request's runs when its client disconnects."""

_IS_A_GUEST: Final = "leave it out, the process and its signals are the server's"
_ON_DISCONNECT: Final = "give 'stop' or 'continue'"
_READY_PATH: Final = "give a path that begins with a slash, as '/ready'"


class HostSettings(TypedDict, total=False):
    """The settings of `supervised`, where each is explained."""

    ladder: Ladder | None
    signals: Mapping[signal.Signals | int | str, Rung | str] | None
    ready_file: str | os.PathLike[str] | None
    children: Children
    fast_path: bool
    checkpoints: str | CheckpointStore | None
    durability: Durability
    lease: float
    idempotent: Collection[str]
    on_disconnect: OnDisconnect
    ready_path: str | None


@dataclass(frozen=True, kw_only=True)
class ParsedSettings:
    """The same, in their parsed form."""

    on_disconnect: OnDisconnect
    ready_path: str | None
    for_supervisor: Mapping[str, Any]

    def make_supervisor(self) -> Supervisor:
        """Return a new supervisor: one is used once, and a server may start more than once."""
        return Supervisor(**self.for_supervisor, exits=False)


def parse(settings: HostSettings) -> ParsedSettings:
    """Check the settings of `supervised`.

    Raises:
        SettingsError: One of them cannot be.
        TypeError: There is no such setting.
    """
    given = dict(cast("dict[str, Any]", settings))
    for name in ("exits", "guard", "interactive"):
        if name in given:
            raise SettingsError(name, _IS_A_GUEST, given[name])
    on_disconnect = given.pop("on_disconnect", "stop")
    if on_disconnect not in get_args(OnDisconnect):
        raise SettingsError("on_disconnect", _ON_DISCONNECT, on_disconnect)
    ready_path = given.pop("ready_path", None)
    if ready_path is not None and not str(ready_path).startswith("/"):
        raise SettingsError("ready_path", _READY_PATH, ready_path)
    unknown = given.keys() - HostSettings.__annotations__.keys()
    if unknown:
        names = ", ".join(sorted(HostSettings.__annotations__))
        raise TypeError(f"there is no setting {min(unknown)!r}; there are {names}")
    parsed = ParsedSettings(
        on_disconnect=on_disconnect, ready_path=ready_path, for_supervisor=given
    )
    parsed.make_supervisor()  # raises what is wrong with the others
    return parsed
