"""What the server asks for. A directive is asked, never forced: the script looks when it likes.

It is pending from its arrival until a checkpoint answers it, its time is over, or it is no longer named. A checkpoint
answers it when its step is no earlier than the last one reported when it arrived: what was being written before may
hold less than was asked for.

The training thread only reads `pending` and appends to a deque; the background thread does the rest.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, NamedTuple, Optional

from ._answer import Directive

# What a process remembers of directives that are over, so that one that is still named is not taken up again.
OVER_MAX = 256


class Open(NamedTuple):
    directive: Directive
    until_ms: Optional[int]
    # The least step of a checkpoint that answers it; None where no step was reported yet.
    from_step: Optional[int]
    # A checkpoint was handed over; only its completion is missing.
    saved: bool


class Directives:
    def __init__(self, tell: Callable[[str, int, str, Optional[int]], None]) -> None:
        self._tell = tell
        self._open: dict[str, Open] = {}
        self._over: dict[str, int] = {}
        self._checkpoints: deque[tuple[Any, str]] = deque(maxlen=1_024)
        # Whether the script has ever asked, so whether there is anybody who would obey.
        self.asked = False
        self.pending = False
        self.until_ms: Optional[int] = None
        self.last_step: Any = None

    # For the training thread.

    def should_checkpoint(self, now_ms: Callable[[], int]) -> bool:
        self.asked = True
        if not self.pending:
            return False
        until = self.until_ms
        return until is None or now_ms() < until

    def checkpoint(self, step: Any, state: str) -> None:
        self._checkpoints.append((step, state))
        if self.pending:
            # At once, not when the background thread gets to it: the next step would save again.
            self.pending = not self._answers_all(step)

    # For the background thread.

    def named(self, directives: list[Directive], now_ms: int) -> None:
        """The server's whole list, as it is now."""
        self.look(now_ms)
        names = {directive.id for directive in directives}
        for name in [name for name in self._open if name not in names]:
            self._end(name, 'withdrawn', None)
        for directive in directives:
            seen = self._open.get(directive.id)
            known = seen.directive.version if seen is not None else self._over.get(directive.id, -1)
            if directive.version <= known:
                continue
            if directive.kind != 'checkpoint':
                self._forget(directive)
                self._tell(directive.id, directive.version, 'unsupported', None)
                continue
            until = None if directive.within_ms is None else now_ms + directive.within_ms
            self._open[directive.id] = Open(directive, until, whole(self.last_step), False)
            self._tell(directive.id, directive.version, 'received', None)
        self._settle()

    def look(self, now_ms: int) -> None:
        """Takes in what the script has done since, and what time has ended."""
        while True:
            try:
                step, state = self._checkpoints.popleft()
            except IndexError:
                break
            for name, seen in list(self._open.items()):
                if not answers(seen, step):
                    continue
                if state == 'durable':
                    self._end(name, 'done', whole(step))
                else:
                    self._open[name] = seen._replace(saved=True)
        for name, seen in list(self._open.items()):
            if seen.until_ms is not None and now_ms >= seen.until_ms:
                self._end(name, 'expired', None)
        self._settle()

    def _settle(self) -> None:
        waiting = [seen for seen in list(self._open.values()) if not seen.saved]
        ends = [seen.until_ms for seen in waiting]
        self.until_ms = None if None in ends or not ends else max(end for end in ends if end is not None)
        self.pending = bool(waiting)
        # What the script did between the look and here is not lost: it lies in the deque, and counts at once.
        for step, _ in list(self._checkpoints):
            if self.pending and self._answers_all(step):
                self.pending = False

    def _answers_all(self, step: Any) -> bool:
        return all(answers(seen, step) for seen in list(self._open.values()) if not seen.saved)

    def _end(self, name: str, outcome: str, step: Optional[int]) -> None:
        directive = self._open.pop(name).directive
        self._forget(directive)
        self._tell(directive.id, directive.version, outcome, step)

    def _forget(self, directive: Directive) -> None:
        self._over[directive.id] = directive.version
        while len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]


def answers(seen: Open, step: Any) -> bool:
    number = whole(step)
    return seen.from_step is None or (number is not None and number >= seen.from_step)


def whole(step: Any) -> Optional[int]:
    return step if type(step) is int and step >= 0 else None
