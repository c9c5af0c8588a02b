"""Reports to Plimsoll, where its reporter can be imported; else the same calls do nothing.

Nothing in this example needs Plimsoll: what it prints is enough for progress.
"""

from __future__ import annotations

import contextlib

try:
    import plimsoll_reporter as plimsoll
except ImportError:

    class plimsoll:  # type: ignore[no-redef]
        """What this example uses of plimsoll_reporter."""

        @staticmethod
        def should_checkpoint() -> bool:
            return False

        @staticmethod
        def phase(_: str) -> contextlib.AbstractContextManager:
            return contextlib.nullcontext()

        @staticmethod
        def nothing(*_: object, **__: object) -> None:
            pass

        step = experts = checkpoint_saved = checkpoint_durable = resumed = done = nothing
