"""`prefork schema`: the config for editors that complete and check prefork.toml, or for people to read."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from prefork.cli.reference import reference
from prefork.config import ServerConfig

AsMarkdown = Annotated[bool, Parameter(name="--markdown", negative=(), help="Print the reference, docs/CONFIG.md.")]


def schema(*, as_markdown: AsMarkdown = False) -> int:
    """Print the JSON Schema of the config."""
    if as_markdown:
        print(reference(), end="")  # noqa: T201 - the command's output
        return 0
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ServerConfig.model_json_schema()}
    print(json.dumps(described, indent=2))  # noqa: T201 - the command's output
    return 0
