"""Prints how each server ends, by itself and with a supervisor: the table of docs/guide/hosts.md.

`python -m tests.hosts [--streams 100] [SERVER ...]`; a server is a name of `command_lines.SERVERS`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.hosts.command_lines import OLD_UVICORN, SERVERS
from tests.hosts.scenes import clients
from tests.hosts.servers import Server, start
from tests.hosts.stock import STATUS, Way
from tests.hosts.versions import uvicorn_044

_LIMIT_SECONDS: Final = 10.0  # what is there after so long is killed
_HEAD: Final = (
    "| server | signal | by itself, idle | by itself, streams open | supervised, streams open "
    "| whole streams |\n|---|---|---|---|---|---|"
)


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="clients, each with a stream")
    parser.add_argument("servers", nargs="*", metavar="SERVER")
    arguments = parser.parse_args()
    print(_HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.servers or SERVERS:
            variables = uvicorn_044(Path(folder)) if name == OLD_UVICORN else {}
            if variables is None:
                print(f"{name} cannot be installed here", file=sys.stderr)
                continue
            for way in STATUS[name]:
                print(_row(name, way, arguments.streams, variables), flush=True)


def _row(name: str, way: Way, streams: int, variables: Mapping[str, str]) -> str:
    idle, _ = _play(name, "stock", way, 0, variables)
    alone, _ = _play(name, "stock", way, streams, variables)
    ours, whole = _play(name, "wrapped", way, streams, variables)
    cells = (f"`{name}`", way.label, idle, alone, ours, f"{whole} of {streams}")
    return f"| {' | '.join(cells)} |"


def _play(
    name: str, app: str, way: Way, streams: int, variables: Mapping[str, str]
) -> tuple[str, int]:
    """Return how it has ended, and how many streams were complete with a last event."""
    with (
        start(SERVERS[name], app, variables=variables) as server,
        clients(server, "slow", streams=streams) as seen,
    ):
        way.tell(server)
        ended = _end_of(server)
        endings = seen.stream_endings() if "killed" not in ended else []
        return ended, endings.count("complete, stopped")


def _end_of(server: Server) -> str:
    try:
        ended = server.wait(_LIMIT_SECONDS)
    except AssertionError:
        return f"killed after {_LIMIT_SECONDS:.0f} s"
    left = f", {len(ended.left)} processes left" if ended.left else ""
    return f"{ended.status}, {ended.seconds:.1f} s{left}"


if __name__ == "__main__":
    main()
