"""A worker in a container, a pod or a service: it runs a team on one job after another.

.venv/bin/python examples/container/worker.py

SIGTERM lets the present turn finish; the job that was interrupted is still in the queue, and the
process ends by that signal. The seconds come from `SUPERVISOR_GRACE`; whoever deploys it sets them.
"""

from __future__ import annotations

import os
from collections import deque

from supervisor import Supervisor, run


async def main(sup: Supervisor) -> None:
    """Work the jobs off."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat

    from supervisor.testing import ScriptedModel  # in place of your model client

    jobs = deque(f"job {number}" for number in range(1, 101))
    try:
        while jobs and sup.stop_request is None:
            model = ScriptedModel(["A draft.", "A better draft.", "Done."], seconds=0.5)
            writer = AssistantAgent("writer", model)
            team = RoundRobinGroupChat([writer], termination_condition=MaxMessageTermination(4))
            async for event in sup.stream(team, jobs[0]):
                print(f"{jobs[0]}: {describe(event)}", flush=True)
            if sup.stop_request is None:
                jobs.popleft()  # only now: a job that is stopped, or not begun, is not done
    finally:
        print(f"{len(jobs)} jobs are left", flush=True)


def describe(event: object) -> object:
    """Return what a message says, or how the run ended."""
    return getattr(event, "stop_reason", None) or getattr(event, "content", event)


if __name__ == "__main__":
    # The probe looks for the file; it is gone from the first request to stop on.
    run(main, ready_file=os.environ.get("READY_FILE"))
