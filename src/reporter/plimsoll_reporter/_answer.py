"""What the server answered, taken as a stranger's text: whatever does not look as docs/ingest-v1.md says is left out."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Optional

DIRECTIVES_MAX = 16
NAME = re.compile(r'[A-Za-z0-9._-]{1,64}')
WITHIN_MS_MAX = 24 * 60 * 60 * 1000


class Directive(NamedTuple):
    id: str
    version: int
    kind: str
    within_ms: Optional[int]


class Taken(NamedTuple):
    refused: bool
    # None: nothing was said about them.
    directives: Optional[list[Directive]]
    next_ms: Optional[int]


def read(body: Optional[bytes]) -> Optional[Taken]:
    """None where this is not an answer of ingest/v1, so nobody knows whether the batch was taken."""
    if body is None:
        return None
    try:
        value = json.loads(body)
    except Exception:  # RecursionError too: the text may be nested as deep as it is long
        return None
    if not isinstance(value, dict) or value.get('version') != 1 or not integer(value.get('accepted')):
        return None
    directives, wait = value.get('directives'), value.get('nextMs')
    return Taken(
        refused=bool(value.get('refused')),
        directives=[seen for seen in map(directive, directives[:DIRECTIVES_MAX]) if seen is not None]
        if isinstance(directives, list)
        else None,
        next_ms=min(max(wait, 200), 60_000) if integer(wait) else None,
    )


def directive(value: Any) -> Optional[Directive]:
    if not isinstance(value, dict):
        return None
    name, version, kind, within = value.get('id'), value.get('version'), value.get('kind'), value.get('withinMs')
    if not all(isinstance(text, str) and NAME.fullmatch(text) for text in (name, kind)) or not integer(version):
        return None
    return Directive(name, version, kind, min(within, WITHIN_MS_MAX) if integer(within) else None)


def integer(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53
