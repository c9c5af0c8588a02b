"""One line on stderr for each kind of trouble, so that a job of a million steps does not say it a million times.

Whoever calls gives the words: nothing that came from the script, the server or an exception may be in them, since a
token could be.
"""

from __future__ import annotations

import os

_said: set[str] = set()


def once(kind: str, text: str) -> None:
    try:
        if kind in _said:
            return
        _said.add(kind)
        # One write to the descriptor: sys.stderr may be replaced, closed, or locked by a thread that a fork has lost.
        os.write(2, f'plimsoll_reporter: {text}\n'.encode('utf-8', 'replace'))
    except Exception:
        pass


def forget() -> None:
    """For a forked child, and for tests."""
    _said.clear()
