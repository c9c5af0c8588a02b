"""The background thread: collects what was said, sends it, waits, and listens to the answer.

It never gives up while the process lives, except when the server says that the token is not good. Whatever happens here
is a gap, a line on stderr, or a wait; nothing reaches the training thread.

While nobody takes what it has, marks and events are written to the log of the worker as well (_spool.py), now and then and
when a checkpoint has become durable; at the end of the process everything is. It goes on trying to send them: the name of a
fact makes the second one a repeat.
"""

from __future__ import annotations

import json
import random
import threading
import time
from functools import partial
from typing import Any, Iterable, Optional, Union

from . import _answer, _buffer, _settings, _spool, _warn, _wire
from ._buffer import EVENT, EXPERTS, STEP, Buffer, Said
from ._clock import Clock
from ._directives import Directives
from ._http import Answer, Client, Unreachable
from ._settings import VERSION, Settings
from ._values import Invalid, NotReady

FIRST_S, LOWEST_RANK_S, OTHER_RANKS_S = 0.2, 1.0, 5.0
IDLE_LOWEST_RANK_S, IDLE_OTHER_RANKS_S = 5.0, 30.0
BREATH_S = 0.05
BACKOFF_S, BACKOFF_MAX_S, RETRY_AFTER_MAX_S = 0.5, 15.0, 60.0
# A process that is killed loses what it said since; what was said up to a durable checkpoint is written at once.
SPOOL_EVERY_S, SPOOL_S = 10.0, 1.0
# A device that has not got to a value by then hangs, or has lost it. What was said after it must not wait for ever.
DEVICE_MS = 30_000
GROUP_OF = {'step': STEP, 'experts': EXPERTS}

Encoded = tuple[str, int, bytes]  # group, number, JSON


class Sender:
    def __init__(self, settings: Settings, source: str, buffer: Buffer, clock: Clock, directives: Directives) -> None:
        self._client = Client(settings)
        self._source = source
        self._started_at = clock.started_ms
        self._buffer = buffer
        self._clock = clock
        self._place: Optional[_settings.Place] = None
        self._ready: list[Encoded] = []
        self._held: Optional[Said] = None
        # What is lost and not yet told: (group, why) -> first, last, how many.
        self._gaps: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._failures = 0
        self._batch_max = _wire.BATCH_FACTS_MAX
        self._wake = threading.Event()
        self._closing = False
        self._hurried = False
        self.stopped = False
        self._spool = _spool.Spool(settings.attempt, source)
        # The newest of each group that lies in the log, and when it was written.
        self._spooled: dict[str, int] = {}
        self._spooled_at = 0.0
        # Held while facts go from the buffer to what is ready, so that whoever looks at both misses none.
        self._moving = threading.Lock()
        self._end = threading.Lock()
        self._directives = directives
        self._thread = threading.Thread(target=self._run, name='plimsoll-reporter', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Something that should not wait for the next round."""
        self._hurried = True
        self._wake.set()

    def close(self, within_s: float) -> bool:
        """Sends what is left, for so long at most; what nobody takes is written to the log. False where that is under way:
        a signal may end a process that ends already."""
        if not self._end.acquire(blocking=False):
            return False
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
        try:
            if not self.stopped and not self._all_sent():
                self._leave(_buffer.GROUPS)
        except Exception:
            _warn.once('end', 'what was left at the end could not be written; it is lost')
        return True

    def abandon(self) -> None:
        """In a forked child: lets go of the parent's connection without a word, so that it ends when the parent ends it."""
        self._client.abandon()

    def _run(self) -> None:
        wait = FIRST_S
        spoken = time.monotonic()
        while not self.stopped:
            self._sleep(wait)
            last = self._closing
            try:
                wait, said = self._round(last or time.monotonic() - spoken >= self._idle_s())
                if said:
                    spoken = time.monotonic()
            except Exception:
                # A bug of ours. The training must not notice, and the next round may do better.
                _warn.once('round', 'a round failed; it will be tried again')
                wait = BACKOFF_MAX_S
            if last and (self._failures > 0 or self._all_sent()):
                return
            self._fall_back()
            if self._closing:
                wait = 0.0

    def _sleep(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while not self._closing:
            left = until - time.monotonic()
            # Haste is no reason to knock more often at a door that does not open.
            if left <= 0 or (self._wake.wait(left) and self._failures == 0):
                break
            self._wake.clear()
            self._fall_back()
        self._wake.clear()

    def _round(self, empty_too: bool) -> tuple[float, bool]:
        """Sends one batch if there is anything to say: how long to wait then, and whether anything was sent."""
        self._directives.look(self._clock.now_ms())
        self._collect()
        if not self._ready and not empty_too:
            return self._interval_s(), False
        count = fitting(self._ready, self._batch_max)
        facts = self._ready[:count]
        try:
            answer = self._client.post(_wire.batch(self._envelope(), [encoded for _, _, encoded in facts]))
        except Unreachable:
            return self._back_off(None), False
        return self._heed(answer, facts), True

    def _heed(self, answer: Answer, facts: list[Encoded]) -> float:
        status = answer.status
        if status in (200, 202):
            taken = _answer.read(answer.body)
            if taken is None:
                _warn.once('answer', 'the server answers with something that is not ingest/v1')
                return self._back_off(None)
            return self._taken(taken, facts)
        if status in (400, 422) or (status == 413 and len(facts) <= 1):
            _warn.once('refused', f'the server refused a batch with status {status}; it is dropped')
            self._sent(len(facts))
            for group, number, encoded in facts:
                self._lose(group, number, 'refused')
                self._lose_again(encoded)
            return self._interval_s() if facts else self._back_off(None)
        if status == 413:
            self._batch_max = max(1, len(facts) // 2)
            return 0.0
        if status == 415 and not self._client.plain:
            self._client.plain = True
            return 0.0
        if status in (401, 403, 410):
            _warn.once('token', f'the server does not take the token of this attempt (status {status}); nothing more is sent')
            self._stop()
            return 0.0
        if status != 429 and status < 500:
            _warn.once('address', f'no ingest/v1 at this address (status {status}); trying again')
        return self._back_off(answer.retry_after_s)

    def _taken(self, taken: _answer.Taken, facts: list[Encoded]) -> float:
        self._sent(len(facts))
        self._failures = 0
        self._batch_max = min(2 * self._batch_max, _wire.BATCH_FACTS_MAX)
        if taken.refused:
            _warn.once('single', 'the server did not take some of the facts')
        if taken.directives is not None:
            self._directives.named(taken.directives, self._clock.now_ms())
        # A backlog goes out batch by batch, with a breath between for the training thread.
        full = len(facts) >= _wire.BATCH_FACTS_MAX // 2 or sum(len(one) for _, _, one in facts) >= _wire.BATCH_BYTES // 2
        wait = BREATH_S if full or self._ready else self._interval_s()
        return max(wait, taken.next_ms / 1000) if taken.next_ms is not None else wait

    def _collect(self) -> None:
        """Fills one batch. What does not fit stays in the buffer, which alone decides what to drop."""
        with self._moving:
            self._fill()

    def _note_drops(self) -> None:
        for group, number in self._buffer.drops():
            # What lies in the log has only lost the second way.
            if number > self._spooled.get(group, 0):
                self._lose(group, number, 'overflow')

    def _fill(self) -> None:
        self._note_drops()
        size = sum(len(encoded) for _, _, encoded in self._ready)
        while len(self._ready) < _wire.BATCH_FACTS_MAX - len(self._gaps) and size < _wire.BATCH_BYTES:
            said, self._held = self._held or self._buffer.next(), None
            if said is None:
                break
            encoded = self._encoded(said)
            if isinstance(encoded, str):
                if encoded == 'not ready' and self._clock.now_ms() - said.at < DEVICE_MS and not self._closing:
                    self._held = said
                    break
                self._lose(GROUP_OF.get(said.kind, EVENT), said.seq, 'unreadable' if encoded == 'not ready' else encoded)
                continue
            self._ready.append((GROUP_OF.get(said.kind, EVENT), said.seq, encoded))
            size += len(encoded)
        if self._failures > 0 and self._ready:
            # While nothing gets through, what is lost grows into few large gaps instead of many small ones.
            return
        for gap in self._told():
            self._ready.append((EVENT, gap.seq, _wire.fact(gap)))

    def _told(self) -> list[Said]:
        """The gaps as facts; they are told then."""
        gaps = [Said(self._buffer.number(), self._clock.now_ms(), 'gap', (group, first, last, facts, why))
                for (group, why), (first, last, facts) in self._gaps.items()]
        self._gaps.clear()
        return gaps

    @staticmethod
    def _encoded(said: Said) -> Union[bytes, str]:
        """The fact, or why there is none."""
        try:
            return _wire.fact(said)
        except NotReady:
            return 'not ready'
        except Exception as trouble:
            _warn.once(f'value {said.kind}', f'a value given to {said.kind} cannot be used; it is reported as a gap')
            return 'invalid' if isinstance(trouble, (Invalid, TypeError, ValueError, OverflowError)) else 'unreadable'

    def _fall_back(self) -> None:
        """While nothing gets through: marks and events now and then, and at once what a checkpoint has made worth keeping."""
        hurried, self._hurried = self._hurried, False
        if self._failures == 0 or self._closing or self.stopped:
            return
        if hurried or time.monotonic() - self._spooled_at >= SPOOL_EVERY_S:
            self._leave((EVENT, STEP))

    def _leave(self, groups: Iterable[str]) -> None:
        """Writes to the log what is left of these groups. At the end, what has no room there is a gap."""
        if not self._spool.usable():
            return
        self._spooled_at = time.monotonic()
        until = self._spooled_at + SPOOL_S
        self._spool.begin(self._closing)
        for group in groups:
            left = self._left(group)
            newest = max((number for number, _ in left), default=0)
            # An envelope of its own for each batch: the time when it was sent is in it.
            lost = self._spool.keep(left, lambda facts: _wire.batch(self._envelope(), facts), until)
            if self._closing:
                for number, why in lost:
                    self._lose(group, number, why)
            elif not lost:
                self._spooled[group] = max(self._spooled.get(group, 0), newest)
        if self._closing:
            self._note_drops()
            gaps = [_wire.fact(gap) for gap in self._told()]
            if gaps:
                self._spool.tell(_wire.batch(self._envelope(), gaps), until)

    def _left(self, group: str) -> list[_spool.Left]:
        """What of a group is neither taken nor in the log, in its order. Nothing is taken out: it may still be sent."""
        with self._moving:
            said = [Said(seq, self._clock.ms(at), kind, values) for seq, at, kind, values in list(self._buffer.queues[group])]
            held = [self._held] if self._held is not None and GROUP_OF.get(self._held.kind, EVENT) == group else []
            ready = [(number, encoded) for of, number, encoded in self._ready if of == group]
        since = self._spooled.get(group, 0)
        left: list[_spool.Left] = [(number, encoded) for number, encoded in ready if number > since]
        for fact in (*held, *said):
            if fact.seq <= since:
                continue
            if self._closing:
                # Looked at when there is room for it.
                left.append((fact.seq, partial(self._encoded, fact)))
                continue
            encoded = self._encoded(fact)
            if isinstance(encoded, str):
                # What comes after it waits too, so that one number says how far the log goes.
                break
            left.append((fact.seq, encoded))
        return left

    def _lose(self, group: str, number: int, why: str) -> None:
        first, last, facts = self._gaps.get((group, why), (number, number, 0))
        self._gaps[(group, why)] = (min(first, number), max(last, number), facts + 1)

    def _lose_again(self, encoded: bytes) -> None:
        """A gap that was not taken: what it told of is still lost, and still to be told."""
        fact = json.loads(encoded)
        if fact['kind'] != 'gap':
            return
        key = (fact['of'], fact['why'])
        first, last, facts = self._gaps.get(key, (fact['from'], fact['to'], 0))
        self._gaps[key] = (min(first, fact['from']), max(last, fact['to']), facts + fact['facts'])

    def _sent(self, count: int) -> None:
        del self._ready[:count]

    def _envelope(self) -> dict[str, Any]:
        # Late, because a process group may be made after the first fact; once, because a source has one rank.
        place = self._place = self._place or _settings.place(_settings.environment())
        return {
            'version': 1,
            'source': self._source,
            'startedAt': self._started_at,
            'sentAt': self._clock.now_ms(),
            'rank': place.rank,
            'localRank': place.local_rank,
            'worldSize': place.world_size,
            'worker': place.worker,
            'restart': place.restart,
            'reporter': f'plimsoll-reporter/{VERSION}',
            'obeys': ['checkpoint'] if self._directives.asked else [],
        }

    def _back_off(self, retry_after_s: Optional[float]) -> float:
        if self._failures == 0:
            # A server that starts anew is soon there: nothing needs another way at once.
            self._spooled_at = time.monotonic()
        self._failures += 1
        whole = min(BACKOFF_S * 2 ** min(self._failures - 1, 10), BACKOFF_MAX_S)
        # By chance, so that the ranks of a large job do not all come back in the same moment.
        wait = whole * random.uniform(0.5, 1.0)
        return wait if retry_after_s is None else max(wait, min(retry_after_s, RETRY_AFTER_MAX_S))

    def _interval_s(self) -> float:
        lowest = self._place is None or self._place.rank == 0
        return LOWEST_RANK_S if lowest else OTHER_RANKS_S * random.uniform(0.8, 1.2)

    def _idle_s(self) -> float:
        return IDLE_LOWEST_RANK_S if self._place is None or self._place.rank == 0 else IDLE_OTHER_RANKS_S

    def _all_sent(self) -> bool:
        return not self._ready and self._held is None and not self._gaps and self._buffer.empty()

    def _stop(self) -> None:
        self.stopped = True
        self._ready.clear()
        self._held = None
        self._buffer.close()
        self._client.close()


def fitting(ready: list[Encoded], most: int) -> int:
    """How many of the first go into one batch."""
    size = count = 0
    for _, _, encoded in ready[:most]:
        size += len(encoded) + 1
        if count > 0 and size > _wire.BATCH_BYTES:
            break
        count += 1
    return count
