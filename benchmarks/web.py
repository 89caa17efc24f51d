"""From SIGTERM to the end of a web server, idle and with open streams.

A server is started by its command line, as its documentation has it, on asyncio. Clients read
streams of runs from it; then it gets SIGTERM. The figure is the time to the end of the process, and
the note says how many streams had a last event. What is there after ten seconds is killed, and has
no figure. The subjects take turns.

Cases: `SERVER-idle`, and `SERVER-streams` with ten open streams, each of a run whose turn takes
half a second. Subjects: `alone` (the application as it is) and `supervised` (the same application
in `supervised(app)`; its ladder has 2 s).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from tests.hosts.command_lines import SERVERS
from tests.hosts.scenes import clients
from tests.hosts.servers import start
from tests.hosts.stock import Way

NAMES: Final = ("uvicorn", "hypercorn")
APPS: Final = {"alone": "stock", "supervised": "wrapped"}
STREAMS: Final = {"idle": 0, "streams": 10}
ROUNDS: Final = 2
LIMIT_SECONDS: Final = 10.0


def end(name: str, app: str, streams: int) -> tuple[float | None, str]:
    """Return the seconds in which a server has ended, and what became of its streams."""
    with (
        start(SERVERS[name], app) as server,
        clients(server, "slow", streams=streams) as seen,
    ):
        Way.TERM.tell(server)
        try:
            ended = server.wait(LIMIT_SECONDS)
        except AssertionError:
            return None, f"killed after {LIMIT_SECONDS:.0f} s"
        whole = seen.stream_endings().count("complete, stopped")
    last = f", {whole} of {streams} streams had their last event" if streams else ""
    return ended.seconds, f"status {ended.status}{last}"


def measure(effort: Effort) -> Iterator[Record]:
    """Measure each case; what does not end is tried once."""
    found: dict[tuple[str, str, str], list[tuple[float | None, str]]] = {
        (name, case, subject): [] for name in NAMES for case in STREAMS for subject in APPS
    }
    for number in effort.long_rounds(ROUNDS):
        for (name, case, subject), ends in rotated([*found.items()], number):
            if not ends or ends[0][0] is not None:
                ends.append(end(name, APPS[subject], STREAMS[case]))
    for (name, case, subject), ends in found.items():
        seconds = [took for took, _ in ends if took is not None]
        yield record(("web", f"{name}-{case}", subject, ""), seconds, note=ends[0][1])


if __name__ == "__main__":
    main(__name__, measure)
