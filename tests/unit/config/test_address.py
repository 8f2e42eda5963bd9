from __future__ import annotations

import pytest

from prefork.address import Address, TcpAddress, UnixAddress, parse_address

READS = {
    "a host and a port": ("tcp://127.0.0.1:10000", TcpAddress("127.0.0.1", 10000)),
    "port 0 is any": ("tcp://localhost:0", TcpAddress("localhost", 0)),
    "IPv6 stands in brackets": ("tcp://[::1]:80", TcpAddress("::1", 80)),
    "IPv6 is written the short way": ("tcp://[0:0:0:0:0:0:0:1]:80", TcpAddress("::1", 80)),
    "the scheme's case doesn't matter": ("TCP://h:1", TcpAddress("h", 1)),
    "a name with dots, dashes and an underscore": ("tcp://a_b.c-d.example:1", TcpAddress("a_b.c-d.example", 1)),
    "a relative socket file": ("unix:run/echo.sock", UnixAddress("run/echo.sock")),
    "an absolute socket file": ("unix:/run/echo.sock", UnixAddress("/run/echo.sock")),
    "three slashes are an absolute socket file too": ("unix:///run/echo.sock", UnixAddress("/run/echo.sock")),
    "a socket file of the longest path": ("unix:" + "x" * 107, UnixAddress("x" * 107)),
}


@pytest.mark.parametrize(("url", "address"), READS.values(), ids=READS)
def test_a_url_names_an_address(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize("address", [address for _, address in READS.values()], ids=READS)
def test_an_address_written_reads_back(address: Address) -> None:
    assert parse_address(str(address)) == address


BOTH = "say tcp://127.0.0.1:10000 for this machine alone, or tcp://0.0.0.0:10000 for every network"
EITHER = "say tcp://127.0.0.1:10000 or unix:run/echo.sock"
REFUSES = {
    "a bare port with a colon": (":10000", f"':10000' is no listen URL: {BOTH}"),
    "a bare port": ("10000", f"'10000' is no listen URL: {BOTH}"),
    "a star for the host": ("*:10000", f"'*:10000' is no listen URL: {BOTH}"),
    "a name without a scheme": ("localhost:1", "'localhost:1' is no listen URL: say tcp://localhost:1"),
    "an address without a scheme": ("127.0.0.1:1", "'127.0.0.1:1' is no listen URL: say tcp://127.0.0.1:1"),
    "brackets without a scheme": ("[::1]:80", "'[::1]:80' is no listen URL: say tcp://[::1]:80"),
    "IPv6 with neither": ("::1:80", "'::1:80' is no listen URL: say tcp://[::1]:80"),
    "a scheme without slashes": ("tcp:h:1", "'tcp:h:1' is no listen URL: say tcp://h:1"),
    "a bare path": ("run/echo.sock", "'run/echo.sock' is no listen URL: say unix:run/echo.sock"),
    "a bare socket file": ("echo.sock", "'echo.sock' is no listen URL: say unix:echo.sock"),
    "a word": ("echo", f"'echo' is no listen URL: {EITHER}"),
    "nothing": ("", f"'' is no listen URL: {EITHER}"),
    "a blank in front": (" tcp://h:1", f"' tcp://h:1' is no listen URL: {EITHER}"),
    "a line break": ("tcp://h:1\n", f"'tcp://h:1\\n' is no listen URL: {EITHER}"),
    "http": (
        "http://h/",
        "'http://h/': prefork listens on TCP, whatever is spoken there: say tcp://h:80",
    ),
    "https with a port": (
        "https://h:8443",
        "'https://h:8443': prefork listens on TCP, whatever is spoken there: say tcp://h:8443",
    ),
    "another scheme": ("udp://h:1", "'udp://h:1': the scheme 'udp' is not known: tcp://HOST:PORT and unix:PATH are"),
    "no port": ("tcp://h", "'tcp://h' has no port: say tcp://h:10000"),
    "an empty port": ("tcp://h:", "'tcp://h:' has no port: say tcp://h:10000"),
    "brackets and no port": ("tcp://[::1]", "'tcp://[::1]' has no port: say tcp://[::1]:10000"),
    "no host": ("tcp://:10000", f"'tcp://:10000' names no host: {BOTH}"),
    "a star": ("tcp://*:10000", f"'tcp://*:10000' names no host: {BOTH}"),
    "nothing behind the scheme": ("tcp://", f"'tcp://' names no host: {BOTH}"),
    "a port too high": ("tcp://h:65536", "'tcp://h:65536': the port 65536 is out of range: 0 to 65535"),
    "a port that is a word": ("tcp://h:echo", "'tcp://h:echo': the port 'echo' is no number"),
    "a negative port": ("tcp://h:-1", "'tcp://h:-1': the port '-1' is no number"),
    "digits that aren't ASCII": ("tcp://h:٣", "'tcp://h:٣': the port '٣' is no number"),
    "IPv6 without brackets": ("tcp://::1:80", "'tcp://::1:80': an IPv6 address needs brackets: say tcp://[::1]:80"),
    "a bracket left open": ("tcp://[::1:80", "'tcp://[::1:80' has a broken bracket: say tcp://[::1]:10000"),
    "something between bracket and port": (
        "tcp://[::1]x:1",
        "'tcp://[::1]x:1' has a broken bracket: say tcp://[::1]:10000",
    ),
    "a word in brackets": ("tcp://[echo]:1", "'tcp://[echo]:1': 'echo' is no IPv6 address"),
    "five numbers": ("tcp://1.2.3.4.5:1", "'tcp://1.2.3.4.5:1': '1.2.3.4.5' is no IPv4 address"),
    "a number too high": ("tcp://999.1.1.1:1", "'tcp://999.1.1.1:1': '999.1.1.1' is no IPv4 address"),
    "a host that is none": ("tcp://-x:1", "'tcp://-x:1': '-x' is no host name"),
    "a path behind the port": ("tcp://h:1/x", "'tcp://h:1/x' has a path, and a TCP address has none: say tcp://h:1"),
    "no socket file": ("unix:", "'unix:' names no socket file: say unix:run/echo.sock"),
    "a folder": ("unix:run/", "'unix:run/' names no socket file: say unix:run/echo.sock"),
    "a host of a socket file": ("unix://run/x", "'unix://run/x' names a host: say unix:run/x"),
    "an abstract socket": (
        "unix:@echo",
        "'unix:@echo' is an abstract socket, which no file mode protects: say unix:echo",
    ),
    "a socket file of too long a path": (
        "unix:" + "x" * 108,
        f"'unix:{'x' * 108}' has a path of 108 bytes and the system takes 107: choose a shorter one",
    ),
}


@pytest.mark.parametrize(("url", "message"), REFUSES.values(), ids=REFUSES)
def test_a_bad_url_gives_one_line_with_its_cure(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_address(url)
    assert str(caught.value) == message
