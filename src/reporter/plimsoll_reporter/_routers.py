"""Where a PyTorch module says which experts were chosen. One rule where it can be one, because every family of models has
its own router: whoever holds the experts is told the choice, as an argument of a known name. Where nobody is told, what
the router returns is looked at.

Seen in: transformers 5 (an argument `top_k_index` or `router_indices`), transformers 4.57 (indices, counts or logits in
the router's output), Megatron-core 0.12 and newer (a map of tokens by experts).
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, NamedTuple, Optional

INDEX_ARGUMENTS = ('top_k_index', 'router_indices')
ROUTER_CLASS = re.compile(r'(Router|Gate|TopKGating|GateV1|MoEGate)$', re.I)
ROUTER_NAMES = ('gate', 'router')
EXPERT_COUNTS = ('num_experts', 'n_routed_experts', 'num_local_experts', 'n_experts', 'num_moe_experts')
TOP_KS = ('top_k', 'topk', 'num_experts_per_tok', 'moe_top_k', 'k')


class Choice(NamedTuple):
    """What one call chose: exactly one of the three is given."""

    tokens: Optional[int]
    top_k: Optional[int]
    indices: Any = None
    # A bool map [tokens, experts].
    map: Any = None
    # Counts of the experts, a list.
    counts: Any = None


_arguments: dict[type, Optional[tuple[str, int]]] = {}


def index_argument(kind: type) -> Optional[tuple[str, int]]:
    """Name and place of the argument that holds the chosen experts."""
    if kind not in _arguments:
        found = None
        try:
            for place, name in enumerate(list(inspect.signature(kind.forward).parameters)[1:]):  # type: ignore[attr-defined]
                if name in INDEX_ARGUMENTS:
                    found = (name, place)
        except (AttributeError, TypeError, ValueError):
            pass
        _arguments[kind] = found
    return _arguments[kind]


def is_router(module: Any, name: str, parent: Any) -> bool:
    if named_as_router(type(module)) and expert_count(module, parent) is not None:
        return True
    return getattr(parent, 'experts', None) is not None and is_plain_router(module, name, parent)


def named_as_router(kind: type) -> bool:
    return ROUTER_CLASS.search(kind.__name__) is not None


def is_plain_router(module: Any, name: str, parent: Any) -> bool:
    """transformers 4: a linear layer beside its experts."""
    return (
        name in ROUTER_NAMES
        and type(module).__name__ == 'Linear'
        and expert_count(parent, None) == getattr(module, 'out_features', None)
    )


def expert_count(module: Any, parent: Any) -> Optional[int]:
    for owner in (module, parent, getattr(module, 'config', None), getattr(parent, 'config', None)):
        count = first_integer(owner, EXPERT_COUNTS)
        if count is not None:
            return count
    return None


def top_k_of(module: Any, parent: Any) -> Optional[int]:
    for owner in (module, parent, getattr(module, 'config', None), getattr(parent, 'config', None)):
        count = first_integer(owner, TOP_KS)
        if count is not None:
            return count
    return None


def first_integer(owner: Any, names: tuple[str, ...]) -> Optional[int]:
    for name in names:
        value = getattr(owner, name, None)
        if type(value) is int and value > 0:
            return value
    return None


def from_arguments(place: tuple[str, int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Optional[Choice]:
    name, position = place
    indices = kwargs.get(name)
    if indices is None:
        indices = args[position] if len(args) > position else None
    return from_indices(indices) if is_tensor(indices) and integers(indices) else None


def from_indices(indices: Any) -> Choice:
    top_k = int(indices.shape[-1]) if indices.dim() > 1 else 1
    return Choice(indices.numel() // top_k if top_k else 0, top_k, indices=indices)


def from_output(kind: str, output: Any, top_k: Optional[int]) -> Optional[Choice]:
    """`kind` is the name of the router's class."""
    parts = output if isinstance(output, (tuple, list)) else (output,)
    tensors = [part for part in parts if is_tensor(part)]
    torch = sys.modules['torch']
    for part in tensors:
        if part.dim() == 2 and part.dtype == torch.bool:
            return Choice(int(part.shape[0]), top_k, map=part)
    for part in tensors:
        if part.dim() == 2 and integers(part):
            return from_indices(part)
    for part in parts:
        if isinstance(part, list) and part and all(type(count) is int for count in part):
            return Choice(sum(part) // top_k if top_k else None, top_k, counts=part)
    matrices = [part for part in tensors if part.dim() == 2 and part.is_floating_point()]
    if not matrices:
        return None
    if kind == 'Llama4Router' and len(tensors) == 2:
        # Scores of the experts that were not chosen are 0: the sigmoid of minus infinity.
        chosen = matrices[0] > 0
        return Choice(int(chosen.shape[0]), top_k, map=chosen)
    if len(tensors) == 1 and top_k is not None:
        return from_indices(matrices[0].detach().topk(top_k, dim=-1).indices)
    return None


def is_tensor(value: Any) -> bool:
    return isinstance(value, sys.modules['torch'].Tensor)


def integers(value: Any) -> bool:
    torch = sys.modules['torch']
    return value.dtype in (torch.int64, torch.int32)
