"""Run with `python -m unittest discover -s examples/moe` in an environment that has PyTorch."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPORTER = HERE.parent.parent / 'src' / 'reporter'
sys.path.insert(0, str(HERE))

import torch  # noqa: E402

import checkpoint  # noqa: E402
import train  # noqa: E402
from data import TEXT, Samples  # noqa: E402
from model import MoeTransformer, Shape, balance, max_violation  # noqa: E402

MEGATRON = re.compile(
    r'^ \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] iteration +(?P<iteration>\d+)/ +(?P<of>\d+)'
    r' \| consumed samples: +(?P<consumed>\d+)'
    r' \| elapsed time per iteration \(ms\): \d+\.\d'
    r' \| learning rate: \d\.\d{6}E[+-]\d\d'
    r' \| global batch size: +(?P<batch>\d+)'
    r'(?: \| lm loss: (?P<loss>\d\.\d{6}E[+-]\d\d))?'
    r' \| loss scale: \d+\.\d'
    r' \| grad norm: (?:\d+\.\d{3}|nan)'
    r' \| number of skipped iterations: +(?P<skipped>\d+)'
    r' \| number of nan iterations: +(?P<nan>\d+) \|$')


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith('PLIMSOLL_')}
    return {**kept, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '', **more}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(HERE / 'train.py'), *arguments], env=environment(**env), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


def losses(output: str) -> dict[int, str]:
    found = (MEGATRON.match(line) for line in output.splitlines())
    return {int(line['iteration']): line['loss'] for line in found if line}


class Routing(unittest.TestCase):
    def train_steps(self, rate: float, steps: int) -> torch.Tensor:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        model = MoeTransformer(Shape())
        samples = Samples(TEXT, Shape.sequence, seed=0)
        model.expect(samples.counts(Shape.vocabulary))
        optimizer = train.optimizer_of(model, 2e-3)
        violations = []
        for step in range(steps):
            for group in optimizer.param_groups:
                group['lr'] = 2e-3 * group['scale'] * min(1, (step + 1) / 20)
            model(*samples.batch(4 * step, 4)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            counts = balance(model, rate)
            self.assertEqual(counts.sum(-1).tolist(), [4 * Shape.sequence * Shape.top_k] * Shape.layers)
            violations.append(max_violation(counts).mean())
        return torch.stack(violations[-10:]).mean()

    def test_balancing_lowers_the_violation_and_every_token_is_counted(self) -> None:
        balanced, unbalanced = self.train_steps(0.003, 120), self.train_steps(0.0, 120)
        self.assertLess(balanced, 0.6 * unbalanced)

    def test_evaluation_is_not_counted(self) -> None:
        model = MoeTransformer(Shape())
        with torch.no_grad():
            model(*Samples(TEXT, Shape.sequence, seed=0).batch(0, 2))
        self.assertEqual(int(balance(model, 0.0).sum()), 0)

    def test_experts_equal_a_plain_sum_over_the_chosen(self) -> None:
        torch.manual_seed(1)
        layer = MoeTransformer(Shape()).layers[0].mlp
        hidden = torch.randn(32, Shape.width)
        _, weights, indices = layer.gate(hidden)
        plain = torch.zeros_like(hidden)
        for token in range(32):
            for weight, expert in zip(weights[token], indices[token]):
                gate, up = (layer.experts.gate_up[expert] @ hidden[token]).chunk(2)
                inner = torch.nn.functional.silu(gate) * up
                plain[token] += weight * (layer.experts.down[expert] @ inner)
        torch.testing.assert_close(layer.experts(hidden, indices, weights), plain)

    def test_each_expert_has_a_gradient_even_when_no_token_chose_it(self) -> None:
        model = MoeTransformer(Shape())
        with torch.no_grad():
            for router in model.routers():
                router.e_score_correction_bias[3] = -10.0
        model(*Samples(TEXT, Shape.sequence, seed=0).batch(0, 1)).backward()
        self.assertEqual(int(model.routers()[0].routed_tokens[3]), 0)
        self.assertTrue(all(parameter.grad is not None for parameter in model.parameters()))

    def test_the_run_spec_states_the_real_counts(self) -> None:
        total, active = MoeTransformer(Shape()).parameter_counts()
        spec = (HERE / 'run.yaml').read_text()
        stated = {key: int(value) for key, value in re.findall(r'(\w+): (\d+)', spec)}
        iterations = int(re.search(r'--iterations=(\d+)', spec)[1])
        workers = stated['nodes'] * stated['gpusPerNode']
        batch = train.parse_arguments([]).micro_batch * workers
        self.assertEqual((stated['parameters'], stated['activeParameters']), (total, active))
        self.assertEqual(stated['sequenceLength'], Shape.sequence)
        self.assertEqual(stated['tokens'], iterations * batch * Shape.sequence)


class Data(unittest.TestCase):
    def test_an_epoch_has_every_sample_once_and_the_next_has_another_order(self) -> None:
        samples = Samples(TEXT, Shape.sequence, seed=5)
        first = [samples.start(number) for number in range(samples.count)]
        second = [samples.start(number) for number in range(samples.count, 2 * samples.count)]
        self.assertEqual(sorted(first), sorted(second))
        self.assertEqual(len(set(first)), samples.count)
        self.assertNotEqual(first, second)

    def test_order_does_not_depend_on_how_it_is_read(self) -> None:
        whole, parts = Samples(TEXT, Shape.sequence, seed=5), Samples(TEXT, Shape.sequence, seed=5)
        tokens, _ = whole.batch(whole.count - 3, 6)
        pieces = [parts.batch(whole.count - 3 + 2 * part, 2)[0] for part in range(3)]
        self.assertTrue(torch.equal(tokens, torch.cat(pieces)))


class Lines(unittest.TestCase):
    def test_the_iteration_line_is_megatrons(self) -> None:
        line = train.iteration_line(
            when=datetime(2026, 11, 25, 22, 59, 36, 123456), iteration=43, iterations=100, consumed=5504,
            step_ms=5444.9, learning_rate=8.6e-6, global_batch=128, loss=1.825991, grad_norm=1.426, skipped=0, nan=0)
        self.assertEqual(line, ' [2026-11-25 22:59:36.123456] iteration       43/     100 | consumed samples:         5504'
                               ' | elapsed time per iteration (ms): 5444.9 | learning rate: 8.600000E-06'
                               ' | global batch size:   128 | lm loss: 1.825991E+00 | loss scale: 1.0'
                               ' | grad norm: 1.426 | number of skipped iterations:   0'
                               ' | number of nan iterations:   0 |')
        self.assertTrue(MEGATRON.match(line))

    def test_wrong_arguments_are_named(self) -> None:
        for wrong in (['--iterations', '0'], ['--exit-code-at', '5'], ['--bias-rate', '-1'], ['--lr', 'nan']):
            with self.subTest(wrong), self.assertRaises(SystemExit) as ended:
                error = io.StringIO()
                with contextlib.redirect_stderr(error):
                    train.parse_arguments(wrong)
            self.assertEqual(ended.exception.code, 2)
            self.assertIn(wrong[0], error.getvalue())


class Running(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_resumed_run_repeats_the_uninterrupted_one_exactly(self) -> None:
        common = ['--iterations', '30', '--save-interval', '10']
        whole = run(*common)
        self.assertEqual(whole.returncode, 0, whole.stdout)
        saved = str(self.folder / 'saved')
        first = run(*common, '--save', saved, '--exit-code-at', '25:7')
        self.assertEqual(first.returncode, 7, first.stdout)
        second = run(*common, '--exit-code-at', '25:7', PLIMSOLL_CHECKPOINT_DIR=saved)
        self.assertEqual(second.returncode, 0, second.stdout)
        self.assertIn(f'  successfully loaded checkpoint from {saved} at iteration 20\n', second.stdout)
        expected = losses(whole.stdout)
        self.assertEqual(len(expected), 30)
        self.assertEqual(losses(second.stdout), {step: expected[step] for step in range(21, 31)})
        self.assertEqual(checkpoint.iterations(Path(saved)), [20, 30])

        newest = Path(saved) / 'iter_0000030' / checkpoint.FILE
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
        third = run(*common, '--save', saved)
        self.assertEqual(third.returncode, 0, third.stdout)
        self.assertIn('checkpoint at iteration 30', third.stdout)
        self.assertIn(f'  successfully loaded checkpoint from {saved} at iteration 20\n', third.stdout)
        self.assertEqual(losses(third.stdout), losses(second.stdout))

    def test_a_nan_is_counted_and_changes_nothing(self) -> None:
        ended = run('--iterations', '4', '--nan-at', '3')
        lines = [MEGATRON.match(line) for line in ended.stdout.splitlines()]
        lines = [line for line in lines if line]
        self.assertEqual([line['nan'] for line in lines], ['0', '0', '1', '0'], ended.stdout)
        self.assertIsNone(lines[2]['loss'])
        self.assertIsNotNone(lines[3]['loss'])

    def start_gang(self, *arguments: str) -> subprocess.Popen:
        gang = subprocess.Popen(
            [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
             str(HERE / 'train.py'), '--iterations', '100000', '--save', str(self.folder / 'saved'), *arguments],
            env=environment(MOE_LAUNCH_LOG=str(self.folder / 'launches'), PLIMSOLL_ATTEMPT='run/1'),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(gang.stdout.close)
        self.addCleanup(lambda: gang.poll() is None and gang.kill())
        self.output = ''
        for line in gang.stdout:
            self.output += line
            found = MEGATRON.match(line)
            if found and int(found['consumed']) >= self.wanted:
                return gang
        self.fail(self.output)

    def test_a_gang_saves_and_ends_with_0_on_sigterm_and_goes_on_from_there(self) -> None:
        self.wanted = 40
        gang = self.start_gang()
        launches = [line.split() for line in (self.folder / 'launches').read_text().splitlines()]
        self.assertEqual(sorted(launch[:3] for launch in launches), [['run/1', '0', '0'], ['run/1', '0', '1']])
        # One rank is told, both stop after the same step.
        told = time.monotonic()
        os.kill(int(launches[0][4]), signal.SIGTERM)
        self.output += gang.communicate(timeout=60)[0]
        self.assertEqual(gang.returncode, 0, self.output)
        self.assertLess(time.monotonic() - told, 10)
        self.assertEqual(self.output.count('[exiting program after receiving SIGTERM.] datetime: '), 1)
        self.assertEqual(self.output.count('[after model, optimizer, and learning rate scheduler are built]'), 1)
        self.assertEqual(self.output.count('[before the start of training step]'), 1)
        self.assertNotIn('[after training is done]', self.output)
        saved = int((self.folder / 'saved' / checkpoint.TRACKER).read_text())
        self.assertEqual(saved, max(losses(self.output)))
        self.assertRegex(self.output, f'successfully saved checkpoint from iteration {saved:7d} to ')

        self.wanted = 8 * (saved + 3)
        gang = self.start_gang()
        gang.terminate()
        # The agent itself ends with 1 whatever its ranks do; what counts is that they saved.
        self.output += gang.communicate(timeout=60)[0]
        self.assertIn(f'at iteration {saved}\n', self.output)
        self.assertEqual(min(losses(self.output)), saved + 1)
        self.assertEqual(int((self.folder / 'saved' / checkpoint.TRACKER).read_text()), max(losses(self.output)))


@unittest.skipUnless(REPORTER.is_dir(), 'the reporter is not beside this example')
class Reporting(unittest.TestCase):
    def setUp(self) -> None:
        self.facts: dict[tuple[str, int], dict] = {}
        self.directives: list[dict] = []
        test = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers['Content-Length']))
                if self.headers['Content-Encoding'] == 'gzip':
                    body = gzip.decompress(body)
                batch = json.loads(body)
                for fact in batch['facts']:
                    test.facts[batch['source'], fact['seq']] = {**fact, 'rank': batch['rank']}
                answer = json.dumps({'version': 1, 'accepted': len(batch['facts']), 'directives': test.directives}).encode()
                self.send_response(200)
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.saved = folder.name
        self.environment = {'PYTHONPATH': str(REPORTER), 'PLIMSOLL_INGEST_TOKEN': 'token',
                            'PLIMSOLL_INGEST_URL': f'http://127.0.0.1:{server.server_address[1]}'}

    def of(self, kind: str) -> list[dict]:
        return [fact for _, fact in sorted(self.facts.items()) if fact['kind'] == kind]

    def test_what_a_run_does_is_reported_and_a_resume_goes_on(self) -> None:
        for iterations in ('4', '6'):
            ended = run('--iterations', iterations, '--save', self.saved, '--nan-at', '2', **self.environment)
            self.assertEqual(ended.returncode, 0, ended.stdout)
        steps = {fact['step']: fact for fact in self.of('step')}
        self.assertEqual(sorted(steps), [1, 2, 3, 4, 5, 6])
        self.assertEqual((steps[2]['loss'], steps[6]['samples'], steps[6]['tokens']), ('NaN', 24, 4 * Shape.sequence))
        for fact in self.of('experts'):
            self.assertEqual((len(fact['layers']), fact['experts']), (Shape.layers, Shape.experts))
            counts = torch.frombuffer(bytearray(base64.b64decode(fact['counts'])), dtype=torch.int32)
            sums = counts.reshape(Shape.layers, Shape.experts).sum(-1).tolist()
            self.assertEqual(sums, [4 * Shape.sequence * Shape.top_k] * Shape.layers)
        self.assertEqual([fact['step'] for fact in self.of('resumed')], [4])
        self.assertEqual(sorted(fact['step'] for fact in self.of('checkpoint')), [4, 6])
        self.assertEqual(len(self.of('done')), 2)

    def test_a_checkpoint_that_is_asked_for_is_made_by_all_ranks_while_training_goes_on(self) -> None:
        self.directives = [{'id': 'now', 'version': 1, 'kind': 'checkpoint', 'withinMs': 60_000}]
        gang = subprocess.run(
            [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', str(HERE / 'train.py'),
             '--iterations', '150', '--save-interval', '100000', '--save', self.saved],
            env=environment(**self.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(gang.returncode, 0, gang.stdout)
        outcomes = [(fact['outcome'], fact['step']) for fact in self.of('directive') if fact['rank'] == 0]
        self.assertEqual([outcome for outcome, _ in outcomes], ['received', 'done'], gang.stdout)
        durable = sorted(fact['step'] for fact in self.of('checkpoint') if fact['state'] == 'durable')
        self.assertEqual(durable[-1], 150)
        self.assertIn(outcomes[1][1], durable)
        self.assertEqual(sorted({fact['step'] for fact in self.of('step')}), list(range(1, 151)))


if __name__ == '__main__':
    unittest.main()
