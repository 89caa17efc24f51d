"""The files that deploy an example: their numbers fit the ladder, and each other."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from supervisor._cli.check import files
from supervisor._core.events import Rung
from supervisor._core.settings import Ladder

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "container"
FILES = ("Dockerfile", "compose.yaml", "kubernetes.yaml", "agents.service")


@pytest.mark.parametrize("name", FILES)
def test_check_finds_no_problem(name: str) -> None:
    """Each number in the file is smaller than the one that ends by force what it leaves."""
    word = str(FOLDER / name)
    assert files.is_deployment(word)
    levels = [finding.level for finding in files.look(word)]
    assert levels
    assert "problem" not in levels


@pytest.mark.parametrize("name", FILES[1:])
def test_each_grace_leaves_drain_more_than_the_default(name: str) -> None:
    """The budget in the file is a valid one, and gives DRAIN more seconds than the default."""
    text = (FOLDER / name).read_text()
    found = re.search(r'SUPERVISOR_GRACE(?:=|: "|\n *value: ")(\d+)', text)
    assert found is not None
    ladder = Ladder().from_environment({"SUPERVISOR_GRACE": found[1]})
    assert ladder.budget(Rung.DRAIN) == int(found[1])
    assert ladder.drain > Ladder().drain


def test_the_page_has_the_numbers_of_the_files() -> None:
    """The table of docs/guide/containers.md says what the files say."""
    page = (ROOT / "docs" / "guide" / "containers.md").read_text()
    rows = [
        line.split("|")[2:5] for line in page.splitlines() if line.startswith("|") and " s" in line
    ]
    numbers = [[_number(cell) for cell in row] for row in rows]
    compose, kubernetes, unit = ((FOLDER / name).read_text() for name in FILES[1:])
    service = yaml.safe_load(compose)["services"]["worker"]
    pod = yaml.safe_load(kubernetes)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    settings = dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"\w+=", line))
    graces = [
        int(service["environment"]["SUPERVISOR_GRACE"]),
        int(container["env"][0]["value"]),
        int(settings["Environment"].partition("=")[2]),
    ]
    kills = [
        int(service["stop_grace_period"].rstrip("s")),
        pod["terminationGracePeriodSeconds"],
        int(settings["TimeoutStopSec"]),
    ]
    server = int(container["command"][-1])
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert numbers[:4] == [graces, [None, server, None], [None, before, None], kills]


def _number(cell: str) -> int | None:
    found = re.search(r"\d+", cell)
    return int(found[0]) if found else None


def test_the_image_starts_the_program_by_a_list_and_not_as_root() -> None:
    """The Dockerfile's command is a list, of a file that it copies, and its user has no rights."""
    text = (FOLDER / "Dockerfile").read_text()
    assert 'CMD ["python", "worker.py"]' in text
    assert "COPY worker.py ." in text
    assert re.search(r"(?m)^USER [1-9]\d*$", text)


@pytest.mark.process
def test_the_worker_keeps_the_job_that_a_stop_interrupts(tmp_path: Path) -> None:
    """At SIGTERM it finishes its turn, keeps the job, and dies of SIGTERM."""
    ready = tmp_path / "ready"
    environ = os.environ | {"READY_FILE": str(ready), "SUPERVISOR_GRACE": "28"}
    command = [sys.executable, str(ROOT / "examples/container/worker.py")]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "job 1: job 1\n"  # its task
            assert child.stdout.readline() == "job 1: A draft.\n"
            assert ready.exists()
            child.send_signal(signal.SIGTERM)
            rest, _ = child.communicate(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
    assert rest.splitlines()[-2:] == ["job 1: Stopped by SIGTERM", "100 jobs are left"]
    assert child.returncode == -signal.SIGTERM
    assert not ready.exists()
