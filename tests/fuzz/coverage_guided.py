"""Runs fuzz tests with inputs that atheris chooses by the code that they reach.

    make fuzz                                                       each for a minute
    .venv/bin/python -m tests.fuzz.coverage_guided 600 settings     those with this in their names

The tests and their strategies are those of hypothesis; atheris draws the bytes from which it makes
an example. Only tests without fixtures can be run so. Without atheris nothing is done.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from typing import Any, Final

_MODULES: Final = ("test_settings", "test_guard", "test_web_clients")
_INSIDE: Final = "--inside"


def main(arguments: list[str]) -> int:
    """Run each test in a process of its own, for atheris ends the process; return the status."""
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: SKIPPED, for atheris is not installed here")
        return 0
    if arguments[:1] == [_INSIDE]:
        _fuzz(arguments[1], arguments[2], arguments[3])
    seconds = arguments[0] if arguments else "60"
    part = arguments[1] if arguments[1:] else ""
    failed: list[str] = []
    for module in _MODULES:
        for name in _names(module):
            if part in f"{module}.{name}":
                print(f"== {module}.{name}", flush=True)
                command = [sys.executable, "-m", __spec__.name, _INSIDE, module, name, seconds]
                if subprocess.run(command, check=False).returncode != 0:
                    failed.append(name)
    print(f"fuzz: failed: {', '.join(failed)}" if failed else "fuzz: nothing was found")
    return bool(failed)


def _names(module: str) -> list[str]:
    found = vars(importlib.import_module(f"tests.fuzz.{module}"))
    tests = {name: test for name, test in found.items() if name.startswith("test_")}
    return [name for name, test in tests.items() if "tmp_path" not in _parameters(test)]


def _parameters(test: Any) -> tuple[str, ...]:
    code = test.hypothesis.inner_test.__code__
    return tuple(code.co_varnames[: code.co_argcount])


def _fuzz(module: str, name: str, seconds: str) -> None:
    """Fuzz one test until the time is over; does not return."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["supervisor"]):
        test: Any = getattr(importlib.import_module(f"tests.fuzz.{module}"), name)
    one = test.hypothesis.fuzz_one_input
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-verbosity=0"], one)
    atheris.Fuzz()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
