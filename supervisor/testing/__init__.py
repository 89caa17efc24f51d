"""For the tests of those who write agents: a strict model, stops at chosen steps, and checks.

`sweep` stops a team at each step of its run, in each way, and checks what the supervisor promises;
an agent that loses a message, or does something twice, fails it.
"""

from __future__ import annotations

from supervisor.testing.model import ScriptedModel, answers_so_far, calls
from supervisor.testing.scenario import Scenario, Way
from supervisor.testing.settled import assert_settled
from supervisor.testing.steps import Steps
from supervisor.testing.sweeps import Swept, count_steps, stop_twice, sweep
from supervisor.testing.tools import ToolLog
from supervisor.testing.transcript import TranscriptError, check_transcript

__all__ = [
    "Scenario",
    "ScriptedModel",
    "Steps",
    "Swept",
    "ToolLog",
    "TranscriptError",
    "Way",
    "answers_so_far",
    "assert_settled",
    "calls",
    "check_transcript",
    "count_steps",
    "stop_twice",
    "sweep",
]
