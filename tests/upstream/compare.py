"""Runs AutoGen's own tests twice, stock and under a supervisor, and compares them test by test.

What it shows: whoever puts a `Supervisor` around his runs has AutoGen's behaviour, its errors and
their texts included, as long as nothing is stopped. It shows nothing about stops, of which those
tests have next to none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.upstream.fetch import sources

_ROOT: Final = Path(__file__).parents[2]
_LIMIT_SECONDS: Final = 300
_ROUTED_AT_LEAST: Final = 200
"""Below this the tests have found another door than the one that the plugin watches."""

# A client of `openai` wants some credential when it is built. The names that the tests know would
# make them talk to the network; this one they do not know.
_CREDENTIAL: Final = {"OPENAI_ADMIN_KEY": "none"}
_KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")

Outcomes = dict[str, str]


def run(folder: Path, name: str, *options: str) -> dict[str, Any]:
    """Run the tests once.

    Args:
        folder: Where the sources are, and where the outcomes and the log go.
        name: What to call this run.
        options: More options for pytest.

    Returns:
        What the plugin has written; without that, the program ends with status 1.
    """
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    file.unlink(missing_ok=True)
    begun = time.monotonic()
    plugin = ["-p", "tests.upstream.plugin", "--outcomes", str(file), *options]
    problem = _run_pytest(sources(folder), plugin, log)
    if not file.exists():
        sys.exit(f"upstream: the {name} run {problem}; see {log}")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    counts: Counter[str] = Counter(found["tests"].values())
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    seconds = time.monotonic() - begun
    print(f"upstream: {name}: {told}; {found['routed']} runs routed; {seconds:.0f} s", flush=True)
    return found


def _run_pytest(where: Path, options: list[str], log: Path) -> str:
    """Run pytest there, and return how that went; which tests failed is for the plugin to tell."""
    environ = {key: value for key, value in os.environ.items() if key not in _KEYS}
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=20"]
    with log.open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                [*pytest, *options, "tests"],
                cwd=where,
                env=environ | _CREDENTIAL | {"PYTHONPATH": str(_ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"did not end within {_LIMIT_SECONDS} s"
    return f"told nothing, status {done.returncode}"


def differences(stock: Outcomes, routed: Outcomes) -> list[str]:
    """One line for each test with another outcome."""
    return [
        f"{test}: {stock.get(test, 'missing')} stock, {routed.get(test, 'missing')} routed"
        for test in sorted(stock.keys() | routed.keys())
        if stock.get(test) != routed.get(test)
    ]


def main() -> int:
    """Compare; the exit status says whether all is the same."""
    folder = Path(sys.argv[1]).resolve()
    stock = run(folder, "stock")
    routed = run(folder, "routed", "--routed")
    lines = differences(stock["tests"], routed["tests"])
    if routed["routed"] <= _ROUTED_AT_LEAST:
        lines.append(f"only {routed['routed']} runs were routed, of more than {_ROUTED_AT_LEAST}")
    for line in lines:
        print(f"upstream: {line}")
    if lines:
        print(f"upstream: see {folder / 'routed.log'}")
    else:
        print("upstream: the same outcomes, test by test")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
