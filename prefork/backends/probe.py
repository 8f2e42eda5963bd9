"""`python -m prefork.backends.probe`: loads one backend, and says on stdout whether it can be used.

Whatever a plugin does when it is imported, it does in this process: prints go to stderr, an exit is a missing answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from prefork.backends.options import make_options
from prefork.backends.registry import load_backend
from prefork.errors import ConfigError


def probe(name: str, options: dict[str, Any] | None) -> dict[str, Any]:
    """What there is to say of a backend: `styles` and `about`, or `error`. `options` None: not to be checked."""
    try:
        backend = load_backend(name)
        if options is not None:
            make_options(backend, options)
    except ConfigError as error:
        return {"error": str(error)}
    about = (type(backend).__doc__ or "").strip().partition("\n")[0]
    return {"styles": dict(backend.styles), "about": about}


def main() -> None:
    """Answer the question on stdin."""
    asked = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        sys.path[:] = asked["sys_path"]
        json.dump(probe(asked["name"], asked["options"]), answers)


if __name__ == "__main__":
    main()
