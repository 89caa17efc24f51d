"""A pytest plugin for AutoGen's own tests: notes their outcomes, and routes their runs where asked.

With `--routed` each run of a team or an agent that is not made inside a supervised run already goes
through `Supervisor.stream`, as it does in a program that is run as it is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor import Supervisor
from supervisor._autogen import routing


class Outcomes:
    """What became of each test, and how many runs were routed; written as JSON at the end.

    Args:
        file: Where to write it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tests: dict[str, str] = {}
        self.routed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome; a failure while setting up or taking down counts as well."""
        if report.when == "call" or report.outcome != "passed":
            self._tests[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write all down."""
        found = {"tests": self._tests, "routed": self.routed}
        self._file.write_text(json.dumps(found), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's two options."""
    parser.addoption("--outcomes", type=Path, help="where to write the outcomes")
    parser.addoption("--routed", action="store_true", help="route the runs through a Supervisor")


def pytest_configure(config: pytest.Config) -> None:
    """Put the hooks in place before any test is imported."""
    outcomes = Outcomes(cast(Path, config.getoption("--outcomes")))
    config.pluginmanager.register(outcomes)
    if config.getoption("--routed"):
        _route(outcomes)


def _route(outcomes: Outcomes) -> None:
    async def supervised(runnable: Any, options: dict[str, Any]) -> AsyncGenerator[Any, None]:
        outcomes.routed += 1
        async with Supervisor(signals={}) as sup:
            async for event in sup.stream(runnable, **options):
                yield event

    routing.route_teams(supervised)
    routing.route_agents(supervised)
