"""The training text, as samples whose order is a function of seed and number alone.

A run that stops after n samples and resumes at n sees exactly what it would have seen, on any number of ranks.
"""

from __future__ import annotations

from pathlib import Path

import torch

TEXT = Path(__file__).with_name('text.txt')


class Samples:
    def __init__(self, path: Path, sequence: int, seed: int) -> None:
        self.bytes = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8).long()
        self.sequence = sequence
        self.seed = seed
        # Windows overlap by three quarters, so that a small text gives many samples.
        self.stride = max(1, sequence // 4)
        self.count = (len(self.bytes) - sequence - 1) // self.stride + 1
        if self.count < 1:
            raise SystemExit(f'{path} has {len(self.bytes)} bytes, too few for one sample of {sequence + 1}')
        self.epoch = -1
        self.order = torch.empty(0, dtype=torch.int64)

    def counts(self, vocabulary: int) -> torch.Tensor:
        """How often each byte occurs in the text."""
        return torch.bincount(self.bytes, minlength=vocabulary)

    def start(self, number: int) -> int:
        epoch, place = divmod(number, self.count)
        if epoch != self.epoch:
            # A generator of its own: the order must not depend on what else has drawn random numbers.
            shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self.order = torch.randperm(self.count, generator=shuffle)
            self.epoch = epoch
        return int(self.order[place]) * self.stride

    def batch(self, first: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples `first` to `first + size - 1` of the run: tokens and what follows each of them."""
        starts = [self.start(number) for number in range(first, first + size)]
        rows = torch.stack([self.bytes[at : at + self.sequence + 1] for at in starts])
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
