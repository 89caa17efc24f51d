"""Errors in the user's code: their traceback without our frames, and one line of ours."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager

from supervisor._autogen.original_error import original_error
from supervisor._cli.errors import CommandError
from supervisor._cli.tracebacks import hide_our_frames
from supervisor._process.standard_streams import write_stderr


@contextmanager
def user_code(doing: str) -> Generator[None]:
    """Turn an exception of the user's code into one line, after its traceback.

    KeyboardInterrupt and cancellations go on as they are.

    Args:
        doing: What is done, as in "import module 'teams'".

    Raises:
        CommandError: The code in the block has raised, or has called `sys.exit`.
    """
    try:
        yield
    except CommandError:
        raise
    except SystemExit as error:
        raise CommandError(
            f"cannot {doing}: it called sys.exit({error.code!r}); let it return"
        ) from None
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        raise_interrupt_behind(error)
        show_traceback(error)
        raise CommandError(f"cannot {doing}: {summary(error)}") from None


def show_traceback(error: BaseException) -> None:
    """Write an exception's traceback on stderr, without our frames."""
    if written := original_error(error).traceback:
        write_stderr(written)
        return
    hide_our_frames(error)
    if error.__traceback__ is not None or isinstance(error, SyntaxError):
        write_stderr("".join(traceback.format_exception(error)))


def summary(error: BaseException) -> str:
    """Return the type of an exception, and the first line of what it says.

    What is raised on purpose, for a user to read, needs no type.
    """
    from supervisor._core.errors import SupervisorError

    original = original_error(error)
    said = original.message.strip().partition("\n")[0]
    if said and isinstance(error, CommandError | EOFError | SupervisorError):
        return said
    return f"{original.type}: {said}" if said else original.type


def has_user_frames(error: BaseException) -> bool:
    """Return whether the user's code had a part in an exception; take our frames out of it."""
    hide_our_frames(error)
    return error.__traceback__ is not None


def raise_interrupt_behind(error: BaseException) -> None:
    """Raise the Ctrl-C that was turned into another exception, as some imports do.

    Raises:
        KeyboardInterrupt: There was one.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            raise seen from None
        seen = seen.__cause__ or seen.__context__
