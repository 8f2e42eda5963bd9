"""`prefork status`: what the master says of itself, as tables or as it came."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from prefork.cli.instances import Config, Control, find
from prefork.client import Connection

AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the answer as JSON.")]


def status(*, config: Config = None, control: Control = None, as_json: AsJson = False) -> int:
    """Show a running instance."""
    with Connection(find(config, control)) as connection:
        answer = connection.ask("status")
    if as_json:
        print(json.dumps(answer, indent=2))  # noqa: T201 - the command's output
        return 0
    from prefork.cli.tables import show  # noqa: PLC0415 - rich costs 50 ms

    show(answer)
    return 0
