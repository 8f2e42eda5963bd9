"""A certificate, key or authority that can't be used is one line that names the file and says what is wrong."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from prefork.errors import ConfigError
from prefork.tls import TlsSettings
from prefork.tls_context import open_tls

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = trustme.CA()
ISSUED = AUTHORITY.issue_cert("here")
OTHER = AUTHORITY.issue_cert("there")
CERT = b"".join(each.bytes() for each in ISSUED.cert_chain_pems)
KEY = ISSUED.private_key_pem.bytes()


def encrypted(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )


def cut(pem: bytes) -> bytes:
    """With its first and last line, and half of what is between."""
    lines = pem.splitlines(keepends=True)
    return b"".join([*lines[:2], lines[-1]])


MISTAKES: dict[str, tuple[dict[str, bytes], str]] = {
    "no certificate file": ({"key": KEY}, "tls.cert {}/cert: No such file or directory"),
    "no key file": ({"cert": CERT}, "tls.key {}/key: No such file or directory"),
    "no authority's file": (
        {"cert": CERT, "key": KEY, "ca named": b""},
        "tls.client_ca {}/ca: No such file or directory",
    ),
    "a key for a certificate": ({"cert": KEY, "key": KEY}, "tls.cert {}/cert: there is no certificate (PEM) in it"),
    "a certificate for a key": ({"cert": CERT, "key": CERT}, "tls.key {}/key: there is no private key (PEM) in it"),
    "no key at all": (
        {"cert": CERT, "same": b""},
        "tls.cert {}/cert: there is no private key (PEM) in it: say key = …",
    ),
    "an empty authority": (
        {"cert": CERT, "key": KEY, "ca": b""},
        "tls.client_ca {}/ca: there is no certificate (PEM) in it",
    ),
    "a key of another": (
        {"cert": CERT, "key": OTHER.private_key_pem.bytes()},
        "tls.key {}/key: it is not the key of {}/cert",
    ),
    "an encrypted key": (
        {"cert": CERT, "key": encrypted(KEY)},
        "tls.key {}/key: it has a passphrase, and nobody is here to say it: take it off with `openssl pkey`",
    ),
    "a certificate cut short": (
        {"cert": cut(CERT), "key": KEY},
        "tls.cert {}/cert, key {}/key: it is no proper PEM file",
    ),
    "a key cut short": ({"cert": CERT, "key": cut(KEY)}, "tls.cert {}/cert, key {}/key: it is no proper PEM file"),
    "an authority cut short": (
        {"cert": CERT, "key": KEY, "ca": cut(AUTHORITY.cert_pem.bytes())},
        "tls.client_ca {}/ca: it is no proper PEM file",
    ),
}


def settings(folder: Path, files: dict[str, bytes]) -> TlsSettings:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    cert = str(folder / "cert")
    return TlsSettings(
        cert=cert,
        key=cert if "same" in files else str(folder / "key"),
        client_ca=str(folder / "ca") if {"ca", "ca named"} & files.keys() else None,
        client_must=True,
        alpn=[],
        min_version="1.2",
        handshake_timeout_ns=1,
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line(tmp_path: Path, mistake: str) -> None:
    files, told = MISTAKES[mistake]
    with pytest.raises(ConfigError) as caught:
        open_tls("tcp://here:1", settings(tmp_path, files))
    assert str(caught.value) == "listen tcp://here:1: " + told.replace("{}", str(tmp_path))


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "cert").mkdir()
    with pytest.raises(ConfigError, match=r"tls\.cert .*/cert: Is a directory$"):
        open_tls("tcp://here:1", settings(tmp_path, {"key": KEY}))


def test_key_and_certificate_may_be_one_file(tmp_path: Path) -> None:
    tls = open_tls("tcp://here:1", settings(tmp_path, {"cert": CERT + KEY, "same": b""}))
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.context.options & ssl.OP_NO_RENEGOTIATION


def test_a_worker_without_tls_does_not_pay_for_it() -> None:
    modules = "prefork.mold.mold, prefork.backends.selector_loop, prefork.backends.thread_loop"
    argv = [sys.executable, "-c", f"import {modules}, sys; print('ssl' in sys.modules)"]
    assert subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout == "False\n"
