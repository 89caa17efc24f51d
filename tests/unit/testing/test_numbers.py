"""Numbers that a helper for tests cannot take are refused where they are given."""

from __future__ import annotations

import math
from typing import Any

import pytest

from supervisor.testing import Scenario, ScriptedAgent, ScriptedModel, Steps, ToolLog, sweep


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"pause": 0.5}, TypeError, "pause is a whole number, not 0.5; give a time as seconds="),
        ({"pause": True}, TypeError, "pause is a whole number"),
        ({"pause": -1}, ValueError, "pause cannot be negative"),
        ({"seconds": "1"}, TypeError, "seconds is a number of seconds, not '1'"),
        ({"seconds": -0.5}, ValueError, "seconds cannot be -0.5"),
        ({"seconds": math.nan}, ValueError, "seconds cannot be nan"),
    ],
)
def test_of_a_model(settings: dict[str, Any], error: type[Exception], says: str) -> None:
    """The error comes from the constructor, and names what to give instead."""
    with pytest.raises(error, match=says):
        ScriptedModel(["No."], **settings)


def test_of_a_tool() -> None:
    """A tool's pause is a number of steps."""
    pause: Any = 0.5
    with pytest.raises(TypeError, match=r"pause is a whole number, not 0\.5; a tool that takes"):
        ToolLog().tool("look_up", pause=pause)


def test_of_a_step() -> None:
    """A step has a whole number."""
    step: Any = "12"
    with pytest.raises(TypeError, match="step is a whole number, not '12'"):
        Steps().before(step, print)


@pytest.mark.parametrize("name", ["sample", "pairs"])
async def test_of_a_sweep(name: str) -> None:
    """How often a sweep stops is a whole number."""
    given: Any = {name: 0.5}
    with pytest.raises(TypeError, match=f"{name} is a whole number"):
        await sweep(Scenario(make=lambda: ScriptedAgent("ann", ["No."])), **given)
