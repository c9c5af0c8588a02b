"""Servers that are absent, slow, wrong or hostile. Training never notices."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import sys
import threading
import time

import pytest

import conftest
from conftest import TOKEN, run


def gone() -> str:
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{listener.getsockname()[1]}'


class Raw:
    """A server on bare sockets: `behave` gets each connection."""

    def __init__(self, behave) -> None:
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(64)
        self.url = f'http://127.0.0.1:{self.listener.getsockname()[1]}'
        self.behave = behave
        self.connections: list[socket.socket] = []
        self.seen = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            self.behave(connection)
        except OSError:
            pass
        self.seen.release()

    def close(self) -> None:
        for one in [self.listener, *self.connections]:
            one.close()


@pytest.fixture
def raw():
    made = []

    def make(behave):
        made.append(Raw(behave))
        return made[-1]

    yield make
    for one in made:
        one.close()


def silent(connection):
    # Accepts, and never reads: what is sent stays in the kernel.
    pass


def reset(connection):
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def answers(text: bytes):
    def behave(connection):
        connection.recv(1 << 20)
        connection.sendall(text)

    return behave


def endless(connection):
    connection.recv(1 << 20)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n')
    while True:
        connection.sendall(b'{' * 65536)


def endless_header(connection):
    connection.recv(1 << 20)
    connection.sendall(b'HTTP/1.1 200 OK\r\nX: ')
    while True:
        connection.sendall(b'x' * 65536)


def continues(connection):
    connection.recv(1 << 20)
    while True:
        connection.sendall(b'HTTP/1.1 100 Continue\r\n\r\n' * 1000)


BEHAVIOURS = {
    'silent': silent, 'reset': reset, 'closes': lambda connection: connection.close(), 'endless': endless,
    'endless header': endless_header, 'continues for ever': continues, 'nonsense': answers(b'\0\xff' * 1000),
    'no header': answers(b'HTTP/1.1 200 OK\r\n\r\n'), 'another version': answers(b'SSH-2.0-OpenSSH\r\n'),
    'negative length': answers(b'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}'),
    'broken chunks': answers(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    'deep': answers(b'HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n' + b'[' * 60000),
    'large number': answers(b'HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n' + b'9' * 60000),
    'a page': answers(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n<h1>hi</h1>'),
    'not utf-8': answers(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"\xff\xfe"'),
}


@pytest.mark.parametrize('name', BEHAVIOURS)
def test_whatever_answers_the_calls_return_and_the_thread_lives(name, raw, quick, monkeypatch):
    server = raw(BEHAVIOURS[name])
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1, loss=1.0)
    # Two rounds have failed or been cut off, so the thread has come back from at least one.
    for _ in range(2):
        assert server.seen.acquire(timeout=30) or name == 'silent'
    reporting.step(2)
    reporter = reporting._reporter
    assert reporter._sender._thread.is_alive() and not reporter._sender.stopped
    conftest.end(reporting)


def test_one_byte_at_a_time_ends_at_the_deadline(raw, quick, monkeypatch):
    from plimsoll_reporter import _http, _settings

    monkeypatch.setattr(_http, 'REQUEST_S', 0.5)
    released = threading.Event()

    def drip(connection):
        connection.recv(1 << 20)
        while not released.wait(0.05):
            connection.sendall(b'H')

    server = raw(drip)
    client = _http.Client(_settings.read({'PLIMSOLL_INGEST_URL': server.url, 'PLIMSOLL_INGEST_TOKEN': TOKEN}))
    begun = time.monotonic()
    with pytest.raises(_http.Unreachable) as trouble:
        client.post(b'{}')
    released.set()
    assert time.monotonic() - begun < 5
    assert str(trouble.value) == '' and trouble.value.__cause__ is None


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(server, raw, quick, monkeypatch, capfd):
    visited = []
    thief = raw(lambda connection: visited.append(connection.recv(1 << 20)))
    server.answer = lambda request: (307, {'Location': f'{thief.url}/ingest/v1/facts'}, b'')
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1)
    server.until(lambda: len(server.requests) >= 3)
    server.answer = server.accept
    server.until(lambda: server.of('step'))
    conftest.end(reporting)
    assert visited == []
    said = capfd.readouterr().err
    assert said.count('\n') == 1 and '307' in said and TOKEN not in said


@pytest.mark.parametrize('status', [401, 403, 410])
def test_a_token_that_is_not_good_stops_it_for_good_and_is_said_once(status, server, quick, monkeypatch, capfd):
    server.answer = lambda request: (status, {}, f'no {TOKEN}\x1b[31m'.encode())
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1)
    sender = reporting._reporter._sender
    sender._thread.join(conftest.PATIENCE_S)
    for step in range(1000):
        reporting.step(step)
    assert len(server.requests) == 1 and reporting._reporter._buffer.empty()
    conftest.end(reporting)
    said = capfd.readouterr().err
    assert said.count('\n') == 1 and str(status) in said and TOKEN not in said and '\x1b' not in said


@pytest.mark.parametrize('status', [429, 500, 503])
def test_what_was_not_taken_is_sent_again_as_it_was(status, server, quick, monkeypatch):
    refused = []

    def twice(request):
        refused.append(request['batch'])
        return (status, {}, b'') if len(refused) <= 2 else server.accept(request)

    server.answer = twice
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1, loss=2.0)
    server.until(lambda: server.of('step'))
    conftest.end(reporting)
    facts = [batch['facts'][0] for batch in refused[:3]]
    assert facts[0] == facts[1] == facts[2]
    sent = [batch['sentAt'] for batch in refused[:3]]
    assert sent == sorted(sent) and sent[2] > sent[0]


def test_retry_after_is_respected_within_reason(quick):
    from plimsoll_reporter import _http, _sender

    sender = _sender.Sender.__new__(_sender.Sender)
    sender._failures = 0
    assert sender._back_off(7.0) == 7.0
    assert sender._back_off(99999.0) == _sender.RETRY_AFTER_MAX_S
    assert [_http.seconds(text) for text in ('7', '-1', 'Wed, 21 Oct', '9' * 9, None)] == [7.0, None, None, None, None]


def test_waits_grow_and_are_bounded():
    from plimsoll_reporter import _sender

    sender = _sender.Sender.__new__(_sender.Sender)
    sender._failures = 0
    waits = [sender._back_off(None) for _ in range(5000)]
    assert 0.25 <= waits[0] <= 0.5 and 1 <= waits[2] <= 2
    assert all(7.5 <= wait <= 15 for wait in waits[6:])


@pytest.mark.parametrize('status', [400, 422])
def test_a_batch_that_is_refused_becomes_a_gap(status, server, quick, monkeypatch, capfd):
    first = []

    def once(request):
        if first:
            return server.accept(request)
        first.append(request['batch'])
        return status, {}, b'{}'

    server.answer = once
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1)
    server.until(lambda: server.of('gap'))
    reporting.step(2)
    server.until(lambda: server.of('step'))
    conftest.end(reporting)
    gap = server.of('gap')[0]
    assert {key: gap[key] for key in ('of', 'from', 'to', 'facts', 'why')} == {
        'of': 'step', 'from': 1, 'to': 1, 'facts': 1, 'why': 'refused'}
    assert [fact['step'] for fact in server.of('step')] == [2]
    assert str(status) in capfd.readouterr().err


def test_a_gap_that_is_refused_is_told_again(server, quick, monkeypatch):
    refused = []

    def twice(request):
        if len(refused) == 2 or not request['batch']['facts']:
            return server.accept(request)
        refused.append(request['batch'])
        return 400, {}, b'{}'

    server.answer = twice
    reporting = conftest.begin(server.url, monkeypatch)
    reporting.step(1)
    server.until(lambda: len(server.of('gap')) == 2)
    conftest.end(reporting)
    assert [fact['kind'] for fact in refused[1]['facts']] == ['gap']
    lost = {number for gap in server.of('gap') for number in range(gap['from'], gap['to'] + 1)}
    assert lost == {1, refused[1]['facts'][0]['seq']}


def test_a_batch_that_is_too_large_is_halved(server, quick, monkeypatch):
    server.answer = lambda request: (
        (413, {}, b'') if len(request['batch']['facts']) > 10 else server.accept(request))
    reporting = conftest.begin(server.url, monkeypatch)
    for step in range(100):
        reporting.step(step)
    server.until(lambda: len(server.of('step')) == 100)
    conftest.end(reporting)
    assert server.of('gap') == []


def test_without_gzip_it_speaks_plainly(server, quick, monkeypatch):
    server.answer = lambda request: (
        (415, {}, b'') if 'Content-Encoding' in request['headers'] else server.accept(request))
    reporting = conftest.begin(server.url, monkeypatch)
    for step in range(50):
        reporting.step(step)
    server.until(lambda: len(server.of('step')) == 50)
    conftest.end(reporting)
    assert all('Content-Encoding' not in request['headers'] for request in server.requests[-1:])


def test_a_bad_value_is_a_gap_and_one_line(reporter, server, capfd):
    for _ in range(3):
        reporter.step('no step', loss=object())
        reporter.experts(1, 'no counts')
        reporter.checkpoint_durable(None)
    reporter.experts(1, [[1]], layers=5)
    with reporter.phase('lunch'):
        reporter.step(7)
    server.until(lambda: sum(gap['facts'] for gap in server.of('gap')) == 10 and server.of('step'))
    merged = {}
    for gap in server.of('gap'):
        merged[gap['of'], gap['why']] = merged.get((gap['of'], gap['why']), 0) + gap['facts']
    assert {(of, facts, why) for (of, why), facts in merged.items()} == {
        ('step', 3, 'invalid'), ('experts', 4, 'invalid'), ('event', 3, 'invalid')}
    assert [fact['step'] for fact in server.of('step')] == [7]
    assert not server.of('phase')
    said = capfd.readouterr().err.splitlines()
    assert len(said) == len(set(said)) <= 6


def test_bytes_that_are_no_frame_are_not_kept(reporter, server):
    server.answer = lambda request: (503, {}, b'')
    reporter.experts(1, b'\1' * 64, experts=16)
    held = b'\1' * (4 * 131_072 + 4)
    before = sys.getrefcount(held)
    for step in range(10):
        reporter.experts(step, held, experts=16)
    assert sys.getrefcount(held) == before


def test_names_without_an_end_do_not_block(reporter, server):
    reporter.experts(1, [[1, 2]], layers=itertools.count())
    reporter.experts(2, [[1, 2]], flags=itertools.repeat('local'))
    reporter.experts(3, [[1, 2]], flags=iter(['local']))
    server.until(lambda: [fact['step'] for fact in server.of('experts')])
    # Of the flags each is taken once.
    assert [fact['step'] for fact in server.of('experts')] == [2, 3]
    assert server.until(lambda: [gap['facts'] for gap in server.of('gap')]) == [1]


def test_exceptions_of_the_script_go_their_way(reporter):
    with pytest.raises(KeyError, match='mine'):
        with reporter.phase('checkpoint'):
            raise KeyError('mine')


class Evil:
    """A value whose every use raises."""

    def __getattr__(self, name):
        raise RuntimeError(TOKEN)

    __float__ = __int__ = __str__ = __iter__ = __len__ = __eq__ = __index__ = lambda self, *_: self.none


def test_values_that_raise_reach_nobody(reporter, server, capfd):
    evil = Evil()
    reporter.step(evil, loss=evil, tokens=evil, duration=evil)
    reporter.experts(evil, evil, layers=evil, flags=evil)
    reporter.checkpoint_saved(evil, evil)
    reporter.resumed(evil)
    reporter.watch_experts(evil)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert TOKEN not in capfd.readouterr().err


@pytest.mark.parametrize('kind', ['gone', 'silent'])
def test_exit_is_not_held_up(kind, raw):
    url = gone() if kind == 'gone' else raw(silent).url
    begun = time.monotonic()
    ended = run('import plimsoll_reporter as p\nfor n in range(2000): p.step(n)', url)
    assert ended.returncode == 0
    # 2 s and the start of an interpreter, on a busy machine.
    assert time.monotonic() - begun < 8


def test_closed_stderr_and_replaced_streams_do_not_matter(server):
    server.answer = lambda request: (401, {}, b'')
    ended = run('import os, sys\nos.close(2)\nsys.stderr = None\nimport plimsoll_reporter as p\np.step(1)', server.url)
    assert ended.returncode == 0


def test_the_token_is_in_no_text_whatever_goes_wrong(server, raw):
    code = ('import plimsoll_reporter as p, json\np.step(1, loss="x")\np.experts(1, None)\np.step(2)\n'
            'import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: time.sleep(.05)\n'
            'print(repr(p._reporter), p._reporter._sender)')
    for url in (gone(), raw(reset).url, server.url):
        run(code, url)


def test_a_hostile_answer_gives_no_directive(reporter, server):
    from plimsoll_reporter import _answer

    good = {'id': 'a', 'version': 1, 'kind': 'checkpoint', 'withinMs': 5}
    for key, wrong in [('id', 5), ('id', ''), ('id', 'x' * 65), ('id', 'a b'), ('id', 'a\n'), ('version', '1'), ('version', True),
                       ('version', -1), ('version', 1 << 60), ('kind', None), ('kind', 'x y')]:
        body = json.dumps({'version': 1, 'accepted': 0, 'directives': [{**good, key: wrong}, None, [], 'x']}).encode()
        assert _answer.read(body).directives == []
    many = json.dumps({'version': 1, 'accepted': 0, 'directives': [{**good, 'id': str(n)} for n in range(99)]}).encode()
    assert len(_answer.read(many).directives) == _answer.DIRECTIVES_MAX
    for body in (b'', b'null', b'[]', b'{"version":2,"accepted":1}', b'{"version":1}', b'{"version":1,"accepted":-1}',
                 b'{"version":1,"accepted":true}'):
        assert _answer.read(body) is None
    assert _answer.read(b'{"version":1,"accepted":1,"nextMs":1}').next_ms == 200
    assert _answer.read(b'{"version":1,"accepted":1,"nextMs":99999999}').next_ms == 60_000
