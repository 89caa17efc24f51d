"""What needs environments of its own: each version, and what ships.

`make matrix` runs the quick cells, and writes what came of them into docs/support.json, from which
docs/support.md is made; `make wheel-test` runs `wheel`. One session alone, in the environment of
`make setup` with the extra `nox`: `.venv/bin/nox -s quick-3.12`.

A cell is one Python with one AutoGen and one set of dependencies. Its quick suite has the contract
tests of AutoGen's private names, the rules, how runs are stopped and repaired, and a few real
processes; each `async def` test in it runs on asyncio and on uvloop. `whole` runs everything, and
takes as long as `make test`.

Environments stay in `.nox` for the next time. A Python that is not found is skipped.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import tomllib
from pathlib import Path

import nox
import nox.command

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
AUTOGENS = ["0.7.0", "0.7.1", "0.7.2", "0.7.3", "0.7.4", "0.7.5"]
NEWEST_AUTOGEN = AUTOGENS[-1]
# Extras that a user can ask for. In a quick cell, those that its tests need.
FOR_USERS = ("cli", "openai", "mcp", "grpc", "web", "postgres", "fleet")
BACKEND = ("hatchling", "hatch-fancy-pypi-readme", "setuptools")
TOOLS = (
    "aiohttp", "asyncio-atexit", "blockbuster", "docker", "httpx", "hypothesis", "ipykernel",
    "jupyter_client", "nbclient", "opentelemetry-sdk", "pexpect", "pillow", "psutil", "pyte",
    "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "sybil", "wrapt",
)  # fmt: skip

nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["quick", "autogen", "oldest", "newest"]


def _interpreters() -> list[str]:
    """Return the folders of the Pythons that pyenv has; its shims name some that do not start."""
    found = []
    for version in PYTHONS:
        versions = Path.home() / ".pyenv" / "versions"
        paths = [*versions.glob(f"{version}.*/bin/python{version}")]
        found += [str(path.parent) for path in sorted(paths)[-1:]]
    return found


os.environ["PATH"] = os.pathsep.join([*_interpreters(), os.environ["PATH"]])


@nox.session(python=PYTHONS)
def quick(session: nox.Session) -> None:
    """Run the quick suite on each Python, with the newest AutoGen and the pinned dependencies."""
    _install(session, _constraints("pinned", NEWEST_AUTOGEN))
    _cell(session, "quick", "pinned")


@nox.session(python=PYTHONS[0])
def autogen(session: nox.Session) -> None:
    """Run it with each other AutoGen, or with those that are named: `-- 0.7.0 0.7.3`."""
    failed = []
    for version in session.posargs or AUTOGENS[:-1]:
        _install(session, _constraints("pinned", version))
        if not _passes(session, "quick", "pinned"):
            failed.append(version)
    if failed:
        session.error(f"failed with AutoGen {', '.join(failed)}")


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run it with the oldest version that each requirement of pyproject.toml allows."""
    _install(session, _constraints("oldest", AUTOGENS[0]))
    _cell(session, "quick", "oldest")


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Run it with the newest versions that there are."""
    _install(session, [], "--upgrade", "--upgrade-strategy=eager")
    _cell(session, "quick", "newest")


@nox.session(python=PYTHONS)
def whole(session: nox.Session) -> None:
    """Run every test that `make test` runs, on each Python."""
    constraints = _constraints("pinned", NEWEST_AUTOGEN)
    session.install(*constraints, *BACKEND)
    session.install(*constraints, "--no-build-isolation", "-e", ".[dev,mcp,openai]")
    _cell(session, "whole", "pinned")


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """Run the tests and examples against the wheel in dist/, without the source in reach.

    They come from the sdist, so it has all that they need. FULL=1 runs all of them.
    """
    (built,) = (ROOT / "dist").glob("*.whl")
    constraints = _constraints("pinned", NEWEST_AUTOGEN)
    extras = "dev,mcp,openai" if os.environ.get("FULL") else "cli,fleet,grpc,mcp,openai"
    tools = () if os.environ.get("FULL") else TOOLS
    session.install(*constraints, *BACKEND)
    wanted = f"autogen-supervisor[{extras}] @ {built.as_uri()}"
    session.install(*constraints, "--no-build-isolation", wanted, *tools)
    session.install("--no-deps", "--no-index", "--force-reinstall", str(built))
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = _unpacked(Path(scratch))
        session.chdir(unpacked)
        if os.environ.get("FULL"):
            # The sdist by itself: its tests are found where its source is.
            session.run("python", "-m", "pytest", "-q", "--collect-only", silent=True)
        shutil.rmtree(unpacked / "supervisor")
        suite = "whole" if os.environ.get("FULL") else "quick"
        session.run("python", "-m", "scripts.versions.cell", f"--suite={suite}", "--wheel")


def _unpacked(folder: Path) -> Path:
    (sdist,) = (ROOT / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def _install(session: nox.Session, constraints: list[str], *options: str) -> None:
    """Install the package, what the quick suite needs, and AutoGen by the constraints."""
    extras = ["cli", "fleet", "mcp", "openai"]
    if session.python != "3.14":  # the grpcio that AutoGen wants has no wheel for it
        extras.append("grpc")
    session.install(*constraints, *BACKEND)
    session.install(
        *constraints, *options, "--no-build-isolation", "-e", f".[{','.join(extras)}]", *TOOLS
    )  # fmt: skip


def _cell(session: nox.Session, suite: str, dependencies: str) -> None:
    if not _passes(session, suite, dependencies):
        session.error("not all tests have passed")


def _passes(session: nox.Session, suite: str, dependencies: str) -> bool:
    """Run a cell, which notes its outcome, a failure too."""
    words = [f"--suite={suite}", f"--dependencies={dependencies}", "--to=docs/support.json"]
    cell = ["python", "-m", "scripts.versions.cell", *words]
    try:
        session.run(*cell)
    except nox.command.CommandFailed:
        return False
    return True


def _constraints(dependencies: str, autogen: str) -> list[str]:
    """Write a constraints file, and return the options by which pip takes it."""
    own = _lower_bounds() if dependencies == "oldest" else {}
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    # With psycopg goes psycopg-binary, which follows it.
    freed = {*own, *(f"{name}-binary" for name in own)}
    lines = [line for line in pinned if line.partition("==")[0].lower() not in freed]
    lines = [line for line in lines if not line.startswith(("#", "autogen-"))]
    lines += [f"{name}=={version}" for name, version in own.items()]
    lines += [f"autogen-{part}=={autogen}" for part in ("agentchat", "core", "ext")]
    to = ROOT / "build" / f"constraints-{dependencies}-{autogen}.txt"
    to.parent.mkdir(exist_ok=True)
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["-c", str(to)]


def _lower_bounds() -> dict[str, str]:
    """Return the oldest version of each dependency and extra of the package, by its name."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found = {}
    for line in [*project["dependencies"], *(it for name in FOR_USERS for it in extras[name])]:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        bounds = [spec.version for spec in requirement.specifier if spec.operator == ">="]
        if bounds and not requirement.name.startswith("autogen-"):
            found[requirement.name.lower()] = bounds[0]
    return found
