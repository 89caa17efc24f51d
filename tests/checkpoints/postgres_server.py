"""The PostgreSQL of the tests: a server for each of pytest's workers, a database for each test."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from examples.fleet.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a server; a test that stops it starts it again."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(PostgresServer())
        except (FileNotFoundError, PermissionError) as error:
            pytest.skip(f"no PostgreSQL can be started: {error}")
        yield server


@pytest.fixture
def schema_url(postgres_server: PostgresServer) -> str:
    """Return the URL of an empty schema; it is made faster than a database."""
    name = f"runs_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{postgres_server.url}?options=-csearch_path%3D{name}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Return the URL of an empty database."""
    return postgres_server.new_database()
