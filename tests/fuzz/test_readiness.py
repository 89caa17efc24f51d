"""Whatever is named as the socket of a service manager, or as a ready file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Supervisor
from supervisor._process.readiness import notify_manager
from supervisor.errors import SettingsError
from tests.fuzz.lengths import examples
from tests.fuzz.values import TEXTS

pytestmark = pytest.mark.blocks


@pytest.fixture
def folder(memory_path: Path) -> Iterator[Path]:
    """Return a folder with a thing of each kind."""
    (memory_path / "file").touch()
    (memory_path / "folder").mkdir()
    os.mkfifo(memory_path / "pipe")
    (memory_path / "link").symlink_to("absent")
    (memory_path / "loop").symlink_to("loop")
    with contextlib.ExitStack() as unwind:
        for name, kind in (("stream", socket.SOCK_STREAM), ("full", socket.SOCK_DGRAM)):
            bound = unwind.enter_context(socket.socket(socket.AF_UNIX, kind))
            bound.bind(str(memory_path / name))
        yield memory_path


_NAMES = [
    "file",
    "folder",
    "pipe",
    "link",
    "loop",
    "stream",
    "full",
    "absent/x",
    "x" * 300,
    "x" * 90,
]
_ADDRESSES = (
    st.sampled_from(["@", "@absent", "@" + "x" * 107, "@" + "x" * 108, "/", "vsock:2:1", "@a@b"])
    | st.builds("@{}".format, TEXTS)
    | TEXTS
)


@examples(60)
@given(address=_ADDRESSES | st.sampled_from(_NAMES).map("IN/{}".format))
def test_any_notify_socket(folder: Path, address: str) -> None:
    """A socket that cannot be used costs the message, and no time and no error."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv("NOTIFY_SOCKET", address.replace("IN", str(folder), 1))
        except (ValueError, UnicodeEncodeError):  # no environment can have it
            return
        for _ in range(300 if address == "IN/full" else 1):
            assert notify_manager("READY=1") in (True, False)
    assert {path.name for path in folder.iterdir()} == {
        "file", "folder", "pipe", "link", "loop", "stream", "full",
    }  # fmt: skip


@examples(40)
@given(name=st.sampled_from(_NAMES) | TEXTS)
def test_any_ready_file(folder: Path, name: str) -> None:
    """A ready file is written and removed, or refused by its name; what was there is kept."""
    path = f"{folder}/{name}" if name in _NAMES else name
    before = {each.name for each in folder.iterdir()}

    async def enter() -> None:
        async with Supervisor(ready_file=path, signals={}, exits=False):
            assert Path(path).read_text() == f"{os.getpid()}\n"  # noqa: ASYNC240 - a small file

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            asyncio.run(enter())
        except SettingsError as error:
            assert error.field == "ready_file"
            assert "\n" not in str(error)
            assert {each.name for each in folder.iterdir()} == before
        for each in folder.iterdir():
            if each.name not in before:
                pytest.fail(f"{each} was left behind")
    if not (folder / "file").exists():  # a ready file has taken its place
        (folder / "file").touch()
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to("absent")
    if not (folder / "loop").is_symlink():
        (folder / "loop").symlink_to("loop")
