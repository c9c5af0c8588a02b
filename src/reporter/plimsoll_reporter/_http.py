"""One POST and its answer, whatever is at the other end: an answer has a deadline as a whole, so that one byte every few
seconds does not count as alive; it is read up to a bound; redirects are not followed, since they would carry the token
away; proxies of the environment are not asked.

Nothing that is raised here holds a header, the address or the answer.
"""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import ssl
import time
from typing import Any, NamedTuple, Optional

from ._settings import VERSION, Settings

ANSWER_BYTES_MAX = 64 * 1024
CONNECT_S = 5.0
REQUEST_S = 10.0
GZIP_FROM_BYTES = 1_024


class Answer(NamedTuple):
    status: int
    # Of 200 and 202 only; None where it is longer than a document may be.
    body: Optional[bytes]
    retry_after_s: Optional[float]


class Unreachable(Exception):
    """No answer."""


class Client:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Optional[http.client.HTTPConnection] = None
        self._context = ssl.create_default_context() if settings.secure else None
        self.plain = False

    def post(self, body: bytes) -> Answer:
        headers = {
            'Authorization': f'Bearer {self._settings.token}',
            'Content-Type': 'application/json',
            'Accept': 'application/json',
            'User-Agent': f'plimsoll-reporter/{VERSION}',
        }
        if self._settings.attempt is not None:
            headers['Plimsoll-Attempt'] = self._settings.attempt
        if not self.plain and len(body) >= GZIP_FROM_BYTES:
            # Level 1: the frames are nearly random, and a better level would only take longer.
            body = gzip.compress(body, 1)
            headers['Content-Encoding'] = 'gzip'
        kept = self._connection is not None
        try:
            return self._exchange(body, headers)
        except Exception:
            self.close()
            if not kept:
                raise Unreachable from None
        # A kept connection that the server has closed meanwhile says nothing about the server.
        try:
            return self._exchange(body, headers)
        except Exception:
            self.close()
            raise Unreachable from None

    def _exchange(self, body: bytes, headers: dict[str, str]) -> Answer:
        deadline = time.monotonic() + REQUEST_S
        connection = self._connection
        if connection is None or connection.sock is None:
            connection = self._connection = self._connect()
        connection.sock.deadline = deadline
        connection.request('POST', self._settings.path, body=body, headers=headers)
        response = connection.getresponse()
        wanted = response.status in (200, 202)
        content = response.read(ANSWER_BYTES_MAX + 1)
        if response.length and len(content) <= ANSWER_BYTES_MAX:
            # The connection ended in the middle of the answer.
            raise ConnectionError
        if len(content) > ANSWER_BYTES_MAX or not response.isclosed():
            # The rest stays unread, so the connection cannot be used again.
            self.close()
        return Answer(
            response.status,
            content if wanted and len(content) <= ANSWER_BYTES_MAX else None,
            seconds(response.getheader('Retry-After')),
        )

    def _connect(self) -> http.client.HTTPConnection:
        settings = self._settings
        plain = socket.create_connection((settings.host, settings.port), timeout=CONNECT_S)
        try:
            # A batch is written in two pieces; without this the second waits for the server's acknowledgement.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                plain = self._context.wrap_socket(plain, server_hostname=settings.host)
        except BaseException:
            plain.close()
            raise
        connection = http.client.HTTPConnection(settings.host, settings.port)
        connection.default_port = 443 if settings.secure else 80
        # Never connects by itself: whoever closes it makes a new one.
        connection.auto_open = 0
        connection.sock = Deadline(plain)  # type: ignore[assignment]
        return connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                pass

    def abandon(self) -> None:
        # Only the descriptor: the buffers around it may hold a lock of a thread that the fork has lost.
        connection = self._connection
        if connection is not None and connection.sock is not None:
            connection.sock.close()


class Deadline:
    """A socket whose reads and writes together end at `deadline`: what http.client needs of one, and no more."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.deadline = 0.0

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def sendall(self, data: Any) -> None:
        self._arm()
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(Incoming(self))

    def receive(self, buffer: Any) -> int:
        self._arm()
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._sock.close()


class Incoming(io.RawIOBase):
    def __init__(self, sock: Deadline) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.receive(buffer)


def seconds(text: Optional[str]) -> Optional[float]:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else None
