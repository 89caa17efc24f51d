"""A thread with a loop of its own, in a program whose main thread has none.

.venv/bin/python examples/workers/thread.py    (press Ctrl-C)

No thread but the main one hears signals, so the main thread passes the stop on: `stop()` may be
called from any thread.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading

from examples.teams import counters, summary
from supervisor import Supervisor


class Worker(threading.Thread):
    """Does one job after another."""

    def __init__(self) -> None:
        super().__init__(name="worker")
        self.supervisor = Supervisor(signals={})
        self.has_ended = threading.Event()

    def run(self) -> None:
        """Work until the supervisor is stopped."""
        try:
            asyncio.run(self.work())
        finally:
            self.has_ended.set()

    async def work(self) -> None:
        """Run a team for each job, until a stop is requested."""
        async with self.supervisor as sup:
            for number in itertools.count(1):
                print(f"Job {number}", flush=True)
                result = await sup.stream(counters(pause=0.05), "Count from 1 to 20")
                print(summary(result), flush=True)
                if sup.stop_request is not None:
                    break


def main() -> None:
    """Start the worker, and wait for Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a KeyboardInterrupt, too
    worker = Worker()
    try:
        worker.start()  # in here: Ctrl-C may come as soon as the thread is at work
        worker.has_ended.wait()  # not join(): Python 3.11 takes it for over once it is interrupted
    except KeyboardInterrupt:
        worker.supervisor.stop("The program ends")
        worker.has_ended.wait()
    print("The worker has ended.", flush=True)


if __name__ == "__main__":
    main()
