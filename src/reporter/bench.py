"""What the reporter costs the training thread: its CPU time a step for `step` and `experts` of 58 layers x 256 experts, with a
server that takes everything. Prints one JSON object. Run it with a Python that has torch to measure tensors too.

    python bench.py [--steps 2000] [--step-ms 20] [--first] [--samples]

Between the timed calls the thread works as one that feeds a GPU: small tensor operations for some milliseconds, which
also gives the background thread its turns, and leaves nothing of the reporter in the caches. CPU time of the thread, not
wall time: other load on the machine counts only by the caches that it empties. `clock` is the same clock around nothing;
it is part of every figure. `baseline` is what one would write in five lines: the counts as JSON into a queue that another
thread empties.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from array import array

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS, EXPERTS = 58, 256
SMALL = None

# A process of its own, so that its work is not charged to this interpreter.
SERVER = '''
import gzip, http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    def do_POST(self):
        raw = self.rfile.read(int(self.headers['Content-Length']))
        facts = json.loads(gzip.decompress(raw) if self.headers['Content-Encoding'] == 'gzip' else raw)['facts']
        self.server.taken += len(facts)
        self.server.gaps += sum(fact['facts'] for fact in facts if fact['kind'] == 'gap')
        body = json.dumps({'version': 1, 'accepted': len(facts)}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.daemon_threads = True
server.taken = server.gaps = 0
print(server.server_address[1], flush=True)
import threading
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
print(json.dumps({'taken': server.taken, 'gaps': server.gaps}))
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--steps', type=int, default=2000)
    parser.add_argument('--step-ms', type=float, default=20.0, help='work of a step beside the calls')
    parser.add_argument('--first', action='store_true', help='the first input only')
    parser.add_argument('--samples', action='store_true', help='print the time of each step of the first input')
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, '-c', SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin and server.stdout
    os.environ.update(PLIMSOLL_INGEST_URL=f'http://127.0.0.1:{server.stdout.readline().strip()}',
                      PLIMSOLL_INGEST_TOKEN='bench', PLIMSOLL_ATTEMPT='bench-1')
    sys.path.insert(0, HERE)
    import plimsoll_reporter

    made = list(inputs().items())
    results = {name: measure(make, plimsoll_reporter, options) for name, make in (made[:1] if options.first else made)}
    plimsoll_reporter._close()
    server.stdin.close()
    sent = json.loads(server.stdout.read())
    server.wait()
    first = next(iter(results))
    samples = [results[name].pop('samples') for name in results][0]
    print(json.dumps({
        'name': 'reporter',
        'work': f'step and experts of {LAYERS} x {EXPERTS} ({first}), once in {options.step_ms:g} ms of small calls',
        'unit': 'us', 'ours': results[first]['median'], 'p99': results[first]['p99'], 'clock': results[first]['clock'],
        'baseline': by_hand(made[0][1], options), 'baselineIs': 'the counts as JSON into a queue that another thread empties',
        'n': options.steps, 'inputs': results, 'sent': sent, **({'samples': samples} if options.samples else {}),
    }))


def inputs() -> dict:
    """What makes the counts of a step: they were just written, as a router's are."""
    cells = [(layer * 131 + expert * 17) % 4096 for layer in range(LAYERS) for expert in range(EXPERTS)]
    made: dict = {}
    try:
        import torch
    except ImportError:
        pass
    else:
        global SMALL
        torch.set_num_threads(1)
        SMALL = torch.ones(64)
        for dtype in (torch.int64, torch.float32):
            tensor = torch.tensor(cells, dtype=dtype).reshape(LAYERS, EXPERTS)
            made[f'{dtype}'] = lambda tensor=tensor: (tensor.add_(1), None)
    numbers = array('I', cells)
    made['array of 4 bytes'] = lambda: (numbers, EXPERTS)
    made['bytes'] = lambda: (numbers.tobytes(), EXPERTS)
    return made


def measure(make, plimsoll, options) -> dict:
    layers = tuple(f'model.layers.{number}.mlp' for number in range(LAYERS))
    ours, nothing = [], []
    clock = time.thread_time_ns
    for number in range(1, options.steps + 1):
        work(options.step_ms)
        counts, experts = make()
        begun = clock()
        nothing.append(clock() - begun)
        begun = clock()
        plimsoll.experts(number, counts, layers=layers, experts=experts, tokens=4096, top_k=8)
        plimsoll.step(number, loss=2.5, tokens=4096, duration=0.005)
        ours.append(clock() - begun)
    ours.sort()
    return {'median': us(statistics.median(ours)), 'p99': us(ours[int(len(ours) * 0.99)]), 'min': us(ours[0]),
            'max': us(ours[-1]), 'clock': us(statistics.median(nothing)), 'mean': us(statistics.mean(ours)),
            'samples': [us(each) for each in ours]}


def by_hand(make, options) -> float:
    """Median of a tenth of the steps."""
    waiting: queue.Queue = queue.Queue()
    threading.Thread(target=lambda: [None for _ in iter(waiting.get, None)], daemon=True).start()
    taken = []
    for number in range(1, max(20, options.steps // 10) + 1):
        work(options.step_ms)
        counts, _ = make()
        begun = time.thread_time_ns()
        rows = counts.tolist() if hasattr(counts, 'tolist') else list(counts)
        waiting.put(json.dumps({'step': number, 'counts': rows, 'tokens': 4096}))
        taken.append(time.thread_time_ns() - begun)
    waiting.put(None)
    return us(statistics.median(taken))


def us(ns: float) -> float:
    return round(ns / 1000, 2)


def work(milliseconds: float) -> None:
    """What a training thread does that feeds a GPU: small calls, one after the other, all the time."""
    until = time.perf_counter() + milliseconds / 1000
    tensor = SMALL
    if tensor is None:
        while time.perf_counter() < until:
            math.sqrt(2.0)
    else:
        while time.perf_counter() < until:
            tensor.mul_(1.0).add_(0.0)


if __name__ == '__main__':
    main()
