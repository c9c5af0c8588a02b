"""What was said and not yet sent. Bounded, and without a lock.

The training thread only draws a number and appends to a deque; both are atomic. There is no lock that a thread could
hold while it waits for the interpreter, or that a fork could leave held for ever.

Three queues, because not all facts are worth the same when there is no room: an experts frame is large and one of
many, a checkpoint is small and decides what is lost. When a queue is full its oldest entry goes.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, NamedTuple, Optional

STEP, EVENT, EXPERTS = 'step', 'event', 'experts'
GROUPS = (EVENT, STEP, EXPERTS)

# Marks of 27 minutes at ten steps a second, about 6 MB.
STEPS_MAX = 16_384
EVENTS_MAX = 4_096
# 560 frames of 58 x 256 counts of 8 bytes: most of a minute at ten steps a second, much longer for large models.
FRAME_BYTES_MAX = 64 * 1024 * 1024
FRAMES_MAX = 4_096
# Numbers of dropped facts that wait to be told. They are collected several times a minute.
DROPS_MAX = 65_536


class Said(NamedTuple):
    """One thing that the script said, as it said it: it is looked at in the background."""

    seq: int
    at: int
    kind: str
    values: tuple[Any, ...]


# The constructor of a named tuple is a function in Python; this is the one below it.
_new = tuple.__new__


class Buffer:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._queues: dict[str, deque[Said]] = {group: deque() for group in GROUPS}
        self._drops: deque[tuple[str, int]] = deque(maxlen=DROPS_MAX)

    def number(self) -> int:
        return next(self._numbers)

    def step(self, at: int, values: tuple[Any, ...]) -> None:
        self._append(STEP, _new(Said, (next(self._numbers), at, 'step', values)), STEPS_MAX)

    def event(self, at: int, kind: str, values: tuple[Any, ...]) -> None:
        self._append(EVENT, _new(Said, (next(self._numbers), at, kind, values)), EVENTS_MAX)

    def frame(self, at: int, values: tuple[Any, ...], size: int) -> None:
        # The room is counted in frames of this one's size, so no sum has to be kept that two threads could get wrong.
        room = max(1, min(FRAMES_MAX, FRAME_BYTES_MAX // max(1, size)))
        self._append(EXPERTS, _new(Said, (next(self._numbers), at, 'experts', values)), room)

    def _append(self, group: str, said: Said, room: int) -> None:
        queue = self._queues[group]
        queue.append(said)
        while len(queue) > room:
            try:
                dropped = queue.popleft()
            except IndexError:
                return
            self._drops.append((group, dropped.seq))

    # For the background thread.

    def next(self) -> Optional[Said]:
        """The oldest of all that waits, taken out."""
        oldest: Optional[deque[Said]] = None
        lowest = 0
        for queue in self._queues.values():
            try:
                seq = queue[0].seq
            except IndexError:
                continue
            if oldest is None or seq < lowest:
                oldest, lowest = queue, seq
        try:
            return oldest.popleft() if oldest is not None else None
        except IndexError:
            return None

    def drops(self) -> list[tuple[str, int]]:
        taken: list[tuple[str, int]] = []
        while len(taken) < DROPS_MAX:
            try:
                taken.append(self._drops.popleft())
            except IndexError:
                break
        return taken

    def empty(self) -> bool:
        return not self._drops and not any(self._queues.values())

    def clear(self) -> None:
        self._drops.clear()
        for queue in self._queues.values():
            queue.clear()
