"""The time to import the package, and to enter and leave an empty block."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from benchmarks._bench import LOOPS, milliseconds, result
from supervisor import Supervisor

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
IMPORTS = 20
BASE = "import asyncio, structlog"
OURS = "from supervisor import Supervisor, run"
BLOCKS: dict[str, dict[str, Any]] = {"": {}, ", no signals": {"signals": {}}}


def _processor_seconds(code: str, environ: Mapping[str, str]) -> float:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, code
    return usage.ru_utime + usage.ru_stime


def imports() -> tuple[float, float]:
    """Return the median ratio of the two, and that of the first; bytecode exists already."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _processor_seconds(OURS, environ)
        pairs = [
            (_processor_seconds(BASE, environ), _processor_seconds(OURS, environ))
            for _ in range(IMPORTS)
        ]
    ratio = statistics.median(ours / base for base, ours in pairs)
    return ratio, statistics.median(base for base, _ in pairs)


async def blocks(**options: Any) -> list[float]:
    """Return the seconds of each entry and exit."""
    took: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        async with Supervisor(**options):
            pass
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(0.001)  # the watchdog's thread ends
    return took


def main() -> None:
    """Measure; the blocks on both loops."""
    ratio, base = imports()
    result(f"`{OURS}`", f"{ratio:.2f} times `{BASE}` ({base * 1e3:.0f} ms of the processor)")
    for name, factory in LOOPS.items():
        for what, options in BLOCKS.items():
            with asyncio.Runner(loop_factory=factory) as runner:
                took = runner.run(blocks(**options))
            result(f"entry and exit of a block{what}, {name}", milliseconds(took))


if __name__ == "__main__":
    main()
