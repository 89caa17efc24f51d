"""Test your own agents: a strict model, a scripted agent, stops at chosen steps, and checks.

`sweep` stops a team at each step of its run, in each way, and checks what the supervisor promises.
It fails for an agent that loses a message or does something twice.
"""

from __future__ import annotations

from supervisor.testing._agent import Answer, ScriptedAgent, Turn
from supervisor.testing._model import Replies, Said, ScriptedModel, answers_so_far, calls
from supervisor.testing._scenario import Scenario, Stop, Way
from supervisor.testing._settled import assert_settled
from supervisor.testing._steps import Steps
from supervisor.testing._sweeps import Swept, count_steps, stop_twice, sweep
from supervisor.testing._tools import ToolLog
from supervisor.testing._transcript import TranscriptError, check_transcript

__all__ = [
    "Answer",
    "Replies",
    "Said",
    "Scenario",
    "ScriptedAgent",
    "ScriptedModel",
    "Steps",
    "Stop",
    "Swept",
    "ToolLog",
    "TranscriptError",
    "Turn",
    "Way",
    "answers_so_far",
    "assert_settled",
    "calls",
    "check_transcript",
    "count_steps",
    "stop_twice",
    "sweep",
]


def __dir__() -> list[str]:
    return sorted(__all__)
