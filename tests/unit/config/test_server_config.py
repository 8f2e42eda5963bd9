from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from prefork import PoolConfig, ServerConfig
from prefork import config as module
from prefork.config import Listener


def test_the_app_alone_is_a_config() -> None:
    config = ServerConfig(app="echo.py:Echo")
    assert config.listen == (Listener(url="tcp://127.0.0.1:10000"),)
    assert (config.backend, config.control, config.name, config.backends) == ("selectors", None, "prefork", {})
    assert config.pool == PoolConfig()


LISTENS: dict[str, Any] = {
    "one URL": "tcp://127.0.0.1:0",
    "a list of URLs": ["tcp://127.0.0.1:0"],
    "a tuple of URLs": ("tcp://127.0.0.1:0",),
    "a listener": Listener(url="tcp://127.0.0.1:0"),
    "a table": {"url": "tcp://127.0.0.1:0"},
    "a list of tables": [{"url": "tcp://127.0.0.1:0", "backlog": 2048}],
}


@pytest.mark.parametrize("listen", LISTENS.values(), ids=LISTENS)
def test_listen_is_always_tables_in_the_end(listen: Any) -> None:
    config = ServerConfig(app="echo.py:Echo", listen=listen)
    assert config.listen == (Listener(url="tcp://127.0.0.1:0", backlog=2048),)
    assert config.listen[0].url == "tcp://127.0.0.1:0"


def test_port_0_may_be_there_twice() -> None:
    assert len(ServerConfig(app="echo.py:Echo", listen=["tcp://127.0.0.1:0"] * 2).listen) == 2


CONTROLS: dict[str, tuple[Any, Path | Literal[False] | None]] = {
    "a path": ("run/echo.ctl", Path("run/echo.ctl")),
    "false": (False, False),
    "false as text": ("false", False),
    "left out": (None, None),
}


@pytest.mark.parametrize(("given", "control"), CONTROLS.values(), ids=CONTROLS)
def test_control_is_a_path_or_off(given: Any, control: Path | None) -> None:
    assert ServerConfig(app="echo.py:Echo", control=given).control == control


APPS = ("echo.py:Echo", "a/b/echo.py:Echo", "/srv/a:b/echo.py:Echo", "shop:app", "shop.web:app", "shop.web:site.app")


@pytest.mark.parametrize("app", APPS)
def test_an_app_is_a_module_or_a_file_and_an_attribute(app: str) -> None:
    assert ServerConfig(app=app).app == app


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ServerConfig(app="echo.py:Echo").name = "other"  # type: ignore[misc]


def test_pools_are_reserved() -> None:
    with pytest.raises(ValidationError, match="pools: reserved for several pools under one master"):
        ServerConfig.model_validate({"app": "echo.py:Echo", "pools": {}})


def test_the_typed_signature_names_each_field_once() -> None:
    tree = ast.parse(inspect.getsource(module))
    signature = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    assert [argument.arg for argument in signature.args.kwonlyargs] == list(ServerConfig.model_fields)


def test_each_field_says_what_it_is_for() -> None:
    for model in (ServerConfig, Listener):
        assert all(field.description for field in model.model_fields.values())


def test_the_schema_knows_the_short_forms_of_listen() -> None:
    schema = ServerConfig.model_json_schema()
    assert schema["properties"]["listen"]["anyOf"] == [
        {"type": "string"},
        {"$ref": "#/$defs/Listener"},
        {"items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Listener"}]}, "type": "array"},
    ]
    assert schema["additionalProperties"] is False


def test_a_config_survives_json() -> None:
    config = ServerConfig(
        app="echo.py:Echo", listen="unix:/run/x.sock", control=False, backends={"selectors": {"a": 1}}
    )
    assert ServerConfig.model_validate_json(config.model_dump_json(exclude_unset=True)) == config
