"""The package from outside: its names, what importing it loads, and the wheel in an empty place."""

from __future__ import annotations

import email
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import supervisor
from supervisor import _process_manager
from supervisor._cli.main import main

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.process


def test_all_is_sorted_and_whole() -> None:
    """`__all__` is sorted, each of its names exists, and no public name is missing from it."""
    names = supervisor.__all__
    assert list(names) == sorted(set(names))
    assert all(hasattr(supervisor, name) for name in names)
    assert _names_defined_at_import() <= set(names)


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    """Completion in a shell finds each public name before anything was loaded, and only these."""
    found = _run("import supervisor; print(*dir(supervisor))", cwd=ROOT)
    assert found.stdout.split() == list(supervisor.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    """`__version__` and `--version` name the version that pip has installed."""
    installed = importlib.metadata.version("autogen-supervisor")
    assert supervisor.__version__ == installed
    said = subprocess.run(
        [sys.executable, "-m", "supervisor", "--version"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert said.stdout == f"autogen-supervisor {installed}\n"


def test_importing_loads_neither_autogen_nor_uvloop() -> None:
    """Handlers can stand before the slow imports: `import supervisor` does none of them."""
    loaded = _run("import json, sys, supervisor; print(json.dumps(sorted(sys.modules)))", cwd=ROOT)
    slow = {"autogen_agentchat", "autogen_core", "autogen_ext", "uvloop"}
    assert not slow & {name.partition(".")[0] for name in json.loads(loaded.stdout)}


def test_a_supervisor_loads_nothing_large() -> None:
    """Beside asyncio and structlog, `Supervisor` and `run` load few others, all Python's own."""
    code = (
        "import asyncio, structlog, sys; found = set(sys.modules); "
        "from supervisor import Supervisor, run; print(*sorted(set(sys.modules) - found))"
    )
    loaded = {name.partition(".")[0] for name in _run(code, cwd=ROOT).stdout.split()}
    others = loaded - {"supervisor"}
    assert others <= sys.stdlib_module_names
    assert len(others) < 15


def test_every_name_can_be_imported_from_a_fresh_process() -> None:
    """`from supervisor import *` gives each name of `__all__`, the late ones too."""
    found = _run("from supervisor import *; print(*sorted(globals()))", cwd=ROOT)
    assert set(supervisor.__all__) <= set(found.stdout.split())


@pytest.mark.checkout
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The wheel has every module, the type marker and the licence, and no tests or examples."""
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "supervisor").rglob("*.py")}
    top = {name.partition("/")[0] for name in names}
    assert modules | {"supervisor/py.typed"} <= names
    assert top == {"supervisor", f"autogen_supervisor-{_version(wheel)}.dist-info"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.checkout
def test_the_readme_links_to_the_repository(wheel: Path) -> None:
    """On a package index, each link and picture of the README has the address of this release."""
    metadata = _metadata(wheel)
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", ()))
    description = metadata.get_payload()
    assert isinstance(description, str)
    places = re.findall(r'(?:\]\(|(?:href|src|srcset)=")([^)"\s]+)', description)
    inside = [place for place in places if place.startswith(urls["Source"])]
    assert inside
    assert not [place for place in places if not re.match(r"https?://|mailto:|#", place)]
    assert all(
        re.match(r"/(?:blob|raw)/v[^/]+/\w", place[len(urls["Source"]) :]) for place in inside
    )
    assert "<!--" not in description


@pytest.mark.checkout
def test_each_address_of_the_project_begins_with_its_source(wheel: Path) -> None:
    """The package names its home, docs, source, issues and changelog, all at one address."""
    urls = dict(line.split(", ", 1) for line in _metadata(wheel).get_all("Project-URL", ()))
    assert urls.keys() == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith(urls["Source"]) for url in urls.values())


@pytest.mark.checkout
def test_the_wheel_installs_and_imports_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """The built wheel, not the checkout, gives every public name in an environment of its own."""
    python = _fresh_environment(tmp_path / "venv")
    _pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    found = _run(
        "from supervisor import *; import supervisor; print(supervisor.__file__)",
        cwd=tmp_path,
        python=python,
    )
    assert Path(found.stdout.strip()).is_relative_to(tmp_path / "venv")


def test_the_process_manager_of_the_same_name_gets_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the distribution `supervisor` is installed too, a name of ours says what to do."""
    (tmp_path / "supervisord.py").touch()
    monkeypatch.setattr(_process_manager, "__file__", str(tmp_path / "_process_manager.py"))
    with pytest.raises(ImportError, match="give each an environment of its own"):
        vars(supervisor)["__getattr__"]("Supervisor")
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("supervisor: the distribution 'supervisor' (a process manager)")
    assert said.count("\n") == 1


@pytest.mark.checkout
def test_the_command_line_says_so_where_our_own_file_was_replaced(tmp_path: Path) -> None:
    """Of ours, the process manager has replaced `__init__.py` alone: the rest can still tell."""
    shutil.copytree(ROOT / "supervisor", tmp_path / "supervisor")
    (tmp_path / "supervisor" / "supervisord.py").touch()
    (tmp_path / "supervisor" / "__init__.py").write_text("# this is a package\n", encoding="utf-8")
    code = "from supervisor._cli.main import main; main(['--version'])"
    found = _run(code, cwd=tmp_path, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("supervisor: the distribution 'supervisor' (a process manager)")


def test_importing_the_module_of_the_command_line_runs_nothing() -> None:
    """As tools do that look at every module of a package."""
    assert importlib.import_module("supervisor.__main__").main is main


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout with the installed backend, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("autogen_supervisor-*.whl")
    return built


def _names_defined_at_import() -> set[str]:
    # In a fresh process: here, other tests have imported submodules, which become attributes.
    ours = "getattr(value, '__module__', '').startswith('supervisor')"
    code = f"print(*(name for name, value in vars(supervisor).items() if {ours}))"
    found = _run(f"import supervisor; {code}", cwd=ROOT).stdout.split()
    return {name for name in found if not name.startswith("_")}


def _metadata(wheel: Path) -> Message:
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    return email.message_from_bytes(zipfile.ZipFile(wheel).read(name))


def _version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def _fresh_environment(folder: Path) -> Path:
    # No pip, which takes seconds to unpack; dependencies come from the environment that runs the
    # tests. A line in a .pth file adds a folder but reads no .pth of it, so the checkout stays out.
    _run(f"import venv; venv.create({str(folder)!r}, with_pip=False)", cwd=folder.parent)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    scheme = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(_run(scheme, cwd=folder, python=python).stdout.strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def _pip(*arguments: str) -> None:
    quiet = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*quiet, *arguments], check=True, capture_output=True)


def _run(
    code: str, *, cwd: Path, python: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [python or sys.executable, "-c", code],
        cwd=cwd,
        env=environment,
        check=check,
        capture_output=True,
        text=True,
    )
