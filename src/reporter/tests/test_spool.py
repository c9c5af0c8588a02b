"""What nobody takes lies in the log of the worker: at the end of the process however it ends, and before it is killed what was
said up to a durable checkpoint."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from conftest import environment, run
from test_hostile import gone

LINE = re.compile(r'plimsoll-spool/1 (r[0-9a-z]{16}-\d+) ([0-9a-f]{16}) (\d+) (\d+)/(\d+) ([A-Za-z0-9+/=]{1,4000})$')


def spooled(stderr: str) -> list[dict[str, Any]]:
    """The facts, each once, as a reader of the log gets them."""
    parts: dict[tuple[str, str], dict[int, str]] = {}
    facts: dict[tuple[str, int], dict[str, Any]] = {}
    for line in stderr.splitlines():
        if 'plimsoll-spool' not in line:
            continue
        assert len(line) < 4_096
        read = LINE.match(line)
        assert read is not None, line
        attempt, source, batch, part, of, text = read.groups()
        assert attempt == 'r0123456789abcdef-1'
        held = parts.setdefault((source, batch), {})
        held[int(part)] = text
        if len(held) < int(of):
            continue
        document = json.loads(gzip.decompress(base64.b64decode(''.join(held[key] for key in sorted(held)))))
        assert document['version'] == 1 and document['source'] == source and len(document['facts']) <= 1_000
        for fact in document['facts']:
            facts[(source, fact['seq'])] = fact
    return [fact for _, fact in sorted(facts.items())]


def complete(facts: list[dict[str, Any]]) -> None:
    """Every number was a fact or lies in a gap, and the gaps count right."""
    gaps = [fact for fact in facts if fact['kind'] == 'gap']
    there = {fact['seq'] for fact in facts}
    missing = [number for number in range(1, max(there) + 1) if number not in there]
    assert all(any(gap['from'] <= number <= gap['to'] for gap in gaps) for number in missing)
    assert len(missing) == sum(gap['facts'] for gap in gaps)


SCRIPT = 'import os, sys, plimsoll_reporter as p\nfor n in range(1, 101): p.step(n, loss=1.0, tokens=8)\n'


@pytest.mark.parametrize('end, code', [
    ('', 0),
    ('sys.exit(3)', 3),
    ('raise ValueError', 1),
    ('import signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(60)', -signal.SIGTERM),
    ('import signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(60)', -signal.SIGINT),
])
def test_a_process_that_ends_leaves_what_it_has_in_the_log(end, code):
    ended = run(SCRIPT + 'p.experts(100, [[1, 2], [3, 4]], tokens=5)\n' + end, gone())
    assert ended.returncode == code, ended.stderr
    facts = spooled(ended.stderr)
    assert [fact['step'] for fact in facts if fact['kind'] == 'step'] == list(range(1, 101))
    assert sum(fact['tokens'] for fact in facts if fact['kind'] == 'step') == 800
    assert [fact['layers'] for fact in facts if fact['kind'] == 'experts'] == [['0', '1']]
    assert ended.stderr.count('it is kept in this log') == 1
    complete(facts)


def test_what_was_sent_is_not_left(server):
    ended = run(SCRIPT, server.url)
    assert 'plimsoll' not in ended.stderr and len(server.of('step')) == 100


def test_sigterm_sends_what_is_left(server):
    ended = run(SCRIPT + 'import signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)', server.url)
    assert ended.returncode == -signal.SIGTERM and len(server.of('step')) == 100 and ended.stderr == ''


def test_sigterm_ends_a_process_whose_main_thread_never_comes_back(server):
    """As in a collective that waits for a rank that is dead: a handler in Python would never run."""
    stuck = ('import ctypes, threading, signal, time\n'
             'threading.Thread(target=lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()\n'
             'libc = ctypes.CDLL(None)\nlock = ctypes.create_string_buffer(64)\n'
             'libc.pthread_mutex_lock(lock)\nlibc.pthread_mutex_lock(lock)')
    begun = time.monotonic()
    ended = run(SCRIPT + stuck, server.url)
    assert ended.returncode == 128 + signal.SIGTERM and len(server.of('step')) == 100
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize('before', [True, False])
def test_a_handler_of_the_script_is_left_alone(before, server):
    own = 'import signal; signal.signal(signal.SIGTERM, lambda *_: (print("mine"), sys.exit(9)))\n'
    kill = 'os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(60)'
    script = 'import sys\n' + own + SCRIPT + kill if before else SCRIPT + own + kill
    ended = run(script, server.url)
    assert (ended.returncode, ended.stdout) == (9, 'mine\n') and len(server.of('step')) == 100


def test_a_forked_child_ends_by_sigterm_and_not_its_parent(server):
    ended = run(SCRIPT + '''
import signal, time
child = os.fork()
if child == 0:
    time.sleep(60)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if hasattr(os, 'waitstatus_to_exitcode') else -15)
time.sleep(1.5)
''', server.url)
    assert (ended.returncode, ended.stdout) == (0, '-15\n') and len(server.of('step')) == 100


def test_a_process_that_is_killed_has_left_what_its_last_checkpoint_kept():
    script = SCRIPT + 'p.checkpoint_durable(100, "/ckpt")\nprint("saved", flush=True)\nimport time; time.sleep(60)'
    with subprocess.Popen([sys.executable, '-c', script], env=environment(gone()), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        said = ''
        assert process.stderr is not None
        # Steps and events come in batches of their own.
        while not {'step', 'checkpoint'} <= {fact['kind'] for fact in spooled(said)}:
            said += process.stderr.readline()
        process.kill()
        said += process.stderr.read()
    facts = spooled(said)
    assert [fact['step'] for fact in facts if fact['kind'] == 'step'] == list(range(1, 101))


def test_marks_go_before_frames_and_what_has_no_room_is_a_gap():
    """100 frames that do not pack: a few of the newest stay, the others are told."""
    ended = run(SCRIPT + '''
for n in range(100): p.experts(n, os.urandom(4 * 16 * 256), experts=256)
for n in range(101, 4000): p.step(n)
p.checkpoint_durable(3999)
''', gone())
    facts = spooled(ended.stderr)
    complete(facts)
    assert len(ended.stderr) < 600_000
    assert len([fact for fact in facts if fact['kind'] == 'step']) == 3_999
    frames = [fact['step'] for fact in facts if fact['kind'] == 'experts']
    assert 5 < len(frames) < 100 and frames == list(range(100 - len(frames), 100))
    assert [gap['of'] for gap in facts if gap['kind'] == 'gap'] == ['experts']


def test_a_frame_that_is_too_large_for_the_log_is_a_gap_and_a_smaller_one_is_not():
    ended = run('import os, plimsoll_reporter as p\np.experts(1, bytes(4 * 8), experts=8)\n'
                'p.experts(2, os.urandom(4 * 131072), experts=4096)\n', gone())
    facts = spooled(ended.stderr)
    complete(facts)
    assert [fact['step'] for fact in facts if fact['kind'] == 'experts'] == [1]


def test_nobody_reads_it_without_an_attempt():
    assert 'spool' not in run(SCRIPT, gone(), PLIMSOLL_ATTEMPT='').stderr


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end():
    reading, writing = os.pipe()
    begun = time.monotonic()
    ended = subprocess.run([sys.executable, '-c', SCRIPT + 'for n in range(16000): p.step(n, loss=n / 7)'],
                           env=environment(gone()), stderr=writing, timeout=60)
    assert ended.returncode == 0 and time.monotonic() - begun < 10
    os.close(reading)
    os.close(writing)


def test_ranks_that_share_a_pipe_do_not_cut_each_others_lines():
    script = SCRIPT + 'for n in range(3000): p.step(n, loss=n / 7)\n'
    reading, writing = os.pipe()
    processes = [subprocess.Popen([sys.executable, '-c', script], env=environment(gone(), RANK=str(rank)), stderr=writing)
                 for rank in range(4)]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    facts = spooled(said)
    assert len([fact for fact in facts if fact['kind'] == 'step']) == 4 * 3_100


def test_a_file_that_took_the_place_of_standard_error_is_not_written_to(tmp_path):
    ended = run(f'import plimsoll_reporter as p, os\nos.close(2)\nopen({str(tmp_path / "own")!r}, "w").fileno() == 2 or exit(5)\n'
                f'own = os.open({str(tmp_path / "own")!r}, os.O_WRONLY | os.O_CREAT)\nassert own == 2\np.step(1)', gone())
    assert ended.returncode == 0 and 'spool' not in (tmp_path / 'own').read_text()
