"""What a program is told that has started no event loop."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from supervisor._cli.program.hint import hint_at_team
from supervisor._cli.targets import Target
from supervisor.testing import ScriptedAgent

_APP = Target("program", "app.py", "app.py")
_MODULE = Target("program", "-m", "team")
_FOLDER = Target("program", "app", "app")
_START = "supervisor: app.py started no event loop; "


def _said(
    code: str, capsys: pytest.CaptureFixture[str], target: Target = _APP, spec: str = ""
) -> str:
    module = ModuleType("__main__")
    module.__spec__ = ModuleSpec(spec, None) if spec else None
    vars(module)["ScriptedAgent"] = ScriptedAgent
    exec(code, vars(module))
    hint_at_team(module, target)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "b = a = ScriptedAgent('a', 'x')\ndef make(): ...",
            "to run its team use app.py:a or app.py:b\n",
        ),
        (
            "def make() -> ScriptedAgent: ...\ndef unknown(): ...",
            "to run its team use app.py:make\n",
        ),
        (
            "def make(): ...\nasync def more(): ...",
            "if a function in it makes the team, use app.py:make or app.py:more\n",
        ),
    ],
)
def test_the_surest_of_what_could_be_meant_is_named(
    capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    """Teams and agents, else functions annotated to make one, else those that say nothing."""
    assert _said(code, capsys) == _START + said


def test_a_module_is_named_as_it_can_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    """A package's `__main__` is named whole."""
    said = _said("def make(): ...", capsys, _MODULE, "team.__main__")
    assert said.endswith("use team.__main__:make\n")


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("number = 3\ndef tell() -> str: ...\ndef needs(model): ...", _APP),
        ("def make(): ...", _FOLDER),
    ],
)
def test_nothing_is_said_where_nothing_can_be_named(
    capsys: pytest.CaptureFixture[str], code: str, target: Target
) -> None:
    """A program that has no team, and one whose code has no name."""
    assert _said(code, capsys, target) == ""


def test_a_program_without_autogen_is_told_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its functions make no team."""
    monkeypatch.delitem(sys.modules, "autogen_agentchat")
    assert _said("def make(): ...", capsys) == ""
