"""What the operator may say about one instance: the whole config, checked. Layers and sources are in `layers`.

A field's text is its documentation: the reference, `prefork schema` and `--help` print it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from prefork.address import Address, TcpAddress, parse_address
from prefork.policy.config import PoolConfig, Size, Table, Timeout
from prefork.policy.units import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_JOURNAL = 2**20
RESERVED = "reserved for several pools under one master"
_MADE = re.compile(r"([^()]+)\((.+)\)")
_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def _canonical(url: str) -> str:
    return str(parse_address(url))


def _no_bool(value: object) -> object:
    """Pass on what isn't a bool: pydantic would read true as 1."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")  # noqa: TRY004 - pydantic turns ValueError into its error
    return value


def _file(value: object) -> object:
    if value == "":
        raise ValueError("'' is no file")
    return value


def _protocol(name: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", name):
        raise ValueError(f"{name!r} is no protocol's name: printable ASCII without blanks, 255 at most")
    return name


_File = Annotated[Path, BeforeValidator(_file)]
_Protocol = Annotated[str, AfterValidator(_protocol)]


class TlsConfig(Table):
    """TLS on one listener. All files are PEM, and read anew at each reload."""

    cert: _File = Field(description="The server's certificate, and behind it those that lead to a root.")
    key: _File | None = Field(
        default=None,
        description="The private key of `cert`, without a passphrase. Left out: it is in the file `cert`.",
    )
    client_ca: _File | None = Field(
        default=None,
        description="Ask clients for a certificate that one of these has signed. Left out: nobody is asked.",
    )
    verify: Literal["required", "optional"] | None = Field(
        default=None,
        description="Whether a client without a certificate is refused; one with a wrong one always is. "
        'Left out: `"required"` with `client_ca`.',
    )
    alpn: tuple[_Protocol, ...] = Field(
        default=(),
        description='Protocols to agree on (ALPN), preferred ones first, such as `["h2", "http/1.1"]`. '
        "Who speaks none of them gets none.",
    )
    min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest version of TLS.")
    handshake_timeout: Timeout = Field(default=10.0, description="Longest time from accept to the session.")

    @model_validator(mode="after")
    def _verifies_somebody(self) -> Self:
        if self.verify is not None and self.client_ca is None:
            raise ValueError(f'verify = "{self.verify}" needs client_ca: say who signs the certificates of clients')
        return self


class Listener(Table):
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
    tls: TlsConfig | None = Field(default=None, description="[listen.tls]: sessions exist over TLS alone.")


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
        address = parse_address(listener.url)
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


def _path(value: object) -> object:
    """Pass on what can be a path."""
    if value == "" or not isinstance(value, str | Path | None):
        raise ValueError(f"{value!r} is no path: say one, or leave it out")
    return value


def _enough(size: int) -> int:
    if size < MIN_JOURNAL:
        raise ValueError(f"{size_text(size)} is too small for a journal: write {size_text(MIN_JOURNAL)} or more")
    return size


class JournalConfig(Table):
    """What the pool saw and decided, kept: for `prefork why` and `prefork replay`."""

    path: Annotated[Path | None, BeforeValidator(_path)] = Field(
        default=None,
        description="A folder to write in, made where it is missing. Left out: no journal.",
    )
    max_size: Annotated[Size, AfterValidator(_enough)] = Field(
        default=64 * 2**20,
        description="Most bytes that it takes, 1 MiB or more; the oldest go first.",
    )


class ServerConfig(Table):
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
    journal: JournalConfig = Field(default=JournalConfig(), description="What the pool saw and decided, kept.")
    shadow: Annotated[Path | None, BeforeValidator(_path)] = Field(
        default=None,
        description="Another config file, whose [pool] is tried on the live views: what it would decide is shown by "
        "status and told by the journal, and never performed. A reload reads the file again. Left out: no shadow.",
    )
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
            journal: JournalConfig = ...,
            shadow: Path | None = ...,
            backends: dict[str, dict[str, Any]] = ...,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _no_pools(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the caller gave
        if isinstance(given, dict) and "pools" in given:
            raise ValueError(f"pools: {RESERVED}")
        return given
