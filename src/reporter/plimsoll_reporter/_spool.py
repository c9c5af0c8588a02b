"""The way of last resort: what cannot be sent is written to standard error, which Plimsoll keeps and reads as the log of the worker.

A batch is packed and cut into marked lines (docs/ingest-v1.md, "When nobody answers"). Each is written by one call and is
shorter than PIPE_BUF, so that ranks that share a pipe do not cut each other's lines. Bounded in bytes, and in time: whoever
should read the pipe may hang.
"""

from __future__ import annotations

import gzip
import itertools
import os
import select
import time
from base64 import b64encode
from typing import Callable, Optional, Union

from . import _warn

MARK = 'plimsoll-spool/1'
# With its mark a line stays below 4,096 bytes.
PIECE_CHARS = 3_900
# A reader looks back for the beginning of a batch, but not for ever.
PARTS_MAX = 32
# Of JSON, so that a batch packs into a few parts; and how many facts a batch may have.
BATCH_BYTES = 128 * 1024
BATCH_FACTS_MAX = 1_000
# While the process lives; and what it has at its end: all marks of a full buffer, and a few frames of a large model.
LIFE_BYTES_MAX = 4 * 1024 * 1024
END_BYTES_MAX = 512 * 1024

# Number and JSON; or what makes it, which may say why there is none.
Left = tuple[int, Union[bytes, Callable[[], Union[bytes, str]]]]


class Spool:
    def __init__(self, attempt: Optional[str], source: str) -> None:
        self._attempt = attempt
        self._source = source
        self._numbers = itertools.count(1)
        self._room = self._life = LIFE_BYTES_MAX
        self._torn = False

    def usable(self) -> bool:
        """Without an attempt nobody of ours reads what this process prints; a terminal belongs to a person; and a script may
        have put something else, such as a file of its own, in the place of its standard error."""
        return self._attempt is not None and not self._torn and STDERR is not None and STDERR == identity()

    def begin(self, last: bool) -> None:
        self._room = END_BYTES_MAX if last else self._life

    def keep(self, left: list[Left], batch: Callable[[list[bytes]], bytes], until: float) -> list[tuple[int, str]]:
        """Writes the newest first, as much as has room; says what was not written, and why."""
        lost: list[tuple[int, str]] = []
        while left and not self._torn and time.monotonic() < until:
            numbers: list[int] = []
            facts: list[bytes] = []
            size = 0
            while left and len(facts) < BATCH_FACTS_MAX and (not facts or size + size // len(facts) < BATCH_BYTES):
                number, fact = left.pop()
                encoded = fact if isinstance(fact, bytes) else fact()
                if isinstance(encoded, str):
                    lost.append((number, 'unreadable' if encoded == 'not ready' else encoded))
                    continue
                numbers.append(number)
                facts.append(encoded)
                size += len(encoded)
            # In their order they pack better.
            lines = self._packed(batch(facts[::-1])) if facts else []
            bytes_ = sum(map(len, lines)) if lines is not None else 0
            if lines is not None and bytes_ <= self._room and self._write(lines, until):
                self._room -= bytes_
                self._life -= bytes_
                continue
            lost += [(number, 'overflow') for number in numbers]
            if lines is not None:
                # One that is too large for itself leaves room for others; one without room is the last.
                break
        return lost + [(number, 'overflow') for number, _ in left]

    def tell(self, body: bytes, until: float) -> None:
        """A few bytes for which there is always room."""
        self._write(self._packed(body) or [], until)

    def _packed(self, body: bytes) -> Optional[list[bytes]]:
        """The lines of a batch; None where it is too large for them."""
        text = b64encode(gzip.compress(body, 6)).decode('ascii')
        pieces = [text[at:at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]
        if len(pieces) > PARTS_MAX:
            return None
        head = f'{MARK} {self._attempt} {self._source} {next(self._numbers)}'
        return [f'{head} {part}/{len(pieces)} {piece}\n'.encode('ascii') for part, piece in enumerate(pieces, 1)]

    def _write(self, lines: list[bytes], until: float) -> bool:
        """False when standard error took nothing for too long; then nothing more is written, since a line may be torn."""
        if not lines or self._torn:
            return not self._torn
        _warn.once('spool', 'the server does not take what is sent; it is kept in this log')
        try:
            ready = select.poll()
            ready.register(2, select.POLLOUT)
            for line in lines:
                if not ready.poll(max(0.0, until - time.monotonic()) * 1000) or os.write(2, line) != len(line):
                    self._torn = True
                    break
        except OSError:
            self._torn = True
        return not self._torn


def identity() -> Optional[tuple[int, int]]:
    """Of what standard error is; None for a terminal, and where it is closed."""
    try:
        state = os.fstat(2)
        return None if os.isatty(2) else (state.st_dev, state.st_ino)
    except OSError:
        return None


# As the process began: this is imported before a script does anything.
STDERR = identity()
