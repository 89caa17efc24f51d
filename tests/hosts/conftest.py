"""What the tests of hosts share: a version that cannot live beside the others."""

from __future__ import annotations

import pytest

from tests.hosts.versions import uvicorn_044


@pytest.fixture(scope="session")
def old_uvicorn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which uvicorn 0.44 is found before the one that is installed."""
    variables = uvicorn_044(tmp_path_factory.mktemp("uvicorn-0.44"))
    if variables is None:
        pytest.skip("uvicorn 0.44 cannot be installed here")
    return variables
