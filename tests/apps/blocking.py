"""Handlers of `socketserver`, `http.server` and Flask, as their own documentation has such programs."""

from __future__ import annotations

import http.server
import socketserver
import sys
from typing import TYPE_CHECKING

from flask import Flask, request

from prefork.socketserver import PreforkTCPServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


class Upper(socketserver.BaseRequestHandler):
    """One message, in capitals."""

    request: socket.socket

    def handle(self) -> None:
        self.data = self.request.recv(1024).strip()
        self.request.sendall(self.data.upper())


class UpperLine(socketserver.StreamRequestHandler):
    """One line, in capitals."""

    def handle(self) -> None:
        self.data = self.rfile.readline(10000).rstrip()
        self.wfile.write(self.data.upper())


class Pages(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1, with connections that are kept alive."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(f"{self.command} {self.path} from {self.client_address[0]}")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode()[::-1])

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


flask = Flask(__name__)


@flask.get("/")
def hello() -> str:
    return f"hello {request.args.get('name', 'world')}"


@flask.post("/reversed")
def reverse() -> str:
    return request.get_data(as_text=True)[::-1]


@flask.get("/poured")
def pour() -> Iterator[str]:
    return (f"{number}\n" for number in range(1000))


@flask.get("/fails")
def fail() -> str:
    raise ValueError(7)


HANDLERS = {"Upper": Upper, "UpperLine": UpperLine, "Pages": Pages, "Files": http.server.SimpleHTTPRequestHandler}

if __name__ == "__main__":
    with PreforkTCPServer(("127.0.0.1", 0), HANDLERS[sys.argv[1]], control=False) as server:
        server.serve_forever()
    print(f"served on {server.server_address[0]}")
