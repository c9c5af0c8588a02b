"""What the environment says: where to report, as whom. Read once for each process."""

from __future__ import annotations

import os
import sys
from typing import Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

VERSION = '0.1.0'


class Settings(NamedTuple):
    secure: bool
    host: str
    port: int
    path: str
    token: str
    attempt: Optional[str]


class Wrong(Exception):
    """A variable that cannot be used. Its text never holds the value: a URL or a token may be secret."""


def read(environment: Mapping[str, str]) -> Optional[Settings]:
    """None where nobody wants reports."""
    url = environment.get('PLIMSOLL_INGEST_URL', '')
    if not url:
        return None
    token = environment.get('PLIMSOLL_INGEST_TOKEN', '')
    if not token:
        raise Wrong('PLIMSOLL_INGEST_TOKEN is not set')
    if len(token) > 4096 or not all('!' <= character <= '~' for character in token):
        raise Wrong('PLIMSOLL_INGEST_TOKEN is not a token')
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Wrong('PLIMSOLL_INGEST_URL is not an address') from None
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise Wrong('PLIMSOLL_INGEST_URL is not an address of http or https')
    if parts.username is not None or parts.query or parts.fragment:
        raise Wrong('PLIMSOLL_INGEST_URL has a user, a query or a fragment')
    if not all('!' <= character <= '~' for character in parts.netloc + parts.path):
        raise Wrong('PLIMSOLL_INGEST_URL holds characters that an address must not')
    secure = parts.scheme == 'https'
    attempt = environment.get('PLIMSOLL_ATTEMPT', '')
    return Settings(
        secure=secure,
        host=parts.hostname,
        port=port if port is not None else 443 if secure else 80,
        path=parts.path.rstrip('/') + '/ingest/v1/facts',
        token=token,
        attempt=attempt if attempt and len(attempt) <= 128 and all('!' <= c <= '~' for c in attempt) else None,
    )


class Place(NamedTuple):
    """Which process of the job this is."""

    rank: int
    local_rank: Optional[int]
    world_size: Optional[int]
    worker: Optional[int]
    restart: Optional[int]


# torchrun; Slurm's srun; Open MPI's and MPICH's mpirun.
RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK')
LOCAL_RANKS = ('LOCAL_RANK', 'SLURM_LOCALID', 'OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID')
WORLD_SIZES = ('WORLD_SIZE', 'SLURM_NTASKS', 'OMPI_COMM_WORLD_SIZE', 'PMI_SIZE')
RANK_MAX = (1 << 20) - 1


def place(environment: Mapping[str, str]) -> Place:
    worker = number(environment, 'PLIMSOLL_NODE_RANK')
    local_rank = number(environment, *LOCAL_RANKS)
    world_size = number(environment, *WORLD_SIZES)
    rank = number(environment, *RANKS)
    if rank is None:
        rank, world = from_torch()
        world_size = world if world is not None else world_size
    if rank is None and worker is not None:
        # A worker that starts its one process itself, or tells its processes only their local rank.
        gpus = number(environment, 'PLIMSOLL_GPUS_PER_NODE') or 1
        rank = worker * gpus + (local_rank or 0) if local_rank is not None or gpus == 1 else worker
    return Place(
        rank=min(rank if rank is not None else local_rank or 0, RANK_MAX),
        local_rank=local_rank,
        world_size=world_size,
        worker=worker,
        restart=number(environment, 'TORCHELASTIC_RESTART_COUNT'),
    )


def number(environment: Mapping[str, str], *names: str) -> Optional[int]:
    for name in names:
        text = environment.get(name, '')
        if text.isascii() and text.isdigit() and len(text) < 16:
            return int(text)
    return None


def from_torch() -> tuple[Optional[int], Optional[int]]:
    """The process group's word, where there is one. torch is never imported for it."""
    torch = sys.modules.get('torch')
    try:
        distributed = torch.distributed  # type: ignore[union-attr]
        if distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank()), int(distributed.get_world_size())
    except Exception:
        pass
    return None, None


def environment() -> Mapping[str, str]:
    return os.environ
