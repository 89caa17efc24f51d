"""Whatever stands on the command line, it ends by itself, with a status and without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor._cli.main import COMMANDS
from tests.fuzz.command_lines import CommandLines, check
from tests.fuzz.lengths import examples
from tests.fuzz.values import AWKWARD, TEXTS

pytestmark = pytest.mark.process

_FLAGS = """
--help --version --json --status --checkpoints --id --allow-changed --drain --cancel --abandon
--grace --timeout --loop --stop-status --quiet --trust --allow --select --task-file --output-format
--verbose -m -r -c -- --last --new --task --concurrency --lease --queue
""".split()  # noqa: SIM905 - as they are typed
_FILES = {
    "empty.py": "",
    "raises.py": "raise ValueError('of the user')\n",
    "wrong.py": "def (\n",
    "team.json": '{"provider": "os.system", "config": {"command": "touch marker"}}',
    "team.yaml": "{{{",
    "empty.yaml": "",
    "app.service": "[Service]\nExecStart=/usr/bin/python app.py\nTimeoutStopSec=5\n",
    "Dockerfile": "FROM python\nCMD python app.py\n",
    "not-a-store.db": "This is no database.\n" * 60,
    "task.txt": "Write a haiku.",
    "binary": "\x80\x81",
}
_WORDS = (
    st.sampled_from(_FLAGS)
    | st.builds("{}={}".format, st.sampled_from(_FLAGS), TEXTS)
    | st.sampled_from([*_FILES, "folder",
                       "absent.py", "absent:team", "empty.py:team", "team.json:x"])
    | st.sampled_from(["sqlite:///not-a-store.db", "sqlite:///new.db", "sqlite:///~nobody-here/x",
                       f"sqlite:///{'x' * 300}", "sqlite:///folder", "mysql://u:secret@h/d"])
    | st.sampled_from(["5", "-1", "nan", "off", "json", "uvloop", "running", "text"])
    | st.sampled_from(AWKWARD)
    | TEXTS
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with some files of each kind."""
    path = tmp_path_factory.mktemp("words")
    for name, text in _FILES.items():
        (path / name).write_text(text, encoding="latin-1")
    (path / "folder").mkdir()
    return path


@examples(30, times=100)
@given(command=st.sampled_from([*COMMANDS]) | TEXTS, words=st.lists(_WORDS, max_size=5))
def test_any_words(lines: CommandLines, folder: Path, command: str, words: list[str]) -> None:
    """Any list of words gives a status, one line of our own at most, and no traceback."""
    given_words = [command, *words]
    if not all(_can_be_given(word) for word in given_words):
        return
    state = folder / "state"
    ended = lines.run(given_words, folder=folder, environ={"XDG_STATE_HOME": str(state)})
    if "raises.py" in ended.err or "wrong.py" in ended.err:
        return  # the traceback of the user's own program
    check(ended)
    assert not (folder / "marker").exists()


def _can_be_given(word: str) -> bool:
    """Tell whether a process can be started with this word."""
    try:
        return "\0" not in word and bool(word.encode("utf-8", "surrogateescape") or True)
    except UnicodeEncodeError:
        return False


@examples(15, times=100)
@given(
    name=st.sampled_from(
        ["SUPERVISOR_GRACE", "SUPERVISOR_CHECKPOINTS", "NOTIFY_SOCKET", "XDG_STATE_HOME", "HOME",
         "TERM", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES"]
    ),
    value=TEXTS,
    words=st.sampled_from(
        [["runs"], ["show", "x"], ["check", "Dockerfile"], ["run", "empty.py"], ["exec", "true"],
         ["run", "team.json", "x"], ["check"]]
    ),
)  # fmt: skip
def test_any_environment(
    lines: CommandLines, folder: Path, name: str, value: str, words: list[str]
) -> None:
    """Any value of a variable that we read gives a status, and no traceback."""
    if not _can_be_given(value):
        return
    check(lines.run(words, folder=folder, environ={"XDG_STATE_HOME": "state", name: value}))
