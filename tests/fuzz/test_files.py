"""Whatever stands in a file that we read, it is read or refused, and nothing in it is run."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from supervisor._cli.chat.conversation import files as sessions
from supervisor._cli.check import files as deployments
from supervisor._cli.errors import CommandError
from supervisor._cli.targets import load, parse
from tests.fuzz.lengths import examples
from tests.fuzz.values import JSON, TEXTS
from tests.unit.cli.team_files import HOSTILE, MARKER, Config, agent, component, team

pytestmark = pytest.mark.blocks  # files are read, which a program does before any loop runs

_EVIL = f"import pathlib\npathlib.Path('{MARKER}').touch()\nclass Agent: pass\n"
_EXPORTS = [team(agent()), team(agent("a"), agent("b")), *HOSTILE.values()]
_PROVIDERS = ["evil.Agent", "evil", "os.system", "autogen_core.tools.FunctionTool", "", "..", "a.b"]
_COMPOSE: Config = {
    "services": {"app": {"image": "x", "command": ["python", "app.py"], "environment": {},
                         "stop_grace_period": "10s", "init": True, "stop_signal": "SIGTERM"}}
}  # fmt: skip
_POD: Config = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
    "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 30, "containers": [
        {"name": "app", "command": ["python"], "env": [{"name": "SUPERVISOR_GRACE", "value": "9"}],
         "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}}}]}}},
}  # fmt: skip
_UNIT = """[Service]
Type=notify
ExecStart=/usr/bin/python app.py --x \\
  more
TimeoutStopSec=5min 20s
KillMode=mixed
Environment="SUPERVISOR_GRACE=9" A=b
"""
_DOCKERFILE = """FROM python:3.11
ENV SUPERVISOR_GRACE=9 A="b c"
STOPSIGNAL SIGTERM
ENTRYPOINT ["autogen-supervisor", "exec", "--"]
CMD python app.py
"""
_SESSION: Config = {
    "schema_version": 1, "session": "s", "target": "team.py:team", "folder": "/", "shape": ["Team"],
    "begun": "2026-01-01T00:00:00Z", "saved": "2026-01-01T00:00:00Z", "messages": 1,
    "unanswered": "", "now": {"state": {}, "messages": 1, "can_go_on": True}, "undo": [],
}  # fmt: skip
_YAML_ODDITIES = [
    "!!bool maybe", "!!int x", "!!float y", "2024-13-45", "2024-99-99 10:00:00", "!!timestamp x",
    "!!binary '*'", "!!python/object/apply:os.system ['touch marker']", "&a [*a]", "<<: 1",
    "? [a]: b", "{a: &x {<<: *x}}", "[" * 2000, "{a: " * 1500, "0x",
    "1:99:99", "!!set {a}", "!!omap [a]", "\t",
    "%TAG",
    "&a [x,x]: &b [*a,*a]", "--- a\n--- b", "\x85",
    "\ufeff", "services: {a: {command: 2024-13-01}}",
]  # fmt: skip


def changed(data: Any, draw: Callable[[Any], Any]) -> Any:
    """Return data with one to three of its places changed."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        places = [*_places(data)]
        if not places:
            return data
        holder, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(["replace", "remove", "rename", "component", "nest"]))
        if what == "remove":
            del holder[key]
        elif what == "rename" and isinstance(holder, dict):
            renamed = cast("Config", holder)
            renamed[draw(TEXTS)] = renamed.pop(key)
        elif what == "component":
            holder[key] = component(draw(st.sampled_from(_PROVIDERS)), x=holder[key])
        elif what == "nest":
            holder[key] = [holder[key]]
        else:
            holder[key] = draw(JSON | st.sampled_from(_PROVIDERS))
    return data


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    pairs: list[tuple[Any, Any]] = [*(data.items() if isinstance(data, dict) else enumerate(data))]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    for key, value in pairs:
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


@st.composite
def texts(draw: Callable[[Any], Any], data: list[Any], written: list[str]) -> bytes:
    """Draw what a file has: changed data as JSON or YAML, or a text with some bytes changed."""
    kind = draw(st.sampled_from(["json", "yaml", "text", "odd"]))
    if kind == "odd" or (kind == "text" and not written):
        return str(draw(st.sampled_from(_YAML_ODDITIES))).encode("utf-8", "surrogatepass")
    if kind == "text":
        text = draw(st.sampled_from(written)).encode()
    elif not data:
        return bytes(draw(st.binary(max_size=30)))
    elif kind == "json":
        text = json.dumps(changed(draw(st.sampled_from(data)), draw)).encode()
    else:
        found = changed(draw(st.sampled_from(data)), draw)
        dumped: str = cast(Any, yaml).safe_dump(found, allow_unicode=True)
        text = dumped.encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        text = text[:start] + draw(st.binary(max_size=4)) + text[min(end, start + 5) :]
    return bytes(text)


@pytest.fixture
def folder(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, from which an import would run code of somebody else's."""
    monkeypatch.chdir(memory_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delenv("AUTOGEN_ALLOWED_PROVIDER_NAMESPACES", raising=False)
    Path("evil.py").write_text(_EVIL)
    return memory_path


def refused_in_one_line(read: Callable[[], object]) -> None:
    """Read something; take a `CommandError` of one line."""
    try:
        read()
    except CommandError as error:
        assert "\n" not in str(error).strip()
        assert str(error)


@examples(60)
@given(data=texts(_EXPORTS, []), name=st.sampled_from(["team.json", "team.yaml"]))
def test_a_team_file(folder: Path, data: bytes, name: str) -> None:
    """Without `--trust` a file is loaded or refused; nothing that it names is imported or run."""
    (folder / name).write_bytes(data)
    refused_in_one_line(lambda: load(parse(name)))
    assert not (folder / MARKER).exists()
    assert "evil" not in sys.modules


@examples(100)
@given(
    data=texts([_COMPOSE, _POD], [_UNIT, _DOCKERFILE]),
    name=st.sampled_from(["compose.yaml", "pod.json", "app.service", "Dockerfile", "x.Dockerfile"]),
)
def test_a_deployment_file(folder: Path, data: bytes, name: str) -> None:
    """What `check` reads is judged or refused, whatever stands in it."""
    (folder / name).write_bytes(data)

    def read() -> None:
        if deployments.is_deployment(name):
            for finding in deployments.look(name):
                assert finding.says

    refused_in_one_line(read)
    assert not (folder / MARKER).exists()


@examples(60)
@given(data=texts([_SESSION], []))
def test_a_session_file(folder: Path, data: bytes) -> None:
    """A chat's session is read or refused, and the file is left as it is."""
    path = folder / "session.json"
    path.write_bytes(data)
    refused_in_one_line(lambda: sessions.read(path).to_text("s", "t", "f"))
    assert path.read_bytes() == data
