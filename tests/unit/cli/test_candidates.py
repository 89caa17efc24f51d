"""What a module has that could be run."""

from __future__ import annotations

from types import ModuleType

import pytest

from supervisor._cli.candidates import (
    arguments_needed,
    candidates,
    known_factories,
    runnables,
    unknown_factories,
)
from supervisor.testing import ScriptedAgent

_CODE = """
from supervisor.testing import ScriptedAgent
from pathlib import Path
from typing import Any
import asyncio.tasks

class Proxy:
    def __getattr__(self, name):
        raise LookupError("asked for " + name)

def weather() -> str: ...
def lookup() -> "list[str]": ...
async def main() -> None: ...
def topic(name): ...
def annotated() -> ScriptedAgent: ...
def quoted() -> "ScriptedAgent": ...
def path() -> Path: ...
def whatever() -> Any: ...
def from_elsewhere() -> "Elsewhere": ...
async def anything(): ...
proxy = Proxy()
zoe = ScriptedAgent("zoe", ["x"])
_hidden = zoe
"""


@pytest.mark.parametrize("first", ["", "from __future__ import annotations\n"])
def test_teams_come_first_and_tools_are_left_out(first: str) -> None:
    """A function that is annotated to return a text or nothing makes no team."""
    module = ModuleType("of_test")
    exec(compile(first + _CODE, "of_test.py", "exec", dont_inherit=True), vars(module))
    assert isinstance(module.zoe, ScriptedAgent)
    makers = ["annotated", "anything", "from_elsewhere", "path", "quoted", "whatever"]
    assert candidates(module) == ["zoe", *makers]
    assert runnables(module) == ["zoe"]
    assert known_factories(module) == ["annotated", "quoted"]
    assert unknown_factories(module) == ["anything", "from_elsewhere", "whatever"]


def test_a_function_that_tells_nothing_of_its_parameters_is_called() -> None:
    """Some of C code have no signature; calling them is what tells."""
    assert arguments_needed(iter) == ""
    assert arguments_needed(isinstance) == "'obj', 'class_or_tuple'"
