"""Time that does not jump: the system's clock when the source began, plus monotonic time since.

A receiver subtracts the times of one batch from each other, which is only right if they are of one clock.
"""

from __future__ import annotations

import time


class Clock:
    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self.started_ms = self.now_ms()

    def now_ms(self) -> int:
        return self.ms(time.monotonic_ns())

    def ms(self, monotonic_ns: int) -> int:
        return (monotonic_ns + self._offset_ns) // 1_000_000
