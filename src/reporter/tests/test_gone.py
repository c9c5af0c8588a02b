"""A control plane that is gone for a while, memory that has a bound, and the end of a process."""

from __future__ import annotations

import os
import re
import time

import conftest
import pytest
from conftest import run
from test_hostile import gone


def test_a_control_plane_that_is_gone_and_comes_back_gets_everything_in_order(server, quick, monkeypatch):
    calls = []
    server.answer = lambda request: calls.append(1) or (503, {}, b'')
    reporting = conftest.begin(server.url, monkeypatch)
    for step in range(5_000):
        reporting.step(step)
    server.until(lambda: len(calls) >= 5)
    server.answer = server.accept
    server.until(lambda: len(server.of('step')) == 5_000)
    conftest.end(reporting)
    assert [fact['step'] for fact in server.of('step')] == list(range(5_000))
    assert server.of('gap') == []


def peak_bytes(reset=False):
    """Most memory that this process had at once; `reset`: from now on. The kernel counts: tracemalloc of 3.10 crashes beside threads."""
    if reset:
        with open('/proc/self/clear_refs', 'w') as refs:
            refs.write('5')
    with open('/proc/self/status') as status:
        return int(re.search(r'VmHWM:\s+(\d+)', status.read()).group(1)) * 1024


@pytest.mark.skipif(not os.access('/proc/self/clear_refs', os.W_OK), reason='the kernel does not count')
def test_memory_is_bounded_and_what_is_lost_is_told(server, quick, monkeypatch):
    """10^5 steps with frames and nobody to take them: the newest stay, the rest is one gap of each group."""
    from plimsoll_reporter import _buffer

    monkeypatch.setattr(_buffer, 'FRAME_BYTES_MAX', 4 << 20)
    calls = []
    server.answer = lambda request: calls.append(1) or (503, {}, b'')
    server.remember = False
    reporting = conftest.begin(server.url, monkeypatch)
    counts = bytes(4 * 16 * 64)
    steps = 100_000
    before = peak_bytes(reset=True)
    for step in range(steps):
        reporting.step(step, loss=float(step))
        reporting.experts(step, counts, experts=64)
    # Of all that the process holds, its threads included; 400 MB were told.
    assert peak_bytes() - before < 64 << 20
    reporting.checkpoint_durable(7)
    server.answer = server.accept
    server.until(lambda: server.of('checkpoint') and reporting._reporter._buffer.empty())
    conftest.end(reporting)
    told = {group: sum(gap['facts'] for gap in server.of('gap') if gap['of'] == group) for group in ('step', 'experts')}
    assert told['step'] + len(server.of('step')) == steps
    assert told['experts'] + len(server.of('experts')) == steps
    assert len(server.of('step')) >= _buffer.STEPS_MAX and server.of('step')[-1]['step'] == steps - 1
    assert len(server.of('gap')) <= 20
    # Every number was a fact or lies in a gap of its group.
    numbers = sorted(fact['seq'] for fact in server.facts)
    assert numbers[-1] == len(numbers) + sum(gap['facts'] for gap in server.of('gap'))


def test_training_is_not_slower_while_the_control_plane_is_gone(quick, monkeypatch):
    """CPU time of the calling thread, so that a busy machine does not matter."""
    reporting = conftest.begin(gone(), monkeypatch)
    begun = time.thread_time_ns()
    for step in range(20_000):
        reporting.step(step, loss=1.0, tokens=4096)
    each_us = (time.thread_time_ns() - begun) / 20_000 / 1000
    conftest.end(reporting)
    assert each_us < 50, each_us


def test_at_exit_what_is_left_is_sent(server):
    ended = run('import plimsoll_reporter as p\nfor n in range(2500): p.step(n)\np.done()', server.url)
    assert (ended.returncode, ended.stderr) == (0, '')
    assert len(server.of('step')) == 2500 and len(server.of('done')) == 1


def test_an_exception_at_the_end_is_the_scripts_and_facts_are_still_sent(server):
    ended = run('import plimsoll_reporter as p\np.step(1)\nraise SystemExit(7)', server.url)
    assert ended.returncode == 7 and len(server.of('step')) == 1
