"""ingest/v1: from what the script said to bytes. docs/ingest-v1.md says what each key means; nothing here may differ from it.

Runs in the background thread only.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import Any, Iterable, Optional

from . import _values
from ._buffer import Said
from ._values import Invalid

BATCH_FACTS_MAX = 1_000
# Bytes of JSON at which a batch is closed, and of one fact.
BATCH_BYTES = 768 * 1024
FACT_BYTES_MAX = 940 * 1024
INTEGER_MAX = (1 << 53) - 1
PATH_CHARS_MAX = 1_024
LAYER_CHARS_MAX = 200
FLAGS_MAX = 16
FLAG_CHARS_MAX = 32

# ASCII only: a lone surrogate or a NUL would be refused by whoever stores it, and the whole batch with it.
dumps = json.JSONEncoder(ensure_ascii=True, separators=(',', ':'), allow_nan=False).encode


def fact(said: Said) -> bytes:
    """One fact as JSON. Raises Invalid, NotReady, or whatever reading a strange value raises."""
    encoded = dumps({'seq': said.seq, 'at': said.at, 'kind': said.kind, **BODIES[said.kind](*said.values)}).encode('ascii')
    if len(encoded) > FACT_BYTES_MAX:
        raise Invalid
    return encoded


def step(step: Any, steps: Any, duration: Any, loss: Any, tokens: Any, samples: Any) -> dict[str, Any]:
    covered = whole(steps)
    if not 1 <= covered <= 1_000_000:
        raise Invalid
    return {
        'step': whole(step),
        'steps': covered,
        'durationMs': milliseconds(duration),
        'loss': number(loss),
        'tokens': optional(tokens),
        'samples': optional(samples),
    }


def phase(phase: str, edge: str) -> dict[str, Any]:
    return {'phase': phase, 'edge': edge}


def checkpoint(step: Any, state: str, path: Any) -> dict[str, Any]:
    return {'step': whole(step), 'state': state, 'path': None if path is None else text(path, PATH_CHARS_MAX)}


def resumed(step: Any) -> dict[str, Any]:
    return {'step': whole(step)}


def done() -> dict[str, Any]:
    return {}


def experts(step: Any, layers: Any, held: Any, tokens: Any, top_k: Any, flags: Iterable[str]) -> dict[str, Any]:
    counts = _values.counted(held)
    packed, saturated = _values.read_counts(counts)
    return {
        'step': whole(step),
        'layers': layer_names(layers, counts.layers),
        'experts': counts.experts,
        'counts': b64encode(packed).decode('ascii'),
        'tokens': optional(tokens),
        'topK': optional(top_k),
        'flags': flag_names([*flags, 'saturated'] if saturated else flags),
    }


def directive(id: str, version: int, outcome: str, step: Optional[int]) -> dict[str, Any]:
    return {'id': id, 'version': version, 'outcome': outcome, 'step': step}


def gap(of: str, first: int, last: int, facts: int, why: str) -> dict[str, Any]:
    return {'of': of, 'from': first, 'to': last, 'facts': facts, 'why': why}


BODIES = {
    'step': step,
    'phase': phase,
    'checkpoint': checkpoint,
    'resumed': resumed,
    'done': done,
    'experts': experts,
    'directive': directive,
    'gap': gap,
}


def batch(envelope: dict[str, Any], facts: list[bytes]) -> bytes:
    """The whole body. Facts are encoded once, however often their batch has to be sent."""
    head = dumps(envelope).encode('ascii')
    return head[:-1] + b',"facts":[' + b','.join(facts) + b']}'


def whole(value: Any) -> int:
    value = _values.read_number(value)
    if isinstance(value, str):
        raise Invalid
    integer = int(value)
    if integer != value or not 0 <= integer <= INTEGER_MAX:
        raise Invalid
    return integer


def optional(value: Any) -> Optional[int]:
    return None if value is None else whole(value)


def number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if value is None:
        return None
    if isinstance(value, str):
        raise Invalid
    value = float(_values.read_number(value))
    if math.isfinite(value):
        return value
    return 'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'


def milliseconds(seconds: Any) -> Optional[float]:
    value = number(seconds)
    if value is None:
        return None
    if isinstance(value, str) or value < 0:
        raise Invalid
    return round(value * 1000, 3)


def text(value: Any, longest: int) -> Optional[str]:
    """None where it is too long: half a path is no path."""
    clean = str(value).encode('utf-8', 'replace').decode('utf-8').replace('\0', '?')
    return clean if len(clean) <= longest else None


# The names of the last frame, as given and as they are sent: they are the same in each step.
_last_names: tuple[Any, list[str]] = ((), [])


def layer_names(layers: Any, count: int) -> list[str]:
    global _last_names
    given, names = _last_names
    if given is not layers or len(names) != count:
        names = checked_names(layers, count)
        _last_names = (layers, names)
    return names


def checked_names(layers: Any, count: int) -> list[str]:
    names = [str(number) for number in range(count)] if layers is None else [text(name, LAYER_CHARS_MAX) for name in layers]
    if len(names) != count or len(set(names)) != count or not all(names):
        raise Invalid
    return names  # type: ignore[return-value]


def flag_names(flags: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(flags))
    if len(names) > FLAGS_MAX:
        raise Invalid
    for name in names:
        if not isinstance(name, str) or not 1 <= len(name) <= FLAG_CHARS_MAX or name.strip('abcdefghijklmnopqrstuvwxyz0123456789-'):
            raise Invalid
    return names
