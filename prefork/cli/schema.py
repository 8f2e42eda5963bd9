"""`prefork schema`: for editors that complete and check prefork.toml."""

from __future__ import annotations

import json

from prefork.config import ServerConfig


def schema() -> int:
    """Print the JSON Schema of the config."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ServerConfig.model_json_schema()}
    print(json.dumps(described, indent=2))  # noqa: T201 - the command's output
    return 0
