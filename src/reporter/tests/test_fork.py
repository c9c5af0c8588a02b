from __future__ import annotations

import os

import pytest

from conftest import run

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='this system has no fork')


def test_a_forked_child_is_silent_and_its_parent_goes_on(server):
    ended = run('''
import os, plimsoll_reporter as p
p.step(1)
children = []
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        p.checkpoint_saved(99); p.should_checkpoint()
        raise SystemExit(3)
    children.append(pid)
assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3 for pid in children)
p.step(2)
''', server.url)
    assert (ended.returncode, ended.stderr) == (0, '')
    assert [fact['step'] for fact in server.of('step')] == [1, 2] and not server.of('checkpoint')
    assert len({batch['source'] for batch in server.batches}) == 1


def test_a_forked_child_that_trains_is_another_source(server):
    ended = run('''
import os, plimsoll_reporter as p
p.step(1)
pid = os.fork()
if pid == 0:
    os.environ['RANK'] = '7'
    p.resumed(40)
    p.step(41)
    p.done()
    raise SystemExit(0)
os.waitpid(pid, 0)
p.step(2)
''', server.url)
    assert (ended.returncode, ended.stderr) == (0, '')
    of = {}
    for batch in server.batches:
        of.setdefault((batch['source'], batch['rank']), []).extend(
            (fact['seq'], fact['kind'], fact.get('step')) for fact in batch['facts'])
    assert sorted(of.values()) == [[(1, 'resumed', 40), (2, 'step', 41), (3, 'done', None)],
                                   [(1, 'step', 1), (2, 'step', 2)]]
    assert {rank for _, rank in of} == {0, 7}


def test_forks_while_the_threads_are_busy_never_hang(server):
    """The background thread is in the middle of anything when the process forks."""
    ended = run('''
import os, threading, plimsoll_reporter as p
def say():
    for n in range(4000): p.step(n); p.experts(n, bytes(4096), experts=64)
talker = threading.Thread(target=say); talker.start()
for n in range(60):
    pid = os.fork()
    if pid == 0:
        p.step(10_000 + n)
        os._exit(0)
    os.waitpid(pid, 0)
talker.join()
''', server.url, timeout=120)
    assert ended.returncode == 0, ended.stderr


def test_workers_of_multiprocessing_of_every_kind_are_silent(server, tmp_path):
    script = tmp_path / 'train.py'
    script.write_text('''
import multiprocessing, plimsoll_reporter as p
def square(n):
    return n * n
if __name__ == '__main__':
    p.step(1)
    for kind in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            assert pool.map(square, range(4)) == [0, 1, 4, 9]
    p.step(2)
''')
    ended = run(f'import runpy; runpy.run_path({str(script)!r}, run_name="__main__")', server.url)
    assert ended.returncode == 0, ended.stderr
    assert len({batch['source'] for batch in server.batches}) == 1
