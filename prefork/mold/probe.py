"""`python -m prefork.mold.probe`: imports the app as a mold would, and says its style on stdout, or what is wrong.

Whatever the app does when it is imported, it does in this process: prints go to stderr, an exit is a missing answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from prefork.backends.options import adopt
from prefork.errors import AppError, ConfigError
from prefork.mold.importing import Imports, import_all


def probe(wanted: Imports) -> dict[str, Any]:
    """`style`, or `error` and `frames`."""
    try:
        app, backend, options = import_all(wanted)
        if app.style in backend.styles:
            adopt(backend, app, options)
    except ConfigError as error:
        return {"error": str(error), "frames": error.frames if isinstance(error, AppError) else ""}
    return {"style": app.style}


def main() -> None:
    """Answer the question on stdin; a thread or an exit hook of the app can't prolong that."""
    asked = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        json.dump(probe(Imports(**asked)), answers)
    os._exit(0)


if __name__ == "__main__":
    main()
