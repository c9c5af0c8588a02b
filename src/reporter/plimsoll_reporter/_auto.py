"""Expert load of Megatron-core and Hugging Face models without a change to the script.

PyTorch announces each module that becomes part of another; routers of the two packages are noted then, and their layers
named when the first of them is called, because a model is built from the inside out. A step is over when the first
optimizer that ever stepped has stepped. Only expert load is reported: progress of these frameworks comes from their log,
which knows more.
"""

from __future__ import annotations

import os
import re
import sys
import weakref
from typing import Any, Optional

from . import _routers, _warn, _watch

MARKER = 'PLIMSOLL_REPORTER_PID'
PACKAGES = ('transformers.models.', 'transformers_modules.', 'megatron.core.transformer.moe.')
LAST_LAYER = re.compile(r'(?<=layers\.)\d+(?!.*layers\.\d)')

_auto: Optional[Auto] = None


def install() -> None:
    """After torch was imported."""
    global _auto
    import plimsoll_reporter

    reporter = plimsoll_reporter._reporter
    if reporter is None or _auto is not None:
        return
    from torch.nn.modules.module import register_module_module_registration_hook
    from torch.optim.optimizer import register_optimizer_step_post_hook

    _auto = auto = Auto(reporter)
    _watch.on_unknown = auto.name
    reporter.watches.append(auto)
    register_module_module_registration_hook(auto.announced)
    register_optimizer_step_post_hook(auto.stepped)


def megatron(module: Any) -> None:
    """After `megatron.core.distributed.finalize_model_grads` was imported. The function that moves the routers' biases has
    summed the counts of all ranks when it returns: the whole truth, once a step, at no cost."""
    original = module.get_updated_expert_bias

    def get_updated_expert_bias(tokens_per_expert: Any, *rest: Any, **named: Any) -> Any:
        updated = original(tokens_per_expert, *rest, **named)
        try:
            if _auto is not None:
                _auto.summed(tokens_per_expert, named.get('tp_dp_cp_group', rest[2] if len(rest) > 2 else None))
        except Exception:
            _warn.once('megatron', 'the counts of Megatron-core cannot be read in this version')
        return updated

    module.get_updated_expert_bias = get_updated_expert_bias


class Auto:
    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter
        self._pid = os.getpid()
        # What is looked for, and whatever holds it: by whom it is held, under which name.
        self._held_by: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()
        self._holders: weakref.WeakSet[Any] = weakref.WeakSet()
        self._routers: list[Any] = []
        self._wanted: dict[type, bool] = {}
        self._tally = _watch.Tally(reporter, [], ('local', 'auto'))
        self._clock: Any = None
        self._steps = Steps()
        # What Megatron-core has summed since the last step, and the layers that these rows belong to.
        self._sum: Any = None
        self._sum_layers: list[_watch.Layer] = []

    # While a model is built.

    def announced(self, parent: Any, name: str, module: Any) -> None:
        try:
            if module is None:
                return
            if self._is_wanted(type(module)):
                self._note(parent, name, module)
            elif module in self._holders:
                self._hold(parent, name, module)
            if name == 'experts' and type(parent).__module__.startswith(PACKAGES):
                for beside in _routers.ROUTER_NAMES:
                    router = getattr(parent, beside, None)
                    if router is not None and _routers.is_plain_router(router, beside, parent):
                        self._note(parent, beside, router)
        except Exception:
            _warn.once('announced', 'the routers of a model could not be found')

    def _is_wanted(self, kind: type) -> bool:
        wanted = self._wanted.get(kind)
        if wanted is None:
            wanted = self._wanted[kind] = kind.__module__.startswith(PACKAGES) and (
                _routers.index_argument(kind) is not None or _routers.named_as_router(kind))
        return wanted

    def _note(self, parent: Any, name: str, module: Any) -> None:
        if module not in self._held_by:
            self._routers.append(weakref.ref(module))
            _watch.wrap(module)
        self._hold(parent, name, module)

    def _hold(self, parent: Any, name: str, module: Any) -> None:
        held = self._held_by.get(module)
        if held is not None and held[0]() is not None:
            # The first holder names it: a slice of a list of layers, made in each forward, is a holder too.
            return
        self._held_by[module] = (weakref.ref(parent), name)
        self._holders.add(parent)

    # When the first router of a model is called, the model is whole.

    def name(self, module: Any) -> None:
        if module not in self._held_by:
            return
        self._routers = [reference for reference in self._routers if reference() is not None]
        alive = [reference() for reference in self._routers]
        told = [self._parent(each) for each in alive if _routers.index_argument(type(each))]
        taken = {layer.name for layer in self._tally.layers}
        for each in alive:
            parent, own = self._parent(each), self._held_by[each][1]
            if not _routers.index_argument(type(each)):
                if any(parent is block for block in told) or not _routers.is_router(each, own, parent):
                    continue
            layer = _watch.attach(self._path(each), each, parent, None)
            if layer is None:
                continue
            number = 2
            while layer.name in taken:
                layer.name, number = f'{self._path(each)[:190]}#{number}', number + 1
            taken.add(layer.name)
            self._tally.layers.append(layer)

    def _parent(self, module: Any) -> Any:
        return self._held_by[module][0]()

    def _path(self, router: Any) -> str:
        names: list[str] = []
        module: Any = self._parent(router)
        while module is not None and module in self._held_by and len(names) < 64:
            parent, name = self._held_by[module]
            names.insert(0, name)
            module = parent()
        path = _watch.clean('.'.join(names))
        number = getattr(router, 'layer_number', None)
        if type(number) is int and number > 0:
            # A pipeline stage numbers its layers from 0; Megatron-core tells the router its number in the whole model.
            path = LAST_LAYER.sub(str(number - 1), path)
        return path

    # Step by step.

    def stepped(self, optimizer: Any, *_: Any) -> None:
        try:
            if os.getpid() != self._pid:
                return
            clock = None if self._clock is None else self._clock()
            if clock is None:
                if os.environ.setdefault(MARKER, str(self._pid)) != str(self._pid):
                    return
                self._clock = weakref.ref(optimizer)
            elif clock is not optimizer:
                return
            step, known = self._steps.after(optimizer)
            if not self._reporter.explicit:
                self.flush(step, () if known else ('step-counted',))
        except Exception:
            _warn.once('stepped', 'a step could not be reported')

    def flush(self, step: Any, more: tuple[str, ...] = ()) -> None:
        total, self._sum = self._sum, None
        if total is not None:
            layers = self._sum_layers
            flags = {flag: None for layer in layers for flag in layer.flags}
            self._reporter.experts(step, total, [layer.name for layer in layers], None, None, layers[0].given_top_k,
                                   ('summed', 'auto', *flags, *more))
        self._tally.flush(step, more)

    def summed(self, tokens_per_expert: Any, group: Any) -> None:
        """The counts of all ranks of the group, in the order in which Megatron-core walks through its layers."""
        with_bias = [module for module in map(lambda reference: reference(), self._routers)
                     if getattr(module, 'expert_bias', None) is not None]
        for module in with_bias[:1]:
            self.name(module)
        layers = [layer for layer in self._tally.layers if layer.module() in with_bias]
        if len(layers) != tokens_per_expert.shape[0]:
            _warn.once('megatron', 'the routers of Megatron-core are not those that were found; they are counted one by one')
            return
        for layer in layers:
            # From now on this is told by the sum.
            layer.dead = True
            layer.clear()
        if not lowest_of(group):
            return
        counts = tokens_per_expert.detach().to(sys.modules['torch'].int64, copy=True)
        self._sum = counts if self._sum is None else self._sum + counts
        self._sum_layers = layers


def lowest_of(group: Any) -> bool:
    """All ranks of the group have the same sum; one of them tells it."""
    distributed = sys.modules['torch'].distributed
    if group is None:
        from megatron.core import parallel_state

        group = parallel_state.get_tensor_and_data_parallel_group(with_context_parallel=True)
    return distributed.get_rank(group) == 0


class Steps:
    """Which step is over. A number that goes on after a resume is found where the framework keeps one: Megatron-LM's
    arguments, or the optimizer's state, which is part of every checkpoint."""

    def __init__(self) -> None:
        self._counted = 0
        self._offset: Optional[int] = None

    def after(self, optimizer: Any) -> tuple[int, bool]:
        self._counted += 1
        arguments = getattr(sys.modules.get('megatron.training.global_vars'), '_GLOBAL_ARGS', None)
        iteration = getattr(arguments, 'curr_iteration', None)
        if type(iteration) is int and iteration >= 0:
            return iteration + 1, True
        kept = kept_step(optimizer)
        if kept is not None and getattr(kept, 'is_cuda', False):
            # Read once, which waits for the device once, and counted on from there.
            if self._offset is None:
                self._offset = int(kept) - self._counted
            return self._offset + self._counted, True
        return (int(kept), True) if kept is not None else (self._counted, False)


def kept_step(optimizer: Any) -> Any:
    for group in optimizer.param_groups:
        if type(group.get('step')) is int:
            return group['step']
        for parameter in group['params']:
            state = optimizer.state.get(parameter)
            if state and 'step' in state:
                return state['step']
    return None
