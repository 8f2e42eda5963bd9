"""What lets a plain config stand for the model: a table has fields, and nothing else that could be read."""

from __future__ import annotations

import pytest

from prefork import ServerConfig
from prefork.policy.config import Table

assert issubclass(ServerConfig, Table)  # with it, every table there is has been imported


def tables(kind: type[Table] = Table) -> list[type[Table]]:
    return [kind, *(each for below in kind.__subclasses__() for each in tables(below))]


@pytest.mark.parametrize("table", [each for each in tables() if each is not Table], ids=lambda each: each.__name__)
def test_a_model_has_nothing_to_read_but_its_fields(table: type[Table]) -> None:
    own = {name for name in vars(table) if not name.startswith("_")} - {"model_config", "model_fields"}
    assert own <= table.model_fields.keys()
