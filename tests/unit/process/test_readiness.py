"""Readiness: systemd's datagrams, and the file for a probe."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from supervisor import SettingsError, Supervisor
from supervisor._process.readiness import READY, STOPPING, ReadyFile, notify_manager


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """Give the socket of a service manager."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return made


def test_a_manager_is_notified(manager: socket.socket) -> None:
    """One datagram goes to the socket that the environment names."""
    with manager:
        assert notify_manager(READY)
        assert manager.recv(100) == b"READY=1"


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that begins with @ is one of Linux's abstract sockets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind("\0supervisor-test-notify")
        made.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@supervisor-test-notify")
        assert notify_manager(STOPPING)
        assert made.recv(100) == b"STOPPING=1"


def test_a_forked_child_leaves_the_ready_file(tmp_path: Path) -> None:
    """A forked child that unwinds its parent's block leaves the ready file."""
    file = ReadyFile(tmp_path / "ready")
    file.create()
    child = os.fork()
    if child == 0:
        file.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert file.path.exists()


@pytest.mark.parametrize("address", ["", "nowhere", "/no/such/socket"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a service manager, or with one that is gone, nothing happens."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify_manager(READY)


def test_a_ready_file_can_be_removed_twice(tmp_path: Path) -> None:
    """A second removal of the ready file does nothing."""
    file = ReadyFile(tmp_path / "ready")
    file.create()
    assert file.path.exists()
    file.remove()
    file.remove()
    assert not file.path.exists()


async def test_it_is_ready_until_a_stop_is_requested(
    tmp_path: Path, manager: socket.socket
) -> None:
    """The file exists, and systemd is notified, from the open block to the first request."""
    path = tmp_path / "ready"
    with manager:
        async with Supervisor(signals={}, ready_file=path) as sup:
            assert manager.recv(100) == b"READY=1"
            assert path.exists()
            sup.stop("enough")
            assert not path.exists()
            assert manager.recv(100) == b"STOPPING=1"


async def test_the_file_is_gone_after_the_block(tmp_path: Path) -> None:
    """Without a stop the file is removed as the block is left."""
    async with Supervisor(signals={}, ready_file=tmp_path / "ready"):
        pass
    assert not (tmp_path / "ready").exists()


async def test_a_ready_file_that_cannot_be_created(tmp_path: Path) -> None:
    """A folder that does not exist is a clear error, and nothing stays installed."""
    with pytest.raises(SettingsError, match="ready_file"):
        async with Supervisor(signals={}, ready_file=tmp_path / "no" / "ready"):
            pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """If there is no room for the ready file, the error says so, and what to do."""
    path = tmp_path / "ready"
    path.symlink_to("/dev/full")
    with pytest.raises(SettingsError, match=r"make room .*No space left on device"):
        async with Supervisor(signals={}, ready_file=path):
            pass
    assert not path.is_symlink()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, *, is_there: bool) -> None:
    """What a link leads to is neither written nor made: somebody else may have laid it there."""
    target, path = tmp_path / "target", tmp_path / "ready"
    if is_there:
        target.write_text("of somebody else")
    path.symlink_to(target)
    file = ReadyFile(path)
    file.create()
    assert path.read_text() == f"{os.getpid()}\n"
    file.remove()
    assert not path.exists()
    assert not path.is_symlink()
    assert target.exists() is is_there
    assert not is_there or target.read_text() == "of somebody else"


async def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A pipe, a device or a folder at the ready file's place is refused, and stays."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SettingsError, match="ready_file"):
        async with Supervisor(signals={}, ready_file=path):
            pass
    assert path.is_fifo()
