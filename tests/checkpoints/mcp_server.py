"""A server of tools over stdio, in plain Python, for it is started again after each kill.

Its only tool notes the key in the call's `_meta` durably, and answers with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any

_KEY = "autogen-supervisor/idempotencyKey"
_TOOL = {"name": "charge", "description": "Charge.", "inputSchema": {"type": "object"}}


def main(file: str) -> None:
    """Answer until the client is gone.

    Args:
        file: Where the keys are noted.
    """
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": _result(asked, file)}
            os.write(1, f"{json.dumps(answer)}\n".encode())


def _result(asked: dict[str, Any], file: str) -> dict[str, Any]:
    match asked["method"]:
        case "initialize":
            return {
                "protocolVersion": asked["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "charging", "version": "1"},
            }
        case "tools/list":
            return {"tools": [_TOOL]}
        case "tools/call":
            key = asked["params"]["_meta"][_KEY]
            _note(file, f"charge {key}\n")
            time.sleep(0.01)
            return {"content": [{"type": "text", "text": f"did {key}"}]}
        case _:
            return {}


def _note(file: str, line: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the client was killed
        main(sys.argv[1])
