"""Which number must be smaller than which, in the files that deploy a program."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from supervisor._cli.check import files, rules
from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.durations import seconds
from supervisor._cli.check.program_words import program, server
from supervisor._cli.errors import CommandError

COMPOSE = """
services:
  app:
    image: agents
    command: {command}
    environment: {environment}
    stop_grace_period: {grace}
    init: {init}
    stop_signal: {stop_signal}
"""
KUBERNETES = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: agents}}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: {grace}
      containers:
      - name: app
        command: {command}
        env: [{{name: SUPERVISOR_GRACE, value: "{own}"}}]
        lifecycle: {{preStop: {hook}}}
---
apiVersion: v1
kind: Service
metadata: {{name: agents}}
"""


def problems(path: Path) -> list[str]:
    """Return what a file's problems say."""
    return [each.says for each in files.look(str(path)) if each.level == "problem"]


def written(path: Path, text: str) -> Path:
    """Write a file, and return it."""
    path.write_text(text)
    return path


def compose(tmp_path: Path, **settings: str) -> list[str]:
    """Return the problems of a service with these settings."""
    found = {
        "command": "[python, app.py]",
        "environment": "{}",
        "grace": "10s",
        "init": "true",
        "stop_signal": "SIGTERM",
        **settings,
    }
    path = written(tmp_path / "compose.yaml", COMPOSE.format(**found))
    assert files.is_deployment(str(path))
    return problems(path)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"grace": "9s"},
        {"grace": "1m30s", "environment": "{SUPERVISOR_GRACE: 60}"},
        {"grace": "30s", "environment": "[SUPERVISOR_GRACE=29]"},
        {"grace": "30s", "command": "uvicorn app:app --timeout-graceful-shutdown 20"},
        {"grace": "60s", "command": "gunicorn app:app"},
        {"grace": "30s", "command": "gunicorn app:app --graceful-timeout=20"},
        {"command": "sh -c 'exec python app.py'"},
        {"command": "python -m supervisor exec -- python app.py"},
        {"stop_signal": "SIGINT"},
        {"stop_signal": "15"},
        # What is not known here cannot be compared.
        {"environment": "{SUPERVISOR_GRACE: '${GRACE:-20}'}"},
        {"grace": "${GRACE}"},
        {"stop_signal": "${SIGNAL}"},
        {"environment": "soon"},
    ],
)
def test_a_service_that_stops_in_order(tmp_path: Path, settings: dict[str, str]) -> None:
    """Each limit has the time of the one before it, and a second more."""
    assert compose(tmp_path, **settings) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"grace": "8s"},
            "the supervisor's grace (8 s) must be smaller than stop_grace_period (8 s)",
        ),
        ({"grace": "8.5s"}, "leaves less than a second in between"),
        ({"environment": "[SUPERVISOR_GRACE=20]"}, "SUPERVISOR_GRACE (20 s) must be smaller"),
        ({"environment": "{SUPERVISOR_GRACE: 'off'}"}, "SUPERVISOR_GRACE (no limit) must be"),
        ({"environment": "{SUPERVISOR_GRACE: soon}"}, "SUPERVISOR_GRACE"),
        ({"grace": "soon"}, "stop_grace_period 'soon' cannot be read"),
        ({"command": "uvicorn app:app"}, "uvicorn has no --timeout-graceful-shutdown"),
        (
            {"grace": "60s", "command": "python -m uvicorn app:app --timeout-graceful-shutdown=5"},
            "the supervisor's grace (8 s) must be smaller than uvicorn --timeout-graceful-shutdown",
        ),
        ({"command": "gunicorn app:app"}, "gunicorn --graceful-timeout (30 s) must be smaller"),
        ({"command": "sh -c 'a && python app.py'"}, "sh -c starts it"),
        ({"command": '["/bin/bash", "-c", "python app.py"]'}, "bash -c starts it"),
        ({"stop_signal": "SIGKILL"}, "SIGKILL, which no program hears"),
        ({"stop_signal": "QUIT"}, "SIGQUIT, which a Supervisor hears only"),
        ({"stop_signal": "9"}, "SIGKILL, which no program hears"),
        ({"stop_signal": "STOPP"}, "'STOPP' is no signal"),
        (
            {"command": "autogen-supervisor exec --grace 20 -- python app.py"},
            "exec --grace (20 s) must be smaller than stop_grace_period (10 s)",
        ),
    ],
)
def test_a_service_that_does_not(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    """What would go wrong is said, once, with both numbers."""
    (found,) = compose(tmp_path, **settings)
    assert said in found


@pytest.mark.parametrize(
    ("grace", "own", "hook", "said"),
    [
        (30, 8, "{}", None),
        (30, 20, "{sleep: {seconds: 5}}", None),
        (30, 29.5, "{}", "leaves less than a second"),
        (
            15,
            8,
            "{sleep: {seconds: 10}}",
            "what preStop leaves of terminationGracePeriodSeconds (5 s)",
        ),
        (15, 8, '{exec: {command: ["sh", "-c", "sleep 10"]}}', "what preStop leaves"),
        (15, 8, '{exec: {command: ["/bin/sleep", "10"]}}', "what preStop leaves"),
        (15, 8, '{exec: {command: ["drain.sh"]}}', None),
        (0, 8, "{}", "must be smaller than terminationGracePeriodSeconds (0 s)"),
    ],
)
def test_a_pod(tmp_path: Path, grace: int, own: float, hook: str, said: str | None) -> None:
    """A preStop hook takes its time from the pod's grace period, before the program hears of it."""
    text = KUBERNETES.format(grace=grace, own=own, hook=hook, command="[python, app.py]")
    found = problems(written(tmp_path / "pod.yaml", text))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_value_from_elsewhere_is_not_known(tmp_path: Path) -> None:
    """A variable from a config map is noted, and nothing is compared with it."""
    env = "[{name: SUPERVISOR_GRACE, valueFrom: {configMapKeyRef: {name: x, key: y}}}]"
    spec = f"{{containers: [{{name: app, env: {env}}}]}}"
    text = f"{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {spec}}}"
    found = list(files.look(str(written(tmp_path / "pod.yaml", text))))
    assert [each.level for each in found] == ["note", "note"]
    assert "its value is not known" in found[-1].says


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Pod", "{POD}"),
        ("Job", "{{template: {{spec: {POD}}}}}"),
        ("CronJob", "{{jobTemplate: {{spec: {{template: {{spec: {POD}}}}}}}}}"),
    ],
)
def test_each_kind_has_its_pod(tmp_path: Path, kind: str, spec: str) -> None:
    """The pod is found wherever its kind has it, also in a list."""
    pod = "{terminationGracePeriodSeconds: 2, containers: [{name: app}]}"
    item = f"{{apiVersion: v1, kind: {kind}, metadata: {{name: x}}, spec: {spec.format(POD=pod)}}}"
    path = written(tmp_path / "pod.yaml", f"{{apiVersion: v1, kind: List, items: [{item}]}}")
    (found,) = problems(path)
    assert "terminationGracePeriodSeconds (2 s)" in found


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("KillMode=mixed", []),
        ("TimeoutStopSec=9", []),
        ("TimeoutStopSec=infinity", []),
        ("TimeoutStopSec=5\nTimeoutStopSec=", []),
        (
            "TimeoutStopSec=5",
            ["the supervisor's grace (8 s) must be smaller than TimeoutStopSec (5 s)"],
        ),
        ("TimeoutSec=5", ["must be smaller than TimeoutSec (5 s)"]),
        ("TimeoutStopSec=soon", ["TimeoutStopSec cannot be read"]),
        ('Environment="SUPERVISOR_GRACE=200" A=b', ["SUPERVISOR_GRACE (200 s) must be smaller"]),
        ("KillMode=process", ["KillMode=process"]),
        ("KillSignal=SIGKILL", ["SIGKILL, which no program hears"]),
        ("SendSIGKILL=no", ["SendSIGKILL=no"]),
        ("ExecStart=-/bin/sh -c 'cd /srv; \\\n  python app.py'", ["sh -c starts it"]),
        ("# KillMode=none\n[Install]\nKillMode=none", []),
    ],
)
def test_a_unit(tmp_path: Path, lines: str, said: list[str]) -> None:
    """Time limits, kill modes and signals of systemd; the last value of a setting counts."""
    text = f"[Unit]\nDescription=x\n\n[Service]\nExecStart=/usr/bin/python app.py\n{lines}\n"
    path = written(tmp_path / "agents.service", text)
    assert files.is_deployment(str(path))
    found = problems(path)
    assert len(found) == len(said)
    assert all(part in each for part, each in zip(said, found, strict=True))


def test_a_problem_says_what_to_do() -> None:
    """Both ways out are named, each with its number."""
    deployment = Deployment(
        where="x", kill_setting="TimeoutStopSec", kill_seconds=15, before=10, words=("python",)
    )
    (found,) = [each for each in rules.look(deployment) if each.level == "problem"]
    assert found.advice == (
        "set TimeoutStopSec to at least 20 s, or SUPERVISOR_GRACE to at most 3 s"
    )


def test_somebody_elses_stop_signal_is_only_noted() -> None:
    """A database's image may have its own: where no command is named, it is no problem."""
    found = list(rules.look(Deployment(where="db", stop_signal="SIGQUIT")))
    assert {each.level for each in found} == {"note"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: [", "no valid YAML"),
        ("!!python/object:os.system {}", "no valid YAML"),
        ("#" * 1_000_001, "is larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, error: str) -> None:
    """No traceback; tags are not obeyed."""
    path = written(tmp_path / "x.yaml", text)
    with pytest.raises(CommandError, match=error) as raised:
        files.is_deployment(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("team.json", '{"provider": "x", "config": {}}'), ("app.py", "[Service]"), ("x.txt", "hi")],
)
def test_other_files_are_not_read_as_one(tmp_path: Path, name: str, text: str) -> None:
    """A team file or a program is a target."""
    assert not files.is_deployment(str(written(tmp_path / name, text)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90),
        (12, 12),
        ("1m30s", 90),
        ("1min 30s", 90),
        ("500ms", 0.5),
        ("infinity", math.inf),
        ("1h", 3600),
        ("", None),
        ("soon", None),
        ("5 apples", None),
        ("${GRACE}", None),
        (True, None),
        (None, None),
    ],
)
def test_lengths_of_time(text: object, value: float | None) -> None:
    """As compose files and systemd write them."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["tini", "--", "python", "a.py"], ("python", "a.py")),
        (["/usr/bin/dumb-init", "env", "A=b", "python", "a.py"], ("python", "a.py")),
        (["sh", "-c", "cd /srv && exec python a.py"], ("python", "a.py")),
        (["python3", "-m", "supervisor", "exec", "--grace=5", "--", "x"], ("x",)),
        (["autogen-supervisor", "exec", "--grace", "off", "x"], ("x",)),
        (["autogen-supervisor", "exec", "--unknown", "x"], ("x",)),
        (["autogen-supervisor", "exec", "--grace", "5"], ()),
        (["sh", "-c", "echo 'open"], ("echo", "'open")),
        ([], ()),
    ],
)
def test_what_a_command_starts(words: list[str], started: tuple[str, ...]) -> None:
    """Inits, shells, `env` and `exec` stand before a program."""
    assert program(words).words == started


def test_another_program_is_no_server() -> None:
    """Only uvicorn and gunicorn are known."""
    assert server(["python", "app.py", "uvicorn"]) is None
    assert server([]) is None


DOCKERFILE = """\
FROM python:3.13 AS build
CMD ["python", "other.py"]

FROM python:3.13-slim
ENV SUPERVISOR_GRACE={grace} A="b c"
# A comment, and a line that goes on.
RUN pip install \\
    # within it
    agents
{command}
"""


@pytest.mark.parametrize(
    ("command", "grace", "expected"),
    [
        ('CMD ["python", "app.py"]', "8", []),
        ("CMD exec python app.py", "8", []),
        ("ENV SUPERVISOR_GRACE 2 h\nCMD exec python app.py", "8", ["SUPERVISOR_GRACE"]),
        ("CMD ['python', 'app.py']", "8", ["sh -c starts it"]),
        ('ENTRYPOINT ["tini", "--"]\nCMD ["python", "app.py"]', "8", []),
        ("CMD python app.py", "8", ["sh -c starts it"]),
        ('CMD ["python", "app.py"]\nSTOPSIGNAL SIGQUIT', "8", ["asked to stop by SIGQUIT"]),
        ('CMD ["uvicorn", "app:app"]', "8", ["has no --timeout-graceful-shutdown"]),
        ('CMD ["hypercorn", "app:app"]', "8", ["must be smaller than hypercorn"]),
        ('CMD ["python", "app.py"]', "ten", ["SUPERVISOR_GRACE"]),
    ],
)
def test_a_dockerfile(tmp_path: Path, command: str, grace: str, expected: list[str]) -> None:
    """The last stage of a Dockerfile counts: its command, variables and stop signal."""
    path = written(tmp_path / "Dockerfile", DOCKERFILE.format(command=command, grace=grace))
    assert files.is_deployment(str(path))
    found = problems(path)
    assert len(found) == len(expected), found
    assert all(part in says for part, says in zip(expected, found, strict=True)), found


def test_a_dockerfile_without_a_command(tmp_path: Path) -> None:
    """Where it names no command there is only that to say."""
    path = written(tmp_path / "app.dockerfile", "FROM python:3.13\nRUN true\n")
    assert [finding.level for finding in files.look(str(path))] == ["note"]


def says(path: Path) -> list[str]:
    """Return what is said of a file."""
    return [each.says for each in files.look(str(path))]


def test_variables_of_another_file_are_not_known(tmp_path: Path) -> None:
    """A note says that the supervisor's own setting may stand in that file."""
    service = "services: {app: {command: python app.py, env_file: .env}, none: }"
    pod = "{containers: [{name: app, envFrom: [{configMapRef: {name: x}}]}]}"
    manifest = f"{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {pod}}}"
    assert "env_file is not read here" in says(written(tmp_path / "compose.yaml", service))[0]
    assert "envFrom is not read here" in says(written(tmp_path / "pod.yaml", manifest))[0]


def test_a_grace_period_that_is_none(tmp_path: Path) -> None:
    """It is one problem, and the other rules go by the default of Kubernetes."""
    text = KUBERNETES.format(grace="soon", own=40, hook="{}", command="[python, app.py]")
    first, second = problems(written(tmp_path / "pod.yaml", text))
    assert first == "terminationGracePeriodSeconds 'soon' cannot be read"
    assert "(40 s) must be smaller than terminationGracePeriodSeconds (30 s)" in second


def test_a_file_in_which_nothing_starts_a_program(tmp_path: Path) -> None:
    """A manifest without a pod, and a document of another kind, are worth one note together."""
    service = "{apiVersion: v1, kind: Service, metadata: {name: x}}\n---\nhello\n"
    assert says(written(tmp_path / "x.yaml", service)) == ["nothing in it starts a program"]


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    """What is no UTF-8 is told with the kinds of files that can be given."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match=r"cannot be read: .*; give"):
        files.is_deployment(str(path))
