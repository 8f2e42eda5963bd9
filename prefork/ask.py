"""The client's side of the control socket: one JSON object there, one back."""

from __future__ import annotations

import json
import socket
from typing import Any

from prefork.errors import PreforkError


class NobodyThereError(PreforkError):
    """No prefork answers on the control socket."""


def ask(path: str, command: str, timeout: float = 5.0) -> dict[str, Any]:
    """The result of `command`. Raises NobodyThereError, or PreforkError with the master's own words and exit code."""
    request = json.dumps({"command": command}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(path)
            sock.sendall(request)
            with sock.makefile("rb") as file:
                line = file.readline()
    except OSError as error:
        raise NobodyThereError(f"{path}: no prefork answers there: {error.strerror or error}") from None
    if not line:
        raise NobodyThereError(f"{path}: closed without an answer")
    answer: dict[str, Any] = json.loads(line)
    if not answer["ok"]:
        failure = PreforkError(answer["error"])
        failure.exit_code = answer["exit_code"]
        raise failure
    result: dict[str, Any] = answer["result"]
    return result
