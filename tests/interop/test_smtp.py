"""aiosmtpd, an SMTP server by others, under prefork; the standard library's smtplib sends it mail, over STARTTLS."""

from __future__ import annotations

import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import trustme

from prefork.testing import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prefork.testing import LivePool

AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def pool(request: pytest.FixtureRequest, mailbox: Path) -> Iterator[LivePool]:
    """It ends with nothing to complain about."""
    pem = mailbox / "pem"
    AUTHORITY.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAILBOX", str(mailbox))
        patch.setenv("CERTIFICATE", str(pem))
        options = {"asyncio": {"loop": request.param}}
        with running("tests.interop.apps.mail:Mail", backend="asyncio", backends=options) as pool:
            yield pool
            pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
            assert pool.stop() == 0
            assert "ERROR" not in pool.log


def client_of(pool: LivePool) -> smtplib.SMTP:
    host, port = pool.address
    return smtplib.SMTP(host, port, timeout=10)


def send(pool: LivePool, body: str) -> None:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    with client_of(pool) as client:
        client.starttls(context=context)
        client.sendmail("a@example.org", ["b@example.org"], body)


def test_mail_is_taken_over_starttls(pool: LivePool, mailbox: Path) -> None:
    for file in mailbox.glob("*.mail"):  # of the tests before
        file.unlink()
    bodies = {f"subject: {number}\r\n\r\n{('x' * 900 + chr(13) + chr(10)) * 10 * number}end" for number in range(8)}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda body: send(pool, body), bodies))
    kept = {file.read_text().replace("\n", "\r\n").removesuffix("\r\n") for file in mailbox.glob("*.mail")}
    assert kept == bodies


def test_without_tls_no_mail_is_taken(pool: LivePool) -> None:
    with client_of(pool) as client, pytest.raises(smtplib.SMTPException, match="STARTTLS"):
        client.sendmail("a@example.org", ["b@example.org"], "no secret")


def test_a_client_that_breaks_off_in_tls_ends_its_session_alone(pool: LivePool) -> None:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    client = client_of(pool)
    client.starttls(context=context)
    assert client.sock is not None
    client.sock.close()
    client.close()
    send(pool, "subject: on\r\n\r\non")
