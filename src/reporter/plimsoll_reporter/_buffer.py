"""What was said and not yet sent. Bounded, and without a lock.

The training thread only draws a number and appends to a deque; both are atomic. There is no lock that a thread could
hold while it waits for the interpreter, or that a fork could leave held for ever. What lies in a deque is a plain tuple
with the monotonic clock as it was read: after a step of real work nothing of ours is in the caches any more, so that each
object and each function on that thread costs more than what it does. The background thread makes a Said of it.

Three queues, because not all facts are worth the same when there is no room: an experts frame is large and one of
many, a checkpoint is small and decides what is lost. When a queue is full its oldest entry goes.
"""

from __future__ import annotations

import itertools
from collections import deque
from time import monotonic_ns
from typing import Any, NamedTuple, Optional

from ._clock import Clock

STEP, EVENT, EXPERTS = 'step', 'event', 'experts'
GROUPS = (EVENT, STEP, EXPERTS)

# Marks of 27 minutes at ten steps a second, about 6 MB.
STEPS_MAX = 16_384
EVENTS_MAX = 4_096
# 560 frames of 58 x 256 counts of 8 bytes: most of a minute at ten steps a second, much longer for large models.
FRAME_BYTES_MAX = 64 * 1024 * 1024
FRAMES_MAX = 4_096
# So many frames of the largest size have room. Beyond it the size is looked at.
FRAMES_SURE = 64
# Numbers of dropped facts that wait to be told. They are collected several times a minute.
DROPS_MAX = 65_536


class Said(NamedTuple):
    """One thing that the script said, as it said it: it is looked at in the background."""

    seq: int
    at: int
    kind: str
    values: tuple[Any, ...]


# seq, monotonic clock in ns, kind, values
Raw = tuple[int, int, str, tuple[Any, ...]]


class Buffer:
    def __init__(self, clock: Clock) -> None:
        self._numbers = itertools.count(1)
        self.number = self._numbers.__next__
        self._ms = clock.ms
        self.queues: dict[str, deque[Raw]] = {group: deque() for group in GROUPS}
        # Something lies in it when nobody will ever send what is said.
        self.over: list[bool] = []
        self._drops: deque[tuple[str, int]] = deque(maxlen=DROPS_MAX)

    def step(self, at: int, values: tuple[Any, ...]) -> None:
        self.queues[STEP].append((self.number(), at, 'step', values))
        self.fit(STEP, STEPS_MAX)

    def event(self, kind: str, values: tuple[Any, ...]) -> None:
        self.queues[EVENT].append((self.number(), monotonic_ns(), kind, values))
        self.fit(EVENT, EVENTS_MAX)

    def frame(self, at: int, values: tuple[Any, ...], size: int) -> None:
        self.queues[EXPERTS].append((self.number(), at, 'experts', values))
        self.fit_frames(size)

    def fit_frames(self, size: int) -> None:
        # The room is counted in frames of this one's size, so no sum has to be kept that two threads could get wrong.
        self.fit(EXPERTS, max(1, min(FRAMES_MAX, FRAME_BYTES_MAX // max(1, size))))

    def fit(self, group: str, room: int) -> None:
        queue = self.queues[group]
        while len(queue) > room:
            try:
                dropped = queue.popleft()
            except IndexError:
                return
            self._drops.append((group, dropped[0]))

    # For the background thread.

    def next(self) -> Optional[Said]:
        """The oldest of all that waits, taken out."""
        oldest: Optional[deque[Raw]] = None
        lowest = 0
        for queue in self.queues.values():
            try:
                seq = queue[0][0]
            except IndexError:
                continue
            if oldest is None or seq < lowest:
                oldest, lowest = queue, seq
        try:
            if oldest is None:
                return None
            seq, at, kind, values = oldest.popleft()
        except IndexError:
            return None
        return Said(seq, self._ms(at), kind, values)

    def drops(self) -> list[tuple[str, int]]:
        taken: list[tuple[str, int]] = []
        while len(taken) < DROPS_MAX:
            try:
                taken.append(self._drops.popleft())
            except IndexError:
                break
        return taken

    def empty(self) -> bool:
        return not self._drops and not any(self.queues.values())

    def close(self) -> None:
        """Nothing more is kept."""
        self.over.append(True)
        self._drops.clear()
        for queue in self.queues.values():
            queue.clear()
