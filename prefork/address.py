"""Where a pool listens: `tcp://127.0.0.1:10000`, `tcp://[::1]:0`, `unix:run/echo.sock`, parsed and written back."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

MAX_UNIX_BYTES = 107
"""sun_path of unix(7) holds 108 bytes, the last one a zero."""
_MAX_PORT = 65_535
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_WEB_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class TcpAddress(NamedTuple):
    """A host (a name, an IPv4 address, or an IPv6 address without brackets) and a port; port 0 is any."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class UnixAddress(NamedTuple):
    """A socket in the file system; a relative path is relative to the current directory."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(url: str) -> Address:
    """Return the address that `url` names. Raises ValueError: one line with the URL and, where possible, its cure."""
    if not url.strip() or url != url.strip() or not url.isprintable():
        raise ValueError(f"{url!r} is no listen URL: say tcp://127.0.0.1:10000 or unix:run/echo.sock")
    if url.lower().startswith("unix:"):
        return _unix(url)
    parts = _SCHEME.fullmatch(url)
    if parts is None:
        raise ValueError(f"{url!r} is no listen URL: say {_guess(url)}")
    scheme, rest = parts[1].lower(), parts[2]
    if scheme != "tcp":
        raise ValueError(_other_scheme(url, scheme, rest))
    return _tcp(url, rest)


def _unix(url: str) -> UnixAddress:
    path = url[len("unix:") :]
    if path.startswith("//"):
        if not path.startswith("///"):
            raise ValueError(f"{url!r} names a host: say unix:{path[2:] or 'run/echo.sock'}")
        path = path[2:]
    if not path or path.endswith("/"):
        raise ValueError(f"{url!r} names no socket file: say unix:run/echo.sock")
    if path.startswith("@"):
        raise ValueError(f"{url!r} is an abstract socket, which no file mode protects: say unix:{path[1:] or 'a.sock'}")
    if (size := len(path.encode())) > MAX_UNIX_BYTES:
        raise ValueError(
            f"{url!r} has a path of {size} bytes and the system takes {MAX_UNIX_BYTES}: choose a shorter one"
        )
    return UnixAddress(path)


def _tcp(url: str, rest: str) -> TcpAddress:
    if "/" in rest:
        raise ValueError(f"{url!r} has a path, and a TCP address has none: say tcp://{rest.split('/', 1)[0]}")
    if rest.startswith("["):
        host, closed, tail = rest[1:].partition("]")
        if not closed or not host or (tail and not tail.startswith(":")):
            raise ValueError(f"{url!r} has a broken bracket: say tcp://[::1]:10000")
        return TcpAddress(_ipv6(url, host), _port(url, tail[1:]))
    host, _, port = rest.rpartition(":")
    if ":" in host:
        raise ValueError(f"{url!r}: an IPv6 address needs brackets: say tcp://[{host}]:{port}")
    if ":" not in rest:
        host, port = rest, ""
    if not host or host == "*":
        raise ValueError(f"{url!r} names no host: say {_both(port or '10000')}")
    return TcpAddress(_host(url, host), _port(url, port))


def _ipv6(url: str, host: str) -> str:
    try:
        return str(IPv6Address(host))
    except AddressValueError:
        raise ValueError(f"{url!r}: {host!r} is no IPv6 address") from None


def _host(url: str, host: str) -> str:
    """Return a name or an IPv4 address; digits and dots must be an address, since resolvers differ on the rest."""
    if re.fullmatch(r"[0-9.]+", host, re.ASCII):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise ValueError(f"{url!r}: {host!r} is no IPv4 address") from None
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{url!r}: {host!r} is no host name")
    return host


def _port(url: str, port: str) -> int:
    if not port:
        raise ValueError(f"{url!r} has no port: say {url.rstrip(':')}:10000")
    if not re.fullmatch(r"[0-9]{1,20}", port, re.ASCII):
        raise ValueError(f"{url!r}: the port {port!r} is no number")
    if int(port) > _MAX_PORT:
        raise ValueError(f"{url!r}: the port {port} is out of range: 0 to {_MAX_PORT}")
    return int(port)


def _both(port: str) -> str:
    return f"tcp://127.0.0.1:{port} for this machine alone, or tcp://0.0.0.0:{port} for every network"


def _guess(text: str) -> str:
    """Return what the writer of a text without a scheme most likely meant."""
    bare = text.removeprefix("tcp:").removeprefix("//")
    if re.fullmatch(r":?[0-9]{1,5}", bare, re.ASCII) or re.fullmatch(r"\*:[0-9]{1,5}", bare, re.ASCII):
        return _both(bare.lstrip("*:"))
    if "/" in bare or bare.endswith((".sock", ".socket")):
        return f"unix:{bare}"
    host, _, port = bare.rpartition(":")
    if re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) and host:
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"tcp://{bracketed}:{port}"
    return "tcp://127.0.0.1:10000 or unix:run/echo.sock"


def _other_scheme(url: str, scheme: str, rest: str) -> str:
    if scheme in _WEB_PORTS:
        host = rest.split("/", 1)[0]
        port = "" if re.search(r":[0-9]+$", host, re.ASCII) else f":{_WEB_PORTS[scheme]}"
        return f"{url!r}: prefork listens on TCP, whatever is spoken there: say tcp://{host}{port}"
    return f"{url!r}: the scheme {scheme!r} is not known: tcp://HOST:PORT and unix:PATH are"
