"""Counts tokens per expert while a model trains.

Classes are wrapped, not modules: a hook on a module would be copied with it and pickled with it. A call counts when its
module trains and when it is no recomputation, which is the same call again inside backward. Counts are kept on the
device of the choice and added there; nothing here waits for a device.

To start a kernel costs the training thread more than all else here, so the indices of a call are only kept, as they are
for backward anyway, and those of all layers are counted by the same few kernels: at the next step, or when a layer is
called again. An index that is out of range would end the process on a GPU, so all are moved into a row that has a cell
for them at either end. Frameworks use such indices for tokens that go to experts of another rank.
"""

from __future__ import annotations

import functools
import re
import sys
import weakref
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional

from . import _routers, _warn
from ._routers import Choice

WRAPPERS = re.compile(r'(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|base_model)\.')


class Layer:
    """One layer's counts since the last step."""

    def __init__(self, name: str, module: Any, parent: Any, top_k: Optional[int]) -> None:
        self.name = name
        self.experts = _routers.expert_count(module, parent)
        self.given_top_k = top_k if top_k is not None else _routers.top_k_of(module, parent)
        self.flags = flags_of(module)
        self.module = weakref.ref(module)
        self.row: Any = None
        # Whether indices of it are kept that are not counted yet.
        self.waits = False
        # Its indices are written again after the call, so they are counted in it.
        self.at_once = False
        # Something of this step is missing: it is left out.
        self.torn = False
        self.tokens: Optional[int] = 0
        self.top_k: Optional[int] = None
        self.touched = False
        self.busy = False
        self.dead = False

    def add(self, choice: Choice) -> None:
        torch = sys.modules['torch']
        values = choice.indices if choice.indices is not None else choice.map
        device = values.device if values is not None else torch.device('cpu')
        if device.type == 'cuda' and torch.cuda.is_current_stream_capturing():
            return
        if self.experts is None:
            if choice.indices is not None:
                self.dead = True
                return
            self.experts = int(choice.map.shape[1]) if choice.map is not None else len(choice.counts)
        if choice.indices is not None:
            keep(self, choice.indices.detach())
        else:
            with torch.no_grad():
                counts = choice.map.detach().sum(0) if choice.map is not None else torch.tensor(choice.counts, dtype=torch.int64)
                self.row_on(device)[1:-1] += counts
        self.touched = True
        self.top_k = choice.top_k if choice.top_k is not None else self.given_top_k
        self.tokens = None if choice.tokens is None or self.tokens is None else self.tokens + choice.tokens

    def row_on(self, device: Any) -> Any:
        if self.row is None or self.row.device != device:
            torch = sys.modules['torch']
            with torch.inference_mode(False):
                self.row = torch.zeros(self.experts + 2, dtype=torch.int64, device=device)
        return self.row

    def clear(self) -> None:
        self.touched = False
        self.tokens = 0


class Kept(NamedTuple):
    layer: Layer
    indices: Any
    # Of the tensor when it was kept: it must not have been written since.
    version: Optional[int]
    # The stream that computes them, where there are streams.
    stream: Any


KEPT_MAX = 1 << 23

_kept: list[Kept] = []
_kept_cells = 0
_offsets: dict[tuple[Any, int, int], tuple[Any, Any]] = {}


def keep(layer: Layer, indices: Any) -> None:
    global _kept_cells
    if layer.waits:
        count_kept()
    stream = sys.modules['torch'].cuda.current_stream(indices.device) if indices.device.type == 'cuda' else None
    # Nothing says of one of inference mode whether it was written since.
    version = None if indices.is_inference() else indices._version
    _kept.append(Kept(layer, indices, version, stream))
    layer.waits = True
    _kept_cells += indices.numel()
    if layer.at_once or version is None or _kept_cells > KEPT_MAX:
        count_kept()


def count_kept() -> None:
    """Adds all indices that are kept to the rows of their layers: those of the same size and kind by the same kernels."""
    global _kept, _kept_cells
    kept, _kept, _kept_cells = _kept, [], 0
    groups: dict[tuple[Any, ...], list[Kept]] = {}
    for each in kept:
        layer, indices, version, stream = each
        layer.waits = False
        if version is not None and version != indices._version:
            layer.at_once = layer.torn = True
        elif not layer.dead:
            groups.setdefault((indices.device, layer.experts, indices.numel(), indices.dtype, stream), []).append(each)
    for (device, experts, _, _, stream), some in groups.items():
        try:
            count_together(device, experts, stream, some)
        except Exception:
            for each in some:
                give_up(each.layer)


def give_up(layer: Layer) -> None:
    """Half a count would be worse than none."""
    layer.dead = True
    layer.clear()
    _warn.once('router', 'a router says its choice in a way that is not known; its layer is not counted')


def count_together(device: Any, experts: int, stream: Any, kept: list[Kept]) -> None:
    torch = sys.modules['torch']
    if stream is not None:
        current = torch.cuda.current_stream(device)
        if stream != current:
            current.wait_stream(stream)
            for each in kept:
                each.indices.record_stream(current)
    width = experts + 2
    with torch.no_grad(), torch.inference_mode(False):
        starts, ones = offsets_of(device, len(kept), width)
        # 0 and experts + 1 are the cells for what is out of range.
        cells = torch.stack([each.indices.reshape(-1) for each in kept]).to(torch.int64).add_(1).clamp_(0, width - 1)
        cells = cells.add_(starts).reshape(-1)
        counts = torch.zeros(len(kept) * width, dtype=torch.int64, device=device)
        counts.scatter_add_(0, cells, ones.expand(cells.numel()))
        torch._foreach_add_([each.layer.row_on(device) for each in kept], list(counts.reshape(-1, width).unbind(0)))


def offsets_of(device: Any, layers: int, width: int) -> tuple[Any, Any]:
    """Where the row of each layer begins, as a column; and a one."""
    key = (device, layers, width)
    found = _offsets.get(key)
    if found is None:
        if len(_offsets) >= 64:
            _offsets.clear()
        torch = sys.modules['torch']
        starts = torch.arange(0, layers * width, width, dtype=torch.int64, device=device).unsqueeze(1)
        found = _offsets[key] = (starts, torch.ones(1, dtype=torch.int64, device=device))
    return found


_layers: weakref.WeakKeyDictionary[Any, Layer] = weakref.WeakKeyDictionary()
_wrapped: set[type] = set()
_hooked: weakref.WeakSet[Any] = weakref.WeakSet()
# Called with a module of a wrapped class that has no layer yet; it may make one.
on_unknown: Optional[Callable[[Any], None]] = None


def watch(reporter: Any, root: Any, top_k: Optional[int]) -> list[str]:
    routers = list(routers_in(root))
    made = [layer for name, module, parent in routers if (layer := attach(name, module, parent, top_k))]
    if made:
        reporter.watches.append(Tally(reporter, made, ('local',)))
    return [_layers[module].name for _, module, _ in routers]


def routers_in(root: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, module, parent) of whoever knows the choice, once for each layer."""
    modules = dict(root.named_modules())
    told = {path.rpartition('.')[0] for path, module in modules.items() if _routers.index_argument(type(module))}
    for path, module in modules.items():
        block, _, name = path.rpartition('.')
        parent = modules.get(block)
        if _routers.index_argument(type(module)):
            yield block or path, module, parent
        elif parent is not None and parent is not module and _routers.is_router(module, name, parent) and not inside(path, told):
            yield block, module, parent


def inside(path: str, blocks: Iterable[str]) -> bool:
    return any(not block or path.startswith(block + '.') for block in blocks)


def attach(name: str, module: Any, parent: Any, top_k: Optional[int]) -> Optional[Layer]:
    """None where it is watched already."""
    if module in _layers:
        return None
    layer = _layers[module] = Layer(clean(name), module, parent, top_k)
    wrap(module)
    return layer


def clean(name: str) -> str:
    """The name in the script's model, whatever it was wrapped in."""
    return WRAPPERS.sub('', name + '.').rstrip('.')[-200:] or 'model'


def wrap(module: Any) -> None:
    definer = next(kind for kind in type(module).__mro__ if 'forward' in kind.__dict__)
    if definer.__module__.partition('.')[0] == 'torch':
        # A plain linear layer as router. Its class is everybody's, so this module alone gets a hook.
        if module not in _hooked:
            _hooked.add(module)
            module.register_forward_hook(Hook())
        return
    if definer in _wrapped:
        return
    _wrapped.add(definer)
    original = definer.__dict__['forward']

    @functools.wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        layer = counting(self)
        if layer is None:
            return original(self, *args, **kwargs)
        # A class may call the forward of the class that it extends, which is wrapped too.
        layer.busy = True
        try:
            output = original(self, *args, **kwargs)
        finally:
            layer.busy = False
        count(layer, self, args, kwargs, output)
        return output

    definer.forward = forward


class Hook:
    """Copies and pickles of the module do not count, and need nothing of this package."""

    def __call__(self, module: Any, args: Any, output: Any) -> None:
        layer = counting(module)
        if layer is not None:
            count(layer, module, args, {}, output)

    def __reduce__(self) -> Any:
        # Called with the hook's arguments this does nothing, and every Python has it.
        return functools.partial, (sys.audit, 'plimsoll_reporter.copy')


def counting(module: Any) -> Optional[Layer]:
    """The layer of a module whose call counts now."""
    try:
        if not module.training:
            return None
        layer = _layers.get(module)
        if layer is None:
            if on_unknown is None:
                return None
            on_unknown(module)
            layer = _layers.get(module)
        return None if layer is None or layer.dead or layer.busy or recomputing() or compiling() else layer
    except Exception:
        return None


def recomputing() -> bool:
    # Private, and the only thing that tells: without it recomputed layers count twice.
    task = getattr(sys.modules['torch']._C, '_current_graph_task_id', None)
    return task is not None and task() != -1


def compiling() -> bool:
    compiler = getattr(sys.modules['torch'], 'compiler', None)
    ask = getattr(compiler, 'is_compiling', None)
    return ask is not None and ask()


def capturing() -> bool:
    """Whether a CUDA graph is recorded: what is done now is done again with every replay."""
    cuda = getattr(sys.modules.get('torch'), 'cuda', None)
    return cuda is not None and cuda.is_initialized() and cuda.is_current_stream_capturing()


def count(layer: Layer, module: Any, args: Any, kwargs: Any, output: Any) -> None:
    try:
        place = _routers.index_argument(type(module))
        choice = (
            _routers.from_arguments(place, args, kwargs)
            if place is not None
            else _routers.from_output(type(module).__name__, output, layer.given_top_k)
        )
        if choice is not None:
            layer.add(choice)
            return
    except Exception:
        pass
    give_up(layer)


class Tally:
    """Layers that are reported together, step by step."""

    def __init__(self, reporter: Any, layers: list[Layer], flags: tuple[str, ...]) -> None:
        self._reporter = reporter
        self.layers = layers
        self._flags = flags
        self._rows: dict[tuple[Any, Any], tuple[list[Layer], Any, tuple[str, ...]]] = {}

    def flush(self, step: Any, more: tuple[str, ...] = ()) -> None:
        if capturing():
            return
        count_kept()
        groups: dict[tuple[Any, Any], list[Layer]] = {}
        self._drop(torn=True)
        for layer in self.layers:
            if layer.touched:
                groups.setdefault((layer.row.device, layer.experts), []).append(layer)
        for key, layers in groups.items():
            rows, names = self._rows_of(key, layers)
            tokens = {layer.tokens for layer in layers}
            top_ks = {layer.top_k for layer in layers}
            flags = {flag: None for layer in layers for flag in layer.flags}
            self._reporter.experts(
                step, rows[:, 1:-1], names, None,
                tokens.pop() if len(tokens) == 1 else None, top_ks.pop() if len(top_ks) == 1 else None,
                (*self._flags, *flags, *more))
            rows.zero_()
            for layer in layers:
                layer.clear()

    def forget(self) -> None:
        count_kept()
        self._drop(torn=False)

    def _drop(self, torn: bool) -> None:
        """What was counted since the last step: of all layers, or of those of which something is missing."""
        for layer in self.layers:
            if layer.torn or (layer.touched and not torn):
                if layer.row is not None:
                    layer.row.zero_()
                layer.torn = False
                layer.clear()

    def _rows_of(self, key: tuple[Any, Any], layers: list[Layer]) -> tuple[Any, tuple[str, ...]]:
        """One tensor with the rows of these layers, and their names. The rows become views of it, so that the next step needs no copy."""
        kept = self._rows.get(key)
        if kept is not None and kept[0] == layers:
            return kept[1], kept[2]
        rows = sys.modules['torch'].stack([layer.row for layer in layers])
        for layer, row in zip(layers, rows.unbind(0)):
            layer.row = row
        names = tuple(layer.name for layer in layers)
        self._rows[key] = (layers, rows, names)
        return rows, names


def flags_of(module: Any) -> tuple[str, ...]:
    flags = ['padding']
    config = getattr(module, 'config', None)
    if type(module).__module__.startswith('megatron.'):
        if getattr(config, 'moe_expert_capacity_factor', None) is not None:
            flags.append('after-drop')
        if getattr(config, 'moe_router_force_load_balancing', False) or getattr(config, 'moe_router_force_biased', None):
            flags.append('forced')
    return tuple(flags)
