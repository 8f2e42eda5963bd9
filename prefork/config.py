"""What the operator may say about one instance: the whole config, checked. Layers and sources are in `layers`.

A field's text is its documentation: the reference, `prefork schema` and `--help` print it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from prefork.address import Address, TcpAddress, parse_address
from prefork.policy.config import PoolConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

RESERVED = "reserved for several pools under one master"
_MADE = re.compile(r"([^()]+)\((.+)\)")
_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class _Table(BaseModel):
    """A table of the config: frozen, unknown keys refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


def _canonical(url: str) -> str:
    return str(parse_address(url))


def _no_bool(value: object) -> object:
    """Pass on what isn't a bool: pydantic would read true as 1."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")  # noqa: TRY004 - pydantic turns ValueError into its error
    return value


class Listener(_Table):
    """One bound socket."""

    url: Annotated[str, AfterValidator(_canonical)] = Field(
        description="tcp://HOST:PORT (port 0: any, printed), tcp://[IPV6]:PORT, or unix:PATH.",
    )
    # What a pool takes in a tenth of a second at its best (18,000 connections a second were measured): who waits longer
    # is better off with its own timeout than in a queue. The peers' figure too; the kernel's somaxconn caps it.
    backlog: Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_no_bool)] = Field(
        default=2048,
        description="Most connections that wait to be accepted; net.core.somaxconn caps it.",
    )

    @property
    def address(self) -> Address:
        """The URL, parsed."""
        return parse_address(self.url)


def _as_tables(value: object) -> object:
    """Make of one URL, one table or a list of either a list of `[[listen]]` tables."""
    entries = value if isinstance(value, list | tuple) else [value]
    for entry in entries:
        if not isinstance(entry, str | dict | Listener):
            raise ValueError(f"{entry!r} is no listen URL, nor a [[listen]] table")  # noqa: TRY004 - as in _no_bool
    return tuple({"url": entry} if isinstance(entry, str) else entry for entry in entries)


def _distinct(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Refuse no listener at all, and one address twice (port 0 is another port each time)."""
    if not listeners:
        raise ValueError('an empty list: say where to listen, such as "tcp://127.0.0.1:10000"')
    seen: set[Address] = set()
    for listener in listeners:
        address = listener.address
        if address in seen:
            raise ValueError(f"{listener.url!r} is there twice")
        if not isinstance(address, TcpAddress) or address.port:
            seen.add(address)
    return listeners


Listeners = Annotated[
    tuple[Listener, ...],
    BeforeValidator(_as_tables, json_schema_input_type=str | Listener | list[str | Listener]),
    AfterValidator(_distinct),
]


def _app_name(name: str) -> str:
    """Refuse what is neither `module:attribute` nor `file.py:attribute`."""
    if made := _MADE.fullmatch(name):  # what one makes of the other
        return f"{_app_name(made[1])}({_app_name(made[2])})"
    home, colon, attribute = name.rpartition(":")
    if not colon:
        cure = f"{name}:NAME" if name.endswith(".py") else "module:attribute or file.py:attribute"
        raise ValueError(f"{name!r} names no attribute: say {cure}")
    if not all(part.isidentifier() for part in attribute.split(".")):
        raise ValueError(f"{name!r}: {attribute!r} is no attribute name: say module:attribute or file.py:attribute")
    if not home.endswith(".py") and not all(part.isidentifier() for part in home.split(".")):
        raise ValueError(
            f"{name!r}: {home!r} is neither a module nor a .py file: say module:attribute or file.py:attribute"
        )
    return name


def _control(value: object) -> object:
    """Return a path as it is, and false, also as text (the environment knows no other), as False."""
    if value == "false":
        return False
    if value is True or value == "" or not isinstance(value, str | Path | bool | None):
        shown = "true" if value is True else repr(value)
        raise ValueError(f"{shown} is no path: say a path, or false for no control socket")
    return value


class ServerConfig(_Table):
    """One instance of prefork: what it serves, where, and how."""

    app: Annotated[str, AfterValidator(_app_name)] = Field(
        description="What is served: module:attribute or file.py:attribute.",
    )
    listen: Listeners = Field(
        default=(Listener(url="tcp://127.0.0.1:10000"),),
        description="Where to listen: a URL, a list of URLs, or [[listen]] tables.",
    )
    backend: str = Field(default="selectors", min_length=1, description="The loop that a worker runs.")
    control: Annotated[Path | Literal[False] | None, BeforeValidator(_control)] = Field(
        default=None,
        description="This instance's control socket; false: none. "
        "Left out: PID.ctl in $XDG_RUNTIME_DIR/prefork, or in /tmp/prefork-UID.",
    )
    name: str = Field(
        default="prefork",
        pattern=_NAME_PATTERN,
        description="What this instance is called in process titles and status: letters, digits, '_', '.', '-', "
        "64 at most.",
    )
    pool: PoolConfig = Field(default=PoolConfig(), description="How many workers, and for how long.")
    backends: dict[str, dict[str, Any]] = Field(
        default={},
        description="[backends.NAME]: the options of the loop NAME, checked by the loop itself.",
    )

    if TYPE_CHECKING:
        # What may be given is wider than what is then read: a listener's URL stands for its table.
        def __init__(  # noqa: PLR0913 - one a field
            self,
            *,
            app: str,
            listen: str | Listener | Sequence[str | Listener] = ...,
            backend: str = ...,
            control: str | Path | Literal[False] | None = ...,
            name: str = ...,
            pool: PoolConfig = ...,
            backends: dict[str, dict[str, Any]] = ...,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _no_pools(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the caller gave
        if isinstance(given, dict) and "pools" in given:
            raise ValueError(f"pools: {RESERVED}")
        return given
