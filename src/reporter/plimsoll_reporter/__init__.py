"""Tells Plimsoll what this training process does.

    import plimsoll_reporter as plimsoll

    plimsoll.resumed(step)
    plimsoll.step(step, loss=loss, tokens=tokens)
    with plimsoll.phase('checkpoint'):
        save()
    plimsoll.checkpoint_durable(step, path)

Every function here returns at once and never raises. Where PLIMSOLL_INGEST_URL is not set none of them does anything.

`step` and `experts` are called in every step, where nothing of ours is in the caches after the work of the step: each
function and each object that they touch costs more than what it does. In the layers of `Reporter` the two took 70 us so,
of which the copy of 58 x 256 counts was 20. So what is plain is done here at once, out of one tuple of all that it takes;
everything else goes the long way, which says the same. The background thread looks at the values, and is not woken.
What goes over the wire: docs/ingest-v1.md.
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING, Any, Iterable, Optional

if TYPE_CHECKING:
    from ._reporter import Reporter

__all__ = [
    'checkpoint_durable', 'checkpoint_saved', 'done', 'experts', 'phase', 'resumed', 'should_checkpoint', 'step',
    'watch_experts',
]
__version__ = '0.1.0'

_reporter: Optional[Reporter] = None


def step(step: int, *, loss: Any = None, tokens: Optional[int] = None, samples: Optional[int] = None,
         duration: Optional[float] = None, steps: int = 1) -> None:
    """Step `step` of the run is over; with `steps` the last so many of them. `duration` is in seconds, of one step.
    `tokens` were trained by all ranks in these steps, `samples` consumed by all ranks since the run began. `loss` may be
    a tensor: on a device it is fetched in the background."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        hot = reporter.hot_step
        if (hot is not None and type(step) is int and (type(loss) is float or loss is None)
                and (type(tokens) is int or tokens is None) and (type(duration) is float or duration is None)
                and (type(samples) is int or samples is None) and type(steps) is int):
            over, watches, number, now, say, said, room, directives = hot
            if not watches and not over and len(said) < room:
                say((number(), now(), 'step', (step, steps, duration, loss, tokens, samples)))
                directives.last_step = step
                return
        reporter.step(step, loss, tokens, samples, duration, steps)
    except Exception:
        _trouble('step')


def phase(name: str) -> _Phase:
    """`with phase('checkpoint'):` around what is not training: 'restore', 'checkpoint' (the part that blocks) or
    'evaluate'. An exception inside goes its way."""
    return _Phase(name) if _reporter is not None else _NO_PHASE


def checkpoint_saved(step: int, path: Any = None) -> None:
    """The state of `step` was handed over to be written, and training goes on. For checkpoints that block, and on ranks
    that wrote nothing themselves, it ends what should_checkpoint asks for."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        reporter.checkpoint(step, 'saved', path)
    except Exception:
        _trouble('checkpoint_saved')


def checkpoint_durable(step: int, path: Any = None) -> None:
    """The checkpoint of `step` is whole and will survive the machine. To be said by one rank, from any thread."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        reporter.checkpoint(step, 'durable', path)
    except Exception:
        _trouble('checkpoint_durable')


def resumed(step: int) -> None:
    """Training goes on from the checkpoint of `step`."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        reporter.resumed(step)
    except Exception:
        _trouble('resumed')


def done() -> None:
    """This process will train no more."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        reporter.done()
    except Exception:
        _trouble('done')


def experts(step: int, counts: Any, *, layers: Optional[Iterable[str]] = None, experts: Optional[int] = None,
            tokens: Optional[int] = None, top_k: Optional[int] = None, flags: Iterable[str] = ('local',)) -> None:
    """Tokens that were sent to each expert in step `step`: `counts` has a row for each layer and a column for each expert.

    A torch tensor, anything with a buffer (numpy, array), lists, or bytes of little-endian unsigned integers of 4 bytes,
    which need `experts`. It is copied before this returns. Plimsoll adds up what all ranks say of the same step and
    layer: give counts of this rank alone, or sums on one rank only, then with flags=['summed']."""
    reporter = _reporter
    if reporter is None:
        return
    try:
        hot = reporter.hot_experts
        # Names in a tuple are taken as they are: to count 58 references up and down costs more than the rest.
        if (hot is not None and type(step) is int and (type(layers) is tuple or layers is None) and type(flags) is tuple
                and (type(tokens) is int or tokens is None) and (type(top_k) is int or top_k is None)):
            over, tensor, spares, number, now, say, said, room, bytes_max = hot
            kind, held = type(counts), None
            if not over and len(said) < room:
                if kind is tensor and counts.is_cpu:
                    spare = spares.get(counts.shape)
                    if spare:
                        try:
                            held = spare.pop()
                            held.copy_(counts)
                        except Exception:
                            held = None
                elif kind is bytes and len(counts) <= bytes_max:
                    # What cannot change needs no copy; what is too large for a frame must not be kept either.
                    held = (counts, experts)
                if held is not None:
                    say((number(), now(), 'experts', (step, layers, held, tokens, top_k, flags)))
                    return
        reporter.experts(step, counts, layers, experts, tokens, top_k, flags)
    except Exception:
        _trouble('experts')


def watch_experts(module: Any, *, top_k: Optional[int] = None) -> list[str]:
    """Counts the tokens that the routers in a PyTorch module send to each expert; `step` then reports them. Returns the
    names of the layers that were found. `top_k` is only needed where a router gives nothing but its logits and does not
    say it itself."""
    reporter = _reporter
    if reporter is None:
        return []
    try:
        from . import _watch

        return _watch.watch(reporter, module, top_k)
    except Exception:
        _trouble('watch_experts')
        return []


def should_checkpoint() -> bool:
    """Whether Plimsoll asks for a checkpoint now. True until this process reports one. Ranks learn it at different
    moments: agree on it, for example in the all-reduce that carries the loss, before you act on it."""
    reporter = _reporter
    if reporter is None:
        return False
    try:
        return reporter.should_checkpoint()
    except Exception:
        _trouble('should_checkpoint')
        return False


class _Phase:
    __slots__ = ('_name',)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> _Phase:
        self._say('begin')
        return self

    def __exit__(self, *_: object) -> None:
        self._say('end')

    def _say(self, edge: str) -> None:
        reporter = _reporter
        if reporter is None:
            return
        try:
            if self._name in ('restore', 'checkpoint', 'evaluate'):
                reporter.phase(self._name, edge)
            else:
                _trouble('phase')
        except Exception:
            _trouble('phase')


class _NoPhase(_Phase):
    __slots__ = ()

    def __enter__(self) -> _Phase:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_NO_PHASE = _NoPhase('')


def _trouble(function: str) -> None:
    try:
        from . import _warn

        _warn.once(function, f'{function} was called with something it cannot use, or has a bug; training is not affected')
    except Exception:
        pass


def _begin() -> None:
    """Reads the environment. All that is needed later is imported here, where nobody is training yet: an import on the
    training thread would cost it 30 ms, and one in the background could be torn by a fork."""
    global _reporter
    if not _os.environ.get('PLIMSOLL_INGEST_URL'):
        return
    try:
        from . import _settings, _warn

        try:
            settings = _settings.read(_os.environ)
        except _settings.Wrong as wrong:
            _warn.once('settings', f'{wrong}; nothing is reported')
            return
        if settings is None:
            return
        import atexit

        from ._reporter import Reporter

        _reporter = Reporter(settings)
        atexit.register(_close)
        _os.register_at_fork(after_in_child=lambda: _forked(settings))
    except Exception:
        _reporter = None


def _close() -> None:
    reporter = _reporter
    try:
        if reporter is not None:
            reporter.close()
    except Exception:
        pass


def _forked(settings: Any) -> None:
    """The child has the parent's memory and none of its threads: it begins anew, as another source."""
    global _reporter
    try:
        from . import _term
        from ._reporter import Reporter

        _term.forget()
        old, _reporter = _reporter, None
        if old is not None and not old.stopped:
            old.abandon()
            _reporter = Reporter(settings, forked=True)
    except Exception:
        _reporter = None


_begin()
