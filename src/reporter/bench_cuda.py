"""What the reporter costs training on a CUDA device: a mixture-of-experts model of 58 layers x 256 experts, whose routers are watched,
beside the same model with the same weights unwatched, in turns of some steps. Prints one JSON object.

    python bench_cuda.py [--turns 20] [--steps 8]

Two sizes: `wide` keeps the device busy, as training does: the thread that feeds it runs ahead, and the question is the time of the
device. `narrow` waits for the thread that feeds it, so that each call which counts is seen in full. `call` is the CPU time of
`step(...)` with the loss as a tensor of the device, which also starts the copy of the counts; `waits` is whether any call of ours waited
for the device (PyTorch's own check). Nothing of the model computes anything that matters.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch

from bench import SERVER

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS, EXPERTS, TOP_K = 58, 256, 8
SIZES = {'wide': (16_384, 2_048, 8_192), 'narrow': (256, 128, 128)}  # tokens, width, width of the dense part


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--turns', type=int, default=20)
    parser.add_argument('--steps', type=int, default=8, help='steps of a turn')
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, '-c', SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin and server.stdout
    os.environ.update(PLIMSOLL_INGEST_URL=f'http://127.0.0.1:{server.stdout.readline().strip()}',
                      PLIMSOLL_INGEST_TOKEN='bench', PLIMSOLL_ATTEMPT='bench-1')
    sys.path.insert(0, HERE)
    import plimsoll_reporter

    torch.manual_seed(1)
    results = {name: measure(plimsoll_reporter, size, options) for name, size in SIZES.items()}
    plimsoll_reporter._close()
    server.stdin.close()
    sent = json.loads(server.stdout.read())
    server.wait()
    print(json.dumps({'name': 'reporter on a device', 'device': torch.cuda.get_device_name(), 'torch': torch.__version__,
                      'layers': LAYERS, 'experts': EXPERTS, 'topK': TOP_K, 'sizes': results, 'sent': sent}))


def model_of(width: int, inner: int) -> torch.nn.Module:
    """With classes of its own: watching wraps the class, and the other model must know nothing of it."""

    class Experts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.num_experts = EXPERTS
            self.up = torch.nn.Linear(width, inner, bias=False)
            self.down = torch.nn.Linear(inner, width, bias=False)

        def forward(self, hidden, top_k_index, top_k_weights):
            return self.down(torch.nn.functional.silu(self.up(hidden))) * top_k_weights.sum(-1, keepdim=True)

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = torch.nn.Linear(width, EXPERTS, bias=False)
            self.experts = Experts()

        def forward(self, hidden):
            weights, index = self.router(hidden).float().softmax(-1).topk(TOP_K, -1)
            return hidden + self.experts(hidden, index, weights.to(hidden.dtype))

    return torch.nn.Sequential(*(Block() for _ in range(LAYERS))).to('cuda', torch.bfloat16)


def measure(plimsoll, size: tuple, options) -> dict:
    tokens, width, inner = size
    watched, plain = model_of(width, inner), model_of(width, inner)
    for ours, theirs in zip(watched.parameters(), plain.parameters()):
        theirs.data = ours.data
    names = plimsoll.watch_experts(watched)
    assert len(names) == LAYERS, names
    given = torch.randn(tokens, width, device='cuda', dtype=torch.bfloat16)
    number = 0
    calls: list = []
    waited = False

    def train(model, told: bool) -> None:
        nonlocal number, waited
        loss = model(given).float().pow(2).mean()
        loss.backward()
        model.zero_grad(set_to_none=True)
        if not told:
            return
        number += 1
        torch.cuda.set_sync_debug_mode('error')
        begun = time.thread_time_ns()
        # Straight to the reporter: the public function would swallow the error that says that it waited.
        try:
            plimsoll._reporter.step(number, loss.detach(), tokens, None, None, 1)
        except RuntimeError as error:
            waited = True
            print(error, file=sys.stderr)
        calls.append(time.thread_time_ns() - begun)
        torch.cuda.set_sync_debug_mode('default')

    def turn(model, told: bool) -> tuple:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        clock, cpu = time.perf_counter(), time.thread_time()
        begin.record()
        for _ in range(options.steps):
            train(model, told)
        end.record()
        cpu = time.thread_time() - cpu
        torch.cuda.synchronize()
        wall = time.perf_counter() - clock
        return (begin.elapsed_time(end) / options.steps, wall * 1000 / options.steps, cpu * 1000 / options.steps)

    for _ in range(3):
        turn(plain, False), turn(watched, True)
    calls.clear()
    took: dict = {'plain': [], 'watched': [], 'plain again': []}
    for _ in range(options.turns):
        took['plain'].append(turn(plain, False))
        took['watched'].append(turn(watched, True))
        took['plain again'].append(turn(plain, False))

    def middle(name: str, column: int) -> float:
        return statistics.median(each[column] for each in took[name])

    return {
        'stepMs': {name: round(middle(name, 1), 3) for name in took},
        'cpuMs': {name: round(middle(name, 2), 3) for name in took},
        'ratio': round(middle('watched', 1) / statistics.mean((middle('plain', 1), middle('plain again', 1))), 4),
        'noise': round(middle('plain again', 1) / middle('plain', 1), 4),
        'callUs': {'median': statistics.median(calls) / 1000, 'p99': sorted(calls)[int(len(calls) * 0.99)] / 1000},
        'waits': waited, 'steps': number,
    }


if __name__ == '__main__':
    main()
