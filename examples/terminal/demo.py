"""Two agents and a tool talk for some ten seconds. Press Ctrl-C; the prompt is back at once.

make demo

(In the first tenth of a second, before `run` is called, Ctrl-C gives Python's own traceback.)
"""

from __future__ import annotations

import time

from supervisor import Supervisor, run


async def main(sup: Supervisor) -> None:
    """Run the team, print its messages, and print how it ended."""
    print("A writer, an editor and a rhyming dictionary. Press Ctrl-C at any moment.", flush=True)
    begun, ending = time.monotonic(), "Stopped before the team had begun."
    try:
        # AutoGen is imported here and not above, so that Ctrl-C works in that slow second as well.
        from autogen_agentchat.base import TaskResult

        from examples.teams import show, summary, writers

        async for event in sup.stream(writers(), "Write a verse about the sea."):
            show(event)
            if isinstance(event, TaskResult):
                ending = summary(event)
    finally:  # also where Ctrl-C came before the team had begun
        print(f"\n\n{ending} {time.monotonic() - begun:.1f} s in all.", flush=True)


if __name__ == "__main__":
    run(main)
