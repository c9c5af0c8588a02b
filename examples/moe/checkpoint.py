"""Checkpoints that are whole or absent, in Megatron's layout.

`iter_0000050/mp_rank_00/model_optim_rng.pt` is written under a temporary name, synced and renamed; only then is the
tracker `latest_checkpointed_iteration.txt` replaced in the same way. So whoever reads the tracker may rely on the
file that it names, whenever the writer was killed. A checksum beside the file tells a file that was damaged later.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from pathlib import Path

import torch

TRACKER = 'latest_checkpointed_iteration.txt'
FILE = Path('mp_rank_00') / 'model_optim_rng.pt'
KEPT = 2


class Damaged(Exception):
    """A checkpoint that is there but cannot be used."""


def save(root: Path, iteration: int, state: dict) -> None:
    path = folder_of(root, iteration) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    # A file of this name may be left from a history that was given up. Its checksum must not stand beside the new
    # content, nor the new checksum beside the old content: without a checksum a checkpoint counts as damaged.
    checksum_of(path).unlink(missing_ok=True)
    write_durably(path, content)
    write_durably(checksum_of(path), hashlib.sha256(content).hexdigest().encode() + b'\n')
    sync_folder(path.parent.parent)
    sync_folder(root)
    write_durably(root / TRACKER, f'{iteration}\n'.encode())
    drop_old(root, iteration)


def load_newest(root: Path, say) -> tuple[int, dict] | None:
    """The newest usable checkpoint up to the tracker's iteration, or None where nothing was ever saved. What is passed
    over is said aloud; when nothing is usable the run ends, because to begin again would overwrite the evidence."""
    tracker = root / TRACKER
    try:
        text = tracker.read_text().strip()
    except FileNotFoundError:
        return None
    saved = iterations(root)
    if text.isdigit():
        candidates = [iteration for iteration in saved if iteration <= int(text)]
        if int(text) not in saved:
            say(f'WARNING: {tracker} names iteration {text}, which is not there; looking for the one before')
    else:
        candidates = saved
        say(f'WARNING: {tracker} is damaged: it says {text!r}; looking for the newest checkpoint')
    for iteration in reversed(candidates):
        try:
            return iteration, load(root, iteration)
        except Damaged as damage:
            say(f'WARNING: checkpoint at iteration {iteration} in {root} is damaged ({damage}); using the one before')
    raise SystemExit(f'no usable checkpoint in {root}; move the folder away to begin again')


def load(root: Path, iteration: int) -> dict:
    path = folder_of(root, iteration) / FILE
    try:
        content = path.read_bytes()
        checksum = checksum_of(path).read_text().strip()
    except OSError as error:
        raise Damaged(f'{Path(error.filename).name}: {error.strerror}') from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise Damaged(f'{path.name} does not match its checksum')
    try:
        state = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    except Exception as error:  # torch.load raises whatever the unpickler does
        raise Damaged(f'{path.name} cannot be read: {error}') from error
    if state.get('iteration') != iteration:
        raise Damaged(f'{path.name} holds iteration {state.get("iteration")}')
    return state


def iterations(root: Path) -> list[int]:
    names = (re.fullmatch(r'iter_(\d{7,})', entry.name) for entry in root.iterdir())
    return sorted(int(name.group(1)) for name in names if name)


def folder_of(root: Path, iteration: int) -> Path:
    return root / f'iter_{iteration:07d}'


def checksum_of(path: Path) -> Path:
    return path.with_name(path.name + '.sha256')


def drop_old(root: Path, newest: int) -> None:
    """Keeps the newest two. A higher number than the tracker's belongs to a history that was given up."""
    saved = iterations(root)
    kept = [iteration for iteration in saved if iteration <= newest][-KEPT:]
    for iteration in saved:
        if iteration not in kept:
            shutil.rmtree(folder_of(root, iteration), ignore_errors=True)


def write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    with open(temporary, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
