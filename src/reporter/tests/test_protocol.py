"""What goes over the wire is what docs/ingest-v1.md says."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from array import array

import pytest

from conftest import ROOT, TOKEN, run
from plimsoll_reporter import _settings, _values, _wire
from plimsoll_reporter._buffer import Said

DOCUMENT = ROOT.parent.parent / 'docs' / 'ingest-v1.md'


def test_every_kind_arrives_with_all_its_keys(reporter, server):
    reporter.resumed(40)
    with reporter.phase('evaluate'):
        reporter.step(41, loss=2.5, tokens=4096, samples=1312, duration=0.25)
    reporter.experts(41, [[1, 2], [3, 4]], layers=['a', 'b'], tokens=5, top_k=1)
    reporter.checkpoint_saved(41, '/ckpt/41')
    reporter.checkpoint_durable(41)
    reporter.done()
    server.until(lambda: server.of('done'))
    facts = [{key: value for key, value in fact.items() if key != 'at'} for fact in server.facts]
    assert facts == [
        {'seq': 1, 'kind': 'resumed', 'step': 40},
        {'seq': 2, 'kind': 'phase', 'phase': 'evaluate', 'edge': 'begin'},
        {'seq': 3, 'kind': 'step', 'step': 41, 'steps': 1, 'durationMs': 250.0, 'loss': 2.5, 'tokens': 4096,
         'samples': 1312},
        {'seq': 4, 'kind': 'phase', 'phase': 'evaluate', 'edge': 'end'},
        {'seq': 5, 'kind': 'experts', 'step': 41, 'layers': ['a', 'b'], 'experts': 2,
         'counts': base64.b64encode(struct.pack('<4I', 1, 2, 3, 4)).decode(), 'tokens': 5, 'topK': 1, 'flags': ['local']},
        {'seq': 6, 'kind': 'checkpoint', 'step': 41, 'state': 'saved', 'path': '/ckpt/41'},
        {'seq': 7, 'kind': 'checkpoint', 'step': 41, 'state': 'durable', 'path': None},
        {'seq': 8, 'kind': 'done'},
    ]
    batch = server.batches[0]
    assert set(batch) == {'version', 'source', 'startedAt', 'sentAt', 'rank', 'localRank', 'worldSize', 'worker',
                          'restart', 'reporter', 'obeys', 'facts'}
    assert batch['version'] == 1 and re.fullmatch('[0-9a-f]{16}', batch['source'])
    assert batch['startedAt'] <= server.facts[0]['at'] <= batch['sentAt']
    request = server.requests[0]
    assert request['path'] == '/ingest/v1/facts'
    assert request['headers']['Authorization'] == f'Bearer {TOKEN}'
    assert request['headers']['Content-Type'] == 'application/json'


def test_the_worked_example_of_the_document_is_what_the_encoder_makes():
    text = DOCUMENT.read_text(encoding='utf-8')
    body = re.search(r'<!-- example:request -->\n+```\n(.*?)\n```', text, re.S)
    length = re.search(r'Content-Length: (\d+)\n\n', body[1])
    sent = body[1].split('\n\n', 1)[1].encode()
    assert len(sent) == int(length[1])
    batch = json.loads(sent)
    counts = _values.take_counts(array('I', [3, 1, 0, 4]), 2)
    said = [
        Said(1, 1795651200123, 'resumed', (40,)),
        Said(2, 1795651201456, 'step', (41, 1, 1.2065, math.nan, 1024, 328)),
        Said(3, 1795651201456, 'experts', (41, ('layers.0.mlp', 'layers.1.mlp'), counts, 2, 2, ('local',))),
    ]
    facts = [_wire.fact(one) for one in said]
    envelope = {key: value for key, value in batch.items() if key != 'facts'}
    assert _wire.batch(envelope, facts) == sent


@pytest.mark.parametrize('given, sent', [
    (math.nan, 'NaN'), (math.inf, 'Infinity'), (-math.inf, '-Infinity'), (None, None), (3, 3.0), (1e-7, 1e-7),
])
def test_a_loss_that_json_does_not_know_is_a_word(given, sent):
    fact = json.loads(_wire.fact(Said(1, 1, 'step', (1, 1, None, given, None, None))), parse_constant=pytest.fail)
    assert fact['loss'] == sent


@pytest.mark.parametrize('values', [
    ('x', 1, None, None, None, None), (-1, 1, None, None, None, None), (1.5, 1, None, None, None, None),
    (1 << 53, 1, None, None, None, None), (1, 0, None, None, None, None), (1, 1, -0.1, None, None, None),
    (1, 1, math.nan, None, None, None), (1, 1, None, '2.5', None, None), (1, 1, None, None, -4, None),
    (None, 1, None, None, None, None), (math.inf, 1, None, None, None, None),
])
def test_what_is_no_step_is_refused(values):
    with pytest.raises((_values.Invalid, TypeError, ValueError, OverflowError)):
        _wire.fact(Said(1, 1, 'step', values))


def unpacked(counts, experts=None):
    taken = _values.take_counts(counts, experts)
    packed, saturated = _values.read_counts(taken)
    cells = struct.unpack(f'<{len(packed) // 4}I', packed)
    return taken.layers, taken.experts, list(cells), saturated


@pytest.mark.parametrize('form', 'bhilqHILQfd')
def test_counts_of_every_number_format(form):
    assert unpacked(array(form, [0, 1, 100, 7]), 2) == (2, 2, [0, 1, 100, 7], False)


def test_counts_as_lists_bytes_and_one_layer():
    assert unpacked([[1, 2], [3, 4]]) == (2, 2, [1, 2, 3, 4], False)
    assert unpacked([1.0, 2.0, 3.0]) == (1, 3, [1, 2, 3], False)
    assert unpacked(struct.pack('<3I', 1, 2, 3), 3) == (1, 3, [1, 2, 3], False)
    assert unpacked(memoryview(array('Q', range(6))).cast('B').cast('Q', (2, 3))) == (2, 3, list(range(6)), False)


def test_counts_too_large_are_saturated_and_say_so():
    assert unpacked(array('Q', [1 << 32, 5]), 2) == (1, 2, [(1 << 32) - 1, 5], True)
    fact = json.loads(_wire.fact(Said(1, 1, 'experts', (
        1, None, _values.take_counts(array('Q', [1 << 40]), 1), None, None, ('local',)))))
    assert fact['flags'] == ['local', 'saturated'] and fact['layers'] == ['0']


@pytest.mark.parametrize('counts, experts', [
    (array('q', [-1, 2]), 2), (array('i', [-1, 2]), 2), (array('d', [math.nan]), 1), (array('I', [1, 2, 3]), 2),
    (b'12345', 1), ([], None), ([[1], [1, 2]], None), (array('I', [1]), None), (array('I', bytes(4 * 5000)), 5000),
    ([['x']], None), ('text', None), (None, None),
])
def test_what_is_no_counts_is_refused(counts, experts):
    with pytest.raises((_values.Invalid, TypeError, ValueError)):
        unpacked(counts, experts)


@pytest.mark.parametrize('layers, flags', [
    (['a', 'a'], ()), (['a'], ()), (['a', 'b' * 201], ()), (['a', ''], ()), (['a', 'b'], ('Ä',)),
    (['a', 'b'], ('x' * 33,)), (['a', 'b'], tuple(f'f{n}' for n in range(17))),
])
def test_names_and_flags_have_limits(layers, flags):
    with pytest.raises(_values.Invalid):
        _wire.fact(Said(1, 1, 'experts', (1, layers, _values.take_counts([[1], [2]], None), None, None, flags)))


def test_text_that_nobody_could_store_is_mended():
    fact = json.loads(_wire.fact(Said(1, 1, 'checkpoint', (1, 'saved', 'a\0b\udcffc'))))
    assert fact['path'] == 'a?b?c'
    assert json.loads(_wire.fact(Said(1, 1, 'checkpoint', (1, 'saved', 'x' * 1025))))['path'] is None


def test_the_largest_frame_fits_one_batch():
    layers = [f'decoder.layers.{number}.mlp.'.ljust(200, 'x') for number in range(512)]
    noise = bytes(n * 2654435761 % 251 for n in range(4 * _values.CELLS_MAX))
    counts = _values.take_counts(noise, 256)
    assert len(_wire.fact(Said(1, 1, 'experts', (1, layers, counts, 1, 8, ('local',))))) < _wire.FACT_BYTES_MAX


@pytest.mark.parametrize('environment, rank', [
    ({'RANK': '5', 'LOCAL_RANK': '1', 'WORLD_SIZE': '8'}, 5), ({'SLURM_PROCID': '3'}, 3),
    ({'OMPI_COMM_WORLD_RANK': '2'}, 2), ({'PLIMSOLL_NODE_RANK': '4'}, 4),
    ({'PLIMSOLL_NODE_RANK': '4', 'PLIMSOLL_GPUS_PER_NODE': '8', 'LOCAL_RANK': '3'}, 35), ({}, 0), ({'RANK': 'x'}, 0),
    ({'RANK': '99999999'}, (1 << 20) - 1),
])
def test_the_rank_is_found(environment, rank):
    assert _settings.place(environment).rank == rank


@pytest.mark.parametrize('url', [
    'ftp://host', 'http://', 'file:///x', 'http://user:pw@host', 'http://host?x=1', 'http://host:99999', 'http://ho st',
    'http://host/\r\nX: y', 'nonsense', 'http://[::1',
])
def test_an_address_that_cannot_be_used_is_said_once_and_training_goes_on(url):
    ended = run('import plimsoll_reporter as p\nfor n in range(3): p.step(n)\nprint(p._reporter)', url)
    assert ended.returncode == 0 and ended.stdout == 'None\n'
    assert ended.stderr.count('\n') == 1 and 'PLIMSOLL_INGEST_URL' in ended.stderr and url not in ended.stderr


def test_without_an_address_nothing_is_imported_and_nothing_happens():
    code = ('import sys\nimport plimsoll_reporter as p\np.step(1, loss=2.0)\n'
            'with p.phase("checkpoint"): p.checkpoint_durable(1)\np.done()\nassert not p.should_checkpoint()\n'
            'print([name for name in ("http.client", "threading", "ssl", "json") if name in sys.modules])')
    ended = run(code, '')
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '[]\n', '')
