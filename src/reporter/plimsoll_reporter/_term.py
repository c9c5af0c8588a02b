"""SIGTERM, the signal by which Plimsoll and torchrun end a rank: by itself it ends a process at once, and what was not sent
goes with it. Where the script has no handler of its own, one of ours lets the reporter say its last word, then SIGTERM does
what it does. A script that sets a handler later takes its place.

A handler in Python waits until the main thread is back from whatever it does in C, which may be a collective that never
ends. So a thread hears of the signal as well, by the descriptor that the handler in C writes to, and ends the process when
the main thread does not.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, Optional

# How long the main thread has to begin with its end, and then to come to it.
MAIN_S, END_S = 1.0, 4.0
# As a shell says it.
CODE = 128 + signal.SIGTERM

_close: Optional[Callable[[], bool]] = None
_begun: list[bool] = []
_pipe: Optional[tuple[int, int]] = None


def arm(close: Callable[[], bool]) -> None:
    global _close
    try:
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        _close = close
        signal.signal(signal.SIGTERM, _heard)
        _listen()
    except Exception:
        pass


def _listen() -> None:
    global _pipe
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    others = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if others != -1:
        # An event loop listens already.
        signal.set_wakeup_fd(others)
        os.close(reading)
        os.close(writing)
        return
    _pipe = (reading, writing)
    threading.Thread(target=_wait, args=(reading,), name='plimsoll-reporter-term', daemon=True).start()


def forget() -> None:
    """In a forked child, which has the parent's handler and descriptors, and would end the parent with them."""
    global _close, _pipe
    try:
        _begun.clear()
        if _close is not None and signal.getsignal(signal.SIGTERM) is _heard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if _pipe is not None:
            others = signal.set_wakeup_fd(-1)
            if others not in (-1, _pipe[1]):
                signal.set_wakeup_fd(others)
            for descriptor in _pipe:
                os.close(descriptor)
        _close = _pipe = None
    except Exception:
        pass


def _heard(*_: Any) -> None:
    """On the main thread."""
    if _begun:
        return
    _begun.append(True)
    if _close is not None and not _close():
        # It ends already.
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait(reading: int) -> None:
    while True:
        try:
            numbers = os.read(reading, 512)
        except OSError:
            return
        if not numbers:
            return
        if signal.SIGTERM not in numbers or signal.getsignal(signal.SIGTERM) is not _heard:
            continue
        time.sleep(MAIN_S)
        if _begun:
            time.sleep(END_S)
        else:
            _begun.append(True)
            if _close is not None:
                _close()
        os._exit(CODE)
