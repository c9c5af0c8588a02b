"""Trains a small mixture-of-experts model on real text, with PyTorch alone, and prints what Megatron prints.

Run it with torchrun, or with python alone for one process. On SIGTERM it saves and ends with 0.
"""

from __future__ import annotations

import os
import sys
import time


def log_launch() -> None:
    """Says that this rank was started, before anything slow or fallible. One write in append mode, so that the lines
    of many ranks cannot mix."""
    path = os.environ.get('MOE_LAUNCH_LOG')
    if not path:
        return
    rank = os.environ.get('RANK') or os.environ.get('LOCAL_RANK') or '0'
    attempt = os.environ.get('PLIMSOLL_ATTEMPT') or '-'
    worker = os.environ.get('PLIMSOLL_NODE_RANK') or '0'
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f'{attempt} {worker} {rank} {boot_ms} {os.getpid()}\n'.encode())
    os.close(descriptor)


if __name__ == '__main__':
    log_launch()

import argparse  # noqa: E402
import inspect  # noqa: E402
import math  # noqa: E402
import signal  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from datetime import datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--iterations', type=positive, default=300, help='steps of the whole run')
    parser.add_argument('--micro-batch', type=positive, default=4, help='sequences per rank and step')
    parser.add_argument('--lr', type=positive_number, default=2e-3, help='highest learning rate')
    parser.add_argument('--warmup', type=positive, default=20, help='steps until the highest learning rate')
    parser.add_argument('--clip', type=positive_number, default=1.0, help='largest gradient norm')
    parser.add_argument('--bias-rate', type=rate, default=0.003, help='how fast router biases move; 0 leaves them')
    parser.add_argument('--seed', type=int, default=1234)
    parser.add_argument('--save', type=Path, default=os.environ.get('PLIMSOLL_CHECKPOINT_DIR') or None,
                        help='checkpoint folder (default: PLIMSOLL_CHECKPOINT_DIR; without either nothing is saved)')
    parser.add_argument('--save-interval', type=positive, default=50)
    parser.add_argument('--log-interval', type=positive, default=1)
    parser.add_argument('--device', choices=['auto', 'cpu', 'cuda'], default='auto')
    parser.add_argument('--exit-code-at', type=exit_point, metavar='N:CODE',
                        help='fault for tests: rank 0 ends with CODE after step N, unless a checkpoint was loaded')
    parser.add_argument('--nan-at', type=positive, metavar='N', help='fault for tests: the loss of step N is NaN')
    parsed = parser.parse_args(arguments)
    if parsed.save is not None:
        parsed.save = Path(parsed.save)
    return parsed


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return int(text)


def rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of 0 or more')
    return value


def positive_number(text: str) -> float:
    value = rate(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not above 0')
    return value


def exit_point(text: str) -> tuple[int, int]:
    step, colon, code = text.partition(':')
    if not (colon and step.isdigit() and code.isdigit() and int(step) >= 1 and int(code) <= 255):
        raise argparse.ArgumentTypeError(f'{text!r} is not N:CODE, a step and an exit code from 0 to 255')
    return int(step), int(code)


# Arguments are read before torch, so that a wrong one is refused at once and not after seconds of import.
ARGUMENTS = parse_arguments() if __name__ == '__main__' else None

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

import checkpoint  # noqa: E402
from data import TEXT, Samples  # noqa: E402
from model import MoeTransformer, Shape, balance  # noqa: E402
from reports import plimsoll  # noqa: E402

LAYERS = tuple(f'layers.{number}.mlp' for number in range(Shape.layers))


@dataclass
class Tally:
    """What the next log line will say: sums since the last one, as Megatron keeps them."""

    loss: float = 0.0
    advanced: int = 0
    skipped: int = 0
    nan: int = 0
    since: float = 0.0


class Trainer:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.device = device_of(options)
        self.global_batch = options.micro_batch * self.world
        torch.manual_seed(options.seed)
        self.samples = Samples(TEXT, Shape.sequence, options.seed)
        self.model = MoeTransformer(Shape())
        self.model.expect(self.samples.counts(Shape.vocabulary))
        self.model.to(self.device)
        self.optimizer = optimizer_of(self.model, options.lr)
        self.iteration = 0
        self.consumed = 0
        self.saved_at = -1
        with plimsoll.phase('restore'):
            self.resumed = self.resume()
        self.parallel = data_parallel(self.model)
        self.stop = False
        signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_sigterm(self, *_: object) -> None:
        self.stop = True

    def train(self) -> None:
        options = self.options
        self.mark('before the start of training step')
        tally = Tally(since=time.perf_counter())
        stopped = False
        while self.iteration < options.iterations and not stopped:
            stopped, asked = self.step(tally)
            if self.iteration % options.log_interval == 0:
                tally = self.log(tally)
            if stopped or asked or self.iteration % options.save_interval == 0 or self.iteration == options.iterations:
                self.save()
            self.exit_if_asked()
        plimsoll.done()
        self.mark('exiting program after receiving SIGTERM.' if stopped else 'after training is done')

    def step(self, tally: Tally) -> tuple[bool, bool]:
        """One step on all ranks; whether a rank was told to stop, and whether one was asked for a checkpoint."""
        options = self.options
        begun = time.perf_counter()
        learning_rate = self.learning_rate(self.iteration)
        for group in self.optimizer.param_groups:
            group['lr'] = learning_rate * group['scale']
        first = self.consumed + self.rank * options.micro_batch
        tokens, targets = self.samples.batch(first, options.micro_batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.parallel(tokens.to(self.device), targets.to(self.device))
        if options.nan_at == self.iteration + 1:
            loss = loss * math.nan
        loss.backward()
        self.grad_norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), options.clip))
        # One small reduction carries the loss and what ranks were told, so that all stop or save after the same step.
        told = torch.tensor([self.stop, plimsoll.should_checkpoint()], device=self.device, dtype=torch.float64)
        shared = torch.cat([loss.detach().double().reshape(1), told])
        dist.all_reduce(shared)
        mean_loss = float(shared[0]) / self.world
        counts = balance(self.model, options.bias_rate)
        if math.isfinite(mean_loss) and math.isfinite(self.grad_norm):
            self.optimizer.step()
            tally.loss += mean_loss
            tally.advanced += 1
        else:
            # As in Megatron a step whose loss is not finite changes nothing and counts as skipped and as NaN.
            tally.skipped += 1
            tally.nan += int(not math.isfinite(mean_loss))
        self.iteration += 1
        self.consumed += self.global_batch
        self.report(counts, mean_loss, time.perf_counter() - begun)
        return float(shared[1]) > 0, float(shared[2]) > 0

    def report(self, counts: torch.Tensor, loss: float, duration: float) -> None:
        """Rank 0 speaks for all: `balance` has already summed the counts over the ranks."""
        if self.rank != 0:
            return
        tokens = self.global_batch * Shape.sequence
        plimsoll.experts(self.iteration, counts, layers=LAYERS, tokens=tokens, top_k=Shape.top_k, flags=('summed',))
        plimsoll.step(self.iteration, loss=loss, tokens=tokens, samples=self.consumed, duration=duration)

    def learning_rate(self, iteration: int) -> float:
        """Linear warm-up, then a cosine down to a tenth: a function of the iteration, so nothing needs saving."""
        warmup, end = self.options.warmup, max(self.options.iterations, self.options.warmup + 1)
        if iteration < warmup:
            return self.options.lr * (iteration + 1) / warmup
        progress = (iteration - warmup) / (end - warmup)
        return self.options.lr * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))

    def log(self, tally: Tally) -> Tally:
        now = time.perf_counter()
        steps = tally.advanced + tally.skipped
        if self.rank == self.world - 1:
            say(iteration_line(
                when=datetime.now(), iteration=self.iteration, iterations=self.options.iterations,
                consumed=self.consumed, step_ms=(now - tally.since) * 1000 / max(1, steps),
                learning_rate=self.optimizer.param_groups[0]['lr'], global_batch=self.global_batch,
                loss=tally.loss / tally.advanced if tally.advanced else None, grad_norm=self.grad_norm,
                skipped=tally.skipped, nan=tally.nan))
        return Tally(since=now)

    def save(self) -> None:
        root = self.options.save
        if root is None or self.saved_at == self.iteration:
            return
        with plimsoll.phase('checkpoint'):
            self.write(root)
            # Nobody goes on, and nobody exits, before the checkpoint is durable.
            dist.barrier()
        self.saved_at = self.iteration
        if self.rank == 0:
            plimsoll.checkpoint_durable(self.iteration, checkpoint.folder_of(root, self.iteration))
        else:
            plimsoll.checkpoint_saved(self.iteration)

    def write(self, root: Path) -> None:
        if self.rank == 0:
            say(f'saving checkpoint at iteration {self.iteration:7d} to {root} in torch format')
            checkpoint.save(root, self.iteration, {
                'iteration': self.iteration,
                'consumed_samples': self.consumed,
                'seed': self.options.seed,
                'model': self.model.state_dict(),
                'optimizer': self.optimizer.state_dict(),
                'rng_state': torch.get_rng_state(),
            })
            say(f'  successfully saved checkpoint from iteration {self.iteration:7d} to {root}')

    def resume(self) -> bool:
        root = self.options.save
        if root is None:
            return False
        # Rank 0 reads and sends, so that all ranks begin from the same bytes even where the folder is not shared.
        found: list = [None]
        if self.rank == 0:
            root.mkdir(parents=True, exist_ok=True)
            found = [checkpoint.load_newest(root, say)]
        if self.world > 1:
            dist.broadcast_object_list(found, src=0, device=self.device)
        if found[0] is None:
            return False
        self.iteration, state = found[0]
        if state['seed'] != self.options.seed:
            raise SystemExit(f'the checkpoint was made with --seed {state["seed"]}, not {self.options.seed}: '
                             'its data order would not go on')
        self.consumed = state['consumed_samples']
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        torch.set_rng_state(state['rng_state'])
        self.saved_at = self.iteration
        plimsoll.resumed(self.iteration)
        if self.rank == 0:
            say(f'  successfully loaded checkpoint from {root} at iteration {self.iteration}')
        return True

    def exit_if_asked(self) -> None:
        point = self.options.exit_code_at
        if point and self.rank == 0 and not self.resumed and self.iteration == point[0]:
            sys.stdout.flush()
            os._exit(point[1])

    def mark(self, phase: str) -> None:
        if self.rank == 0:
            say(f'[{phase}] datetime: {datetime.now():%Y-%m-%d %H:%M:%S.%f}')


def iteration_line(*, when: datetime, iteration: int, iterations: int, consumed: int, step_ms: float,
                   learning_rate: float, global_batch: int, loss: float | None, grad_norm: float, skipped: int,
                   nan: int) -> str:
    """Megatron's line. The loss is left out where no step of the interval had one, as Megatron does."""
    fields = [
        f' [{when:%Y-%m-%d %H:%M:%S.%f}] iteration {iteration:8d}/{iterations:8d}',
        f' consumed samples: {consumed:12d}',
        f' elapsed time per iteration (ms): {step_ms:.1f}',
        f' learning rate: {learning_rate:.6E}',
        f' global batch size: {global_batch:5d}',
        f' lm loss: {loss:.6E}' if loss is not None else None,
        ' loss scale: 1.0',
        f' grad norm: {grad_norm:.3f}',
        f' number of skipped iterations: {skipped:3d}',
        f' number of nan iterations: {nan:3d}',
    ]
    return ' |'.join(field for field in fields if field is not None) + ' |'


def say(text: str) -> None:
    # One write: print() writes the end of the line separately, and ranks that share a pipe would glue their lines.
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


def device_of(options: argparse.Namespace) -> torch.device:
    if options.device == 'cpu' or (options.device == 'auto' and not torch.cuda.is_available()):
        return torch.device('cpu')
    if not torch.cuda.is_available():
        raise SystemExit('--device cuda: PyTorch sees no GPU; use --device cpu')
    return torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0')))


def optimizer_of(model: MoeTransformer, learning_rate: float) -> torch.optim.Optimizer:
    """Routers learn ten times slower: at the full rate their scores drift apart faster than the biases, which move by
    a fixed small amount a step, can bring the experts back together."""
    routers = [router.weight for router in model.routers()]
    others = [parameter for parameter in model.parameters() if all(parameter is not router for router in routers)]
    groups = [{'params': others, 'scale': 1.0}, {'params': routers, 'scale': 0.1}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1)


def data_parallel(model: MoeTransformer) -> DistributedDataParallel:
    """The biases are moved alike on all ranks, so buffers need not be sent around; PyTorch has renamed that option."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    buffers = 'forward_sync_buffers' if 'forward_sync_buffers' in known else 'broadcast_buffers'
    return DistributedDataParallel(model, gradient_as_bucket_view=True, **{buffers: False})


def start_group(options: argparse.Namespace) -> None:
    device = device_of(options)
    if device.type == 'cuda':
        torch.cuda.set_device(device)
    elif 'OMP_NUM_THREADS' not in os.environ:
        # Ranks share the cores of this machine; more threads than cores make each of them slower.
        torch.set_num_threads(1)
    backend = 'nccl' if device.type == 'cuda' else 'gloo'
    timeout = timedelta(minutes=5)
    if 'RANK' in os.environ:
        dist.init_process_group(backend, timeout=timeout)
    else:
        dist.init_process_group(backend, timeout=timeout, store=dist.HashStore(), rank=0, world_size=1)


def main(options: argparse.Namespace) -> None:
    start_group(options)
    trainer = Trainer(options)
    trainer.mark('after model, optimizer, and learning rate scheduler are built')
    trainer.train()
    sys.stdout.flush()
    # A live DDP object keeps the group alive, and a live group can abort the process at exit, after all work was done.
    del trainer.parallel
    dist.destroy_process_group()


if __name__ == '__main__':
    main(ARGUMENTS)
