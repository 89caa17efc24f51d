"""What is written on stdout when that is ours alone."""

from __future__ import annotations

import io
import os
import sys

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.output.json_output import _versions
from supervisor._cli.output.own_stdout import take_stdout


def test_without_a_stdout_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started without one cannot write its result."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(CommandError, match="redirect it to a file or a pipe"):
        take_stdout.__wrapped__()


def test_a_stream_of_another_class_may_be_there(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program may have put its own stdout there, which has no buffering to set."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    own = take_stdout.__wrapped__()
    try:
        os.write(own, b"ours")
        os.write(1, b"theirs")
    finally:
        os.dup2(own, 1)
        os.close(own)
    assert capfd.readouterr() == ("ours", "theirs")


def test_a_package_that_was_not_installed_has_no_version() -> None:
    """A program that runs from a checkout, without any metadata, still gets its first line."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(sys, "meta_path", [])
        found = _versions()
    assert found.pop("python") is not None
    assert set(found.values()) == {None}
