"""The reporter of one process: what the public functions do when somebody listens.

Everything here runs on the training thread. It takes copies of what may change, appends to the buffer, and leaves the
rest to the background thread.
"""

from __future__ import annotations

import itertools
import os
import sys
from time import monotonic_ns
from typing import Any, Iterable, Optional, Protocol

from . import _term, _values, _warn, _wire
from ._buffer import EXPERTS, FRAMES_SURE, STEP, STEPS_MAX, Buffer
from ._clock import Clock
from ._directives import Directives
from ._sender import Sender
from ._settings import Settings

EXIT_S = 2.0
# Becomes a gap when it is read: a value that could not even be copied.
UNUSABLE = 'unusable'
# What needs no copy.
PLAIN = (int, float, type(None))


class Watch(Protocol):
    def flush(self, step: Any) -> None: ...


class Reporter:
    def __init__(self, settings: Settings, forked: bool = False) -> None:
        self._settings = settings
        self._forked = forked
        self._clock = Clock()
        self._buffer = Buffer(self._clock)
        self._now_ms = self._clock.now_ms
        self._directives = Directives(self._tell)
        self._sender: Optional[Sender] = None
        self._starts = itertools.count()
        self._started = False
        self.stopped = False
        self.source = os.urandom(8).hex()
        self.watches: list[Watch] = []
        # What the short ways in __init__ take; None while there is more to do than these do.
        self.hot_step: Optional[tuple[Any, ...]] = None
        self.hot_experts: Optional[tuple[Any, ...]] = None
        self._seen: Any = None
        # Whether the script numbers its steps itself.
        self.explicit = False

    def step(self, step: Any, loss: Any, tokens: Any, samples: Any, duration: Any, steps: Any) -> None:
        if not self._begin(trains=True):
            return
        at = monotonic_ns()
        if not self.explicit:
            self.explicit = True
            self._heat_step()
        for watch in self.watches:
            watch.flush(step)
        values = (step, steps, duration, loss, tokens, samples)
        for value in values:
            if type(value) not in PLAIN:
                values = tuple([self._number(each) for each in values])
                break
        self._buffer.step(at, values)
        self._directives.last_step = values[0]

    def phase(self, phase: str, edge: str) -> None:
        if self._begin():
            self._buffer.event('phase', (phase, edge))

    def checkpoint(self, step: Any, state: str, path: Any) -> None:
        if not self._begin():
            return
        step = self._number(step)
        self._buffer.event('checkpoint', (step, state, None if path is None else str(path)))
        self._directives.checkpoint(step, state)
        if state == 'durable':
            self._hurry()

    def resumed(self, step: Any) -> None:
        if self._begin():
            self._buffer.event('resumed', (self._number(step),))

    def done(self) -> None:
        if self._begin():
            self._buffer.event('done', ())
            self._hurry()

    def experts(self, step: Any, counts: Any, layers: Optional[Iterable[str]], experts: Optional[int], tokens: Any,
                top_k: Any, flags: Iterable[str]) -> None:
        if not self._begin():
            return
        at = monotonic_ns()
        if type(step) not in PLAIN or type(tokens) not in PLAIN or type(top_k) not in PLAIN:
            step, tokens, top_k = self._number(step), self._number(tokens), self._number(top_k)
        held: Any = UNUSABLE
        names: Optional[tuple[str, ...]] = None
        words: tuple[str, ...] = ()
        size = 0
        try:
            # One more than there may be: it is refused later, and one without an end ends here.
            if layers is not None:
                names = layers if type(layers) is tuple else tuple(itertools.islice(layers, _values.LAYERS_MAX + 1))
            words = flags if type(flags) is tuple else tuple(itertools.islice(flags, _wire.FLAGS_MAX + 1))
            held = _values.take_counts(counts, experts)
            size = held.size
            if self._seen is None and self.hot_experts is not None and 'torch' in sys.modules:
                self._heat_experts()
        except Exception:
            _warn.once('value experts', 'a value given to experts cannot be used; it is reported as a gap')
            held = UNUSABLE
        self._buffer.frame(at, (step, names, held, tokens, top_k, words), size)

    def should_checkpoint(self) -> bool:
        return self._begin() and self._directives.should_checkpoint(self._now_ms)

    def close(self) -> bool:
        """False where it is under way."""
        sender = self._sender
        try:
            return sender is None or sender.close(EXIT_S)
        except Exception:
            return True

    def abandon(self) -> None:
        sender = self._sender
        if sender is not None:
            sender.abandon()

    def _begin(self, trains: bool = False) -> bool:
        """Whether anybody listens. Starts the background thread when it is needed first. A forked child is silent until
        it trains: it is nearly always a loader of data, and what it says before waits in its buffer."""
        if self._started:
            sender = self._sender
            return not self.stopped and (sender is None or not sender.stopped)
        if (trains or not self._forked) and next(self._starts) == 0:
            self._start()
        return not self.stopped

    def _start(self) -> None:
        self._started = True
        try:
            sender = Sender(self._settings, self.source, self._buffer, self._clock, self._directives)
            sender.start()
            self._sender = sender
            self._heat_experts()
            _term.arm(self.close)
        except Exception:
            self.stopped = True
            self._buffer.close()
            _warn.once('start', 'the background thread could not be started; nothing is reported')

    def _heat_step(self) -> None:
        buffer, said = self._buffer, self._buffer.queues[STEP]
        self.hot_step = (buffer.over, self.watches, buffer.number, monotonic_ns, said.append, said, STEPS_MAX, self._directives)

    def _heat_experts(self) -> None:
        buffer, said = self._buffer, self._buffer.queues[EXPERTS]
        # Before torch is seen nothing is a tensor.
        self._seen = getattr(sys.modules.get('torch'), 'Tensor', None)
        self.hot_experts = (buffer.over, self._seen, _values.spares, buffer.number, monotonic_ns, said.append, said, FRAMES_SURE,
                            4 * _values.CELLS_MAX)

    def _hurry(self) -> None:
        sender = self._sender
        if sender is not None:
            sender.hurry()

    def _tell(self, *values: Any) -> None:
        self._buffer.event('directive', values)

    @staticmethod
    def _number(value: Any) -> Any:
        try:
            return _values.take_number(value)
        except Exception:
            return UNUSABLE
