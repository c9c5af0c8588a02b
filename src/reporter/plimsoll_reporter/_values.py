"""Values of the script, in two halves: what must be done at once, on the training thread, so that a later change of the
value does not matter; and what is done in the background, where waiting for a device harms nobody.

A value on a CUDA device is copied to pinned memory in the order of its stream, and read when that copy is over. The
training thread starts the copy and never waits for it. torch is never imported here: who has a tensor has torch.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections import deque
from typing import Any, Callable, NamedTuple, Optional

COUNT_MAX = (1 << 32) - 1
CELLS_MAX = 131_072
LAYERS_MAX = 1024


class NotReady(Exception):
    """The device has not got there yet."""


class Invalid(Exception):
    """This is no such value."""


class Later:
    """A value that is on its way from a device."""

    def __init__(self, tensor: Any, ready: Optional[Callable[[], bool]]) -> None:
        self.tensor = tensor
        self._ready = ready

    def get(self) -> Any:
        if self._ready is not None and not self._ready():
            raise NotReady
        return self.tensor


# torch's Tensor, once torch was seen.
_Tensor: Any = ()

# Copies of counts that were sent, for the next ones of that shape: fresh memory would cost the training thread the page
# faults, which are dearer than the copy.
spares: dict[Any, deque[Any]] = {}
SPARE_BYTES_MAX = 32 * 1024 * 1024


def tensor(value: Any) -> bool:
    global _Tensor
    if _Tensor == ():
        _Tensor = getattr(sys.modules.get('torch'), 'Tensor', ())
    return isinstance(value, _Tensor)


def take_number(value: Any) -> Any:
    """A number as it is now."""
    kind = type(value)
    if value is None or kind is float or kind is int:
        return value
    if not tensor(value):
        return value.item() if hasattr(value, 'item') else value
    value = value.detach()
    return value.item() if value.device.type == 'cpu' else send_for(value)


def read_number(value: Any) -> Any:
    if not isinstance(value, Later):
        return value
    return value.get().item()


def send_for(value: Any) -> Later:
    """Starts the copy of a detached tensor off its device."""
    torch = sys.modules['torch']
    if value.device.type != 'cuda':
        # No pinned memory is known for other devices. A copy there is in order, and the background thread reads it.
        return Later(value.clone(), None)
    if torch.cuda.is_current_stream_capturing():
        raise Invalid
    pinned = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    pinned.copy_(value, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(value.device))
    return Later(pinned, event.query)


class Counts(NamedTuple):
    """Counts of one step, copied: `layers` rows of `experts`. `held` is a tensor of 8 bytes a cell on the CPU, one that is
    on its way, bytes in `format`, or rows of Python numbers. `size` is in bytes."""

    layers: int
    experts: int
    held: Any
    format: str
    size: int


def counted(held: Any) -> Counts:
    """Counts as the training thread left them: a copy of a tensor, or bytes and the number of experts, are looked at here."""
    if isinstance(held, Counts):
        return held
    if type(held) is tuple:
        return take_counts(*held)
    if not tensor(held):
        raise Invalid
    layers, experts = tuple(held.shape)
    return Counts(layers, experts, held, 'tensor', 8 * layers * experts)


def take_counts(counts: Any, experts: Optional[int]) -> Counts:
    if tensor(counts):
        return take_tensor(counts)
    if isinstance(counts, (list, tuple)):
        rows = [list(row) for row in counts] if counts and isinstance(counts[0], (list, tuple)) else [list(counts)]
        if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
            raise Invalid
        check(len(rows), len(rows[0]))
        return Counts(len(rows), len(rows[0]), rows, 'list', 64 * len(rows) * len(rows[0]))
    view = memoryview(counts)
    if view.format in ('B', 'c'):
        # Bytes as they go over the wire.
        cells, form = view.nbytes // 4, 'I'
        if view.nbytes % 4:
            raise Invalid
    else:
        form = view.format.lstrip('@=<' if sys.byteorder == 'little' else '@=>')
        cells = view.nbytes // view.itemsize
    if form not in ('b', 'h', 'i', 'l', 'q', 'H', 'I', 'L', 'Q', 'f', 'd'):
        raise Invalid
    columns = experts or (view.shape[-1] if view.ndim > 1 else None)
    if not columns or cells % columns:
        raise Invalid
    check(cells // columns, columns)
    # What cannot change needs no copy.
    held = counts if type(counts) is bytes else copied(view)
    return Counts(cells // columns, columns, held, form, view.nbytes)


def take_tensor(counts: Any) -> Counts:
    if counts.requires_grad:
        counts = counts.detach()
    if counts.dim() == 1:
        counts = counts.unsqueeze(0)
    if counts.dim() != 2:
        raise Invalid
    layers, experts = shape = tuple(counts.shape)
    check(layers, experts)
    if counts.is_cpu:
        try:
            held = spares[shape].pop()
        except (KeyError, IndexError):
            held = spare(shape)
        held.copy_(counts)
    else:
        held = send_for(counts.to(sys.modules['torch'].int64).contiguous())
    return tuple.__new__(Counts, (layers, experts, held, 'tensor', 8 * layers * experts))


def spare(shape: tuple[int, ...]) -> Any:
    torch = sys.modules['torch']
    # A tensor that is made in inference mode could not be written to outside of it.
    with torch.inference_mode(False):
        return torch.empty(shape, dtype=torch.int64)


def copied(view: memoryview) -> Any:
    if not view.c_contiguous:
        return view.tobytes()
    try:
        held = spares[view.nbytes].pop()
    except (KeyError, IndexError):
        held = bytearray(view.nbytes)
    memoryview(held)[:] = view.cast('B')
    return held


def give_back(held: Any, key: Any, size: int) -> None:
    if key not in spares and len(spares) >= 8:
        spares.clear()
    queue = spares.setdefault(key, deque())
    if (len(queue) + 1) * size <= SPARE_BYTES_MAX:
        queue.append(held)


def check(layers: int, experts: int) -> None:
    if not (1 <= layers <= LAYERS_MAX and 1 <= experts <= 4096 and layers * experts <= CELLS_MAX):
        raise Invalid


def read_counts(counts: Counts) -> tuple[bytes, bool]:
    """The counts as unsigned integers of 4 bytes, least significant first; whether one was larger than that holds.

    No loop over cells in Python where it can be helped: at 58 x 256 a step that would take the interpreter from the
    training thread for milliseconds. Strided views are loops in C.
    """
    held, form = counts.held, counts.format
    if form == 'tensor':
        there = held.get().cpu() if isinstance(held, Later) else held
        raw = ctypes.string_at(there.data_ptr(), counts.size)
        # One that carries a gradient, as the counts did that were copied into it, would keep what it came from alive.
        if there is held and not held.requires_grad:
            give_back(held, (counts.layers, counts.experts), counts.size)
        held, form = raw, 'q'
    elif isinstance(held, bytearray):
        raw = bytes(held)
        give_back(held, counts.size, counts.size)
        held = raw
    if isinstance(held, list):
        return clamped([cell for row in held for cell in row])
    size = array(form).itemsize
    if sys.byteorder == 'little' and form in ('q', 'Q', 'l', 'L') and size == 8:
        words = memoryview(held).cast('I')
        high = words[1::2].tobytes()
        if high.count(0) == len(high):
            return words[::2].tobytes(), False
    if sys.byteorder == 'little' and form in ('I', 'i', 'l', 'L') and size == 4:
        if form in ('I', 'L') or not held[3::4].translate(None, bytes(range(128))):
            return held, False
    cells = array(form)
    cells.frombytes(held)
    return clamped(cells)


def clamped(cells: Any) -> tuple[bytes, bool]:
    values = [int(read_number(take_number(cell))) for cell in cells]
    if min(values) < 0:
        raise Invalid
    saturated = max(values) > COUNT_MAX
    packed = array('I', [min(value, COUNT_MAX) for value in values] if saturated else values)
    if sys.byteorder == 'big':
        packed.byteswap()
    return packed.tobytes(), saturated
