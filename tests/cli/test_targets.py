"""Targets in processes of their own: hostile files, and signals while a module is imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.unit.cli.team_files import HOSTILE, MARKER, agent, component, team, write

pytestmark = pytest.mark.process

RUN: Final = [sys.executable, "-m", "supervisor", "run"]
SECONDS: Final = 50

LOAD: Final = """\
import json, os, sys
from supervisor._cli import targets
from supervisor._cli.errors import CommandError

refused = {}
for name in sys.argv[1:]:
    try:
        targets.load(targets.parse(name))
    except CommandError as error:
        refused[name] = str(error)
imported = [name for name in sys.modules if name.startswith(("autogen", "mcp", "evil", "pydantic"))]
print(json.dumps({"refused": refused, "imported": imported}))
"""


def _command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_a_hostile_file_imports_and_starts_nothing(tmp_path: Path) -> None:
    """Each is refused in one line, before AutoGen or anything that it names is imported."""
    names = [write(tmp_path, data, f"{at}.json").name for at, data in enumerate(HOSTILE.values())]
    tags = "provider: !!python/object/apply:os.system ['touch marker']\nconfig: {}\n"
    names.append(write(tmp_path, tags, "tags.yaml").name)
    (tmp_path / "evil.py").write_text(f"open({MARKER!r}, 'w')")
    done = _command(sys.executable, "-c", LOAD, *names, cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert sorted(answer["refused"]) == sorted(names)
    assert not [said for said in answer["refused"].values() if "\n" in said]
    assert not answer["imported"]
    assert not done.stderr
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a function of Python's", "config.participants[1] names 'os.system', which is not"),
        ("a tool with source", "tools[0] (FunctionTool) runs code of the file: \"import os\\n"),
        ("a tool server", "(McpWorkbench) starts the program: \"TOKEN=... /bin/sh -c 'touch m"),
        ("a gallery", "it is a gallery; take one out of it by --select NAME: 'Two writers', 'Ass"),
        ("an unknown key", "the top level has the unknown key 'paticipants'"),
    ],
)  # fmt: skip
def test_run_refuses_a_file_in_one_line(tmp_path: Path, name: str, says: str) -> None:
    """The command ends with status 2, one line on stderr and nothing on stdout."""
    write(tmp_path, HOSTILE[name])
    done = _command(*RUN, "team.json", "a task", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("supervisor: team.json: ")
    assert says in done.stderr
    assert not done.stdout
    assert not (tmp_path / MARKER).exists()


def test_a_module_beside_a_file_is_not_imported(tmp_path: Path) -> None:
    """A folder from elsewhere may have an `openai.py` beside the team file."""
    client = component("autogen_ext.models.openai.OpenAIChatCompletionClient", model="x", n=0.5)
    write(tmp_path, team(agent(model_client=client)), "team.yaml")  # JSON is YAML as well
    for name in ("openai", "tiktoken", "PIL", "yaml", "pydantic", "rich", "uvloop"):
        (tmp_path / f"{name}.py").write_text(f"open({MARKER!r}, 'w')")
    done = _command(*RUN, "team.yaml", "a task", cwd=tmp_path)
    assert "config.participants[0].config.model_client.config.n does not fit" in done.stderr
    assert not (tmp_path / MARKER).exists()


def test_a_module_that_raises_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    """The user's traceback, then one line of ours."""
    (tmp_path / "teams.py").write_text("def make():\n    1 / 0\n\nmake()\n")
    (tmp_path / "plain.py").write_text("import teams\n")
    plain = _command(sys.executable, "plain.py", cwd=tmp_path).stderr
    done = _command(*RUN, "teams:team", "a task", cwd=tmp_path)
    _, _, theirs = plain.partition("    import teams\n")
    *shown, ours = done.stderr.splitlines()
    assert shown == ["Traceback (most recent call last):", *theirs.splitlines()]
    assert ours == "supervisor: cannot import module 'teams': ZeroDivisionError: division by zero"
    assert done.returncode == 2


SLOW: Final = """\
import os, sys, time
os.write(1, b"importing\\n")
while True:
    time.sleep(0.05)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("word", ["teams:team", "teams.py:team"])
def test_a_stop_while_importing_ends_quietly(
    tmp_path: Path, number: signal.Signals, word: str
) -> None:
    """The process dies by the signal, and nothing is shown."""
    (tmp_path / "teams.py").write_text(SLOW)
    child = subprocess.Popen(
        [*RUN, word, "a task"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"importing\n"
            os.kill(child.pid, number)
            out, err = child.communicate(timeout=SECONDS)
        finally:
            child.kill()
    assert child.returncode == -number
    assert (out, err) == (b"", b"")
