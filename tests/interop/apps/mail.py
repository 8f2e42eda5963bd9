"""aiosmtpd, by others: an asyncio.Protocol that changes to TLS within a session."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Any

from aiosmtpd.handlers import Debugging
from aiosmtpd.smtp import SMTP

from prefork import App


class Mailbox(Debugging):
    """Keeps a message in the folder that the test names."""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.to_thread(keep, envelope.content)
        return "250 kept"


def keep(message: bytes) -> None:
    name = f"{os.environ['MAILBOX']}/{os.urandom(8).hex()}"
    with open(f"{name}.part", "wb") as file:
        file.write(message)
    os.rename(f"{name}.part", f"{name}.mail")


def smtp() -> SMTP:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.environ["CERTIFICATE"])
    return SMTP(Mailbox(), tls_context=context, require_starttls=True)


Mail = App(smtp, style="protocol")
