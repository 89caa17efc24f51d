"""The locks by which the kernel tells whether the owner of a run lives.

Each owner holds a POSIX lock on one byte of a file beside the store: the byte's place is made of
the owner's name. The kernel frees it when the process ends, in whatever way, and it is seen from
another container that has the same volume, where process ids and boot ids prove nothing. A process
that is stopped (SIGSTOP) keeps its lock.

POSIX locks have two traps, for which this module stands:

- They are a process's: a process does not see its own. So owners within this process are noted.
- All of a process's locks on a file go when it closes *any* descriptor of that file. So a process
  has such a file open once, and closes it when no owner is left. A forked child has no locks, and
  begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from supervisor._core.errors import StoreUnavailable

HAS_OWNER_LOCKS = sys.platform != "win32"


@dataclass
class _LockFile:
    """One file of locks, as this process has it open."""

    key: tuple[int, int]
    descriptor: int
    owners: set[str] = field(default_factory=set[str])


class OwnerLocks:
    """The owners of the runs of one store, where the kernel tells of them.

    Args:
        path: The file of the store. That of the locks lies beside it, and is made where it is not
            there, with the same permissions.
        url: What messages call the store.
        takes_locks: Whether owners that are claimed here lock their bytes; where they do not, a
            lease tells of them.
    """

    def __init__(self, path: str, url: str, *, takes_locks: bool = True) -> None:
        self._path = path
        self._url = url
        self._claimed = set[str]()
        self.sees_owners = HAS_OWNER_LOCKS and takes_locks

    def claim(self, owner: str) -> None:
        """Lock an owner's byte, until this object is closed."""
        if not self.sees_owners:
            return
        with self._file() as file:
            if owner not in file.owners:
                _lock(file.descriptor, owner, "exclusive")
                file.owners.add(owner)
                self._claimed.add(owner)

    def lease(self, seconds: float) -> float | None:
        """Return None where a lock stands for the lease."""
        return None if self.sees_owners else seconds

    def lives(self, owner: str, *, is_in_time: bool | None) -> bool:
        """Tell whether an owner lives: by its lease, where it has written one, else by its lock."""
        if is_in_time is not None:
            return is_in_time
        return HAS_OWNER_LOCKS and self._is_locked(owner)

    def _is_locked(self, owner: str) -> bool:
        with self._file() as file:
            return owner in file.owners or _is_locked_elsewhere(file.descriptor, owner)

    def close(self) -> None:
        """Unlock the bytes of the owners that were claimed here."""
        if not self._claimed:
            return
        with self._file() as file:
            for owner in self._claimed & file.owners:
                _lock(file.descriptor, owner, "none")
                file.owners.discard(owner)
            self._claimed.clear()

    @contextlib.contextmanager
    def _file(self) -> Generator[_LockFile]:
        try:
            with _mutex, _opened(Path(self._path).resolve()) as file:
                yield file
        except OSError as error:
            problem = f"its owners cannot be locked beside {self._path}: {error.strerror}"
            raise StoreUnavailable(self._url, problem) from error


# By device and inode, for one file may have several names.
_files = dict[tuple[int, int], _LockFile]()
_mutex = threading.Lock()


@contextlib.contextmanager
def _opened(store: Path) -> Generator[_LockFile]:
    """Have a store's file of locks open, as long as this process has an owner in it."""
    path = Path(f"{store}-owners")
    file = _known(path) or _open(path, store)
    try:
        yield file
    finally:
        if not file.owners:
            del _files[file.key]
            os.close(file.descriptor)


def _known(path: Path) -> _LockFile | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _files.get((found.st_dev, found.st_ino))


def _open(path: Path, store: Path) -> _LockFile:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(FileNotFoundError):  # an owner may come before the store is made
            path.chmod(stat.S_IMODE(store.stat().st_mode))
    found = os.fstat(descriptor)
    file = _LockFile((found.st_dev, found.st_ino), descriptor)
    return _files.setdefault(file.key, file)


def _is_locked_elsewhere(descriptor: int, owner: str) -> bool:
    """Tell whether another process has locked an owner's byte.

    A shared lock is asked for, so that two who look at once do not take each other for the owner.
    """
    try:
        _lock(descriptor, owner, "shared")
    except (BlockingIOError, PermissionError):
        return True
    _lock(descriptor, owner, "none")
    return False


def _lock(descriptor: int, owner: str, kind: Literal["exclusive", "shared", "none"]) -> None:
    """Lock an owner's byte, or unlock it; raise OSError where another process has locked it."""
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    # 62 bits: the end of a lock must still be a place in a file.
    place = int.from_bytes(hashlib.sha256(owner.encode("utf-8", "replace")).digest()[:8]) >> 2
    kinds = {
        "exclusive": fcntl.LOCK_EX | fcntl.LOCK_NB,
        "shared": fcntl.LOCK_SH | fcntl.LOCK_NB,
        "none": fcntl.LOCK_UN,
    }
    fcntl.lockf(descriptor, kinds[kind], 1, place)


def _forget_in_child() -> None:
    """Begin anew in a forked child: it has the descriptors, and none of the locks."""
    global _mutex  # noqa: PLW0603 - another thread of the parent may have held it
    _mutex = threading.Lock()
    for file in _files.values():
        os.close(file.descriptor)
    _files.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_in_child)
