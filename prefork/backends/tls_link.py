"""What a link does differently over TLS; bytes alone are `tls_stream`'s affair. Goes in front of a loop's own link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.app.session import Tls
from prefork.backends.ends import CLOSED
from prefork.backends.socket_link import SocketLink

if TYPE_CHECKING:
    from prefork.backends.tls_stream import TlsStream


class TlsLink(SocketLink):
    """`class TlsOwnLink(TlsLink, OwnLink)`, with a TlsStream whose handshake is done for its connection."""

    __slots__ = ()

    _socket: TlsStream

    def open(self, now: int) -> None:
        """Make the session; what came along with the end of the handshake is the first that it receives."""
        super().open(now)
        chunk = self._socket.first()
        if self._state != CLOSED:
            self.chunk_in(chunk) if chunk else self._ended()

    def chunk_in(self, chunk: bytes) -> None:
        """The peer sent `chunk`, and perhaps its end in the same read: no event will tell of that."""
        super().chunk_in(chunk)
        self._ended()

    def _ended(self) -> None:
        end = self._socket.end
        if end is None or self._state == CLOSED:
            return
        if isinstance(end, OSError):
            self.lost(end)
        elif not self._eof:
            self.eof_in()

    def _release(self, *, reset: bool) -> None:
        if not reset:
            self._socket.say_goodbye()
        super()._release(reset=reset)

    @property
    def tls(self) -> Tls:
        """What was agreed on."""
        agreed = self._socket.object
        cipher = agreed.cipher()
        der = agreed.getpeercert(binary_form=True)
        return Tls(
            version=agreed.version() or "",
            cipher=cipher[0] if cipher else "",
            alpn=agreed.selected_alpn_protocol(),
            server_name=agreed.server_name,
            peer_certificate=None if der is None else agreed.getpeercert(),
            peer_der=der,
        )
