"""The PostgreSQL of the tests: a server for each of pytest's workers, a database for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from examples.fleet.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a server; a test that stops it starts it again."""
    try:
        server = PostgresServer()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with server:
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
