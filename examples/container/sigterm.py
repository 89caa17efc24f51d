"""A container engine sends SIGTERM, waits some seconds, and kills. The program ends in order.

.venv/bin/python examples/container/sigterm.py

The parent plays the engine. It starts this file as a child with a `SUPERVISOR_GRACE` two seconds
below its own, waits until the team speaks, and sends SIGTERM. The child finishes the current turn,
prints its result, and dies of that signal within the grace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from supervisor import Supervisor, run

GRACE_SECONDS = 10


async def main(sup: Supervisor) -> None:
    """Run the program in the container."""
    from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk

    from examples.teams import counters, summary

    stream = sup.stream(counters(pause=0.2), "Count from 1 to 20")
    async for event in stream:
        if isinstance(event, Chunk):
            print("the team speaks", flush=True)
    print(f"child: {summary(await stream)}", flush=True)


def engine() -> int:
    """Start the program, stop it, and print how it ended."""
    environ = os.environ | {"SUPERVISOR_GRACE": str(GRACE_SECONDS - 2)}
    command = [sys.executable, __file__, "inside"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        print(f"engine: {child.stdout.readline().strip()}; sending SIGTERM", flush=True)
        begun = time.monotonic()
        child.send_signal(signal.SIGTERM)
        try:
            rest, _ = child.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            print("engine: it did not end, and was killed")
            return 1
    print(rest.strip().splitlines()[-1])
    print(f"engine: ended {time.monotonic() - begun:.1f} s later, status {child.returncode}")
    return 0 if child.returncode == -signal.SIGTERM else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        run(main)
    else:
        sys.exit(engine())
