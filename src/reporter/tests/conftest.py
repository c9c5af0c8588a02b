"""A server of ingest/v1 that checks what it gets as the document says, and can be told to misbehave; and scripts run as
processes of their own, for what only a whole process shows."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

TOKEN = 'secret-token-of-the-attempt'
PATIENCE_S = 30


class Server:
    """Collects facts. `answer` decides what each request gets: (status, headers, body)."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.batches: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        # Whether requests are remembered: a test of the reporter's memory must not measure the server's.
        self.remember = True
        self.directives: Optional[list[dict[str, Any]]] = None
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]] = self.accept
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            # Two writes to a client that acknowledges late would cost 40 ms each.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers['Content-Length']))
                plain = gzip.decompress(raw) if self.headers['Content-Encoding'] == 'gzip' else raw
                request = {'path': self.path, 'headers': dict(self.headers), 'batch': json.loads(plain),
                           'bytes': len(raw), 'plain': len(plain)}
                with server.changed:
                    if server.remember:
                        server.requests.append(request)
                    status, headers, body = server.answer(request)
                    if status == 200:
                        server.batches.append(request['batch'])
                    server.changed.notify_all()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header('Content-Length', str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.http = Listener(('127.0.0.1', 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.http.server_address[1]}'

    def accept(self, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answer = {'version': 1, 'accepted': len(request['batch']['facts'])}
        if self.directives is not None:
            answer['directives'] = self.directives
        return 200, {'Content-Type': 'application/json'}, json.dumps(answer).encode()

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Each fact once, by its name, in order."""
        with self.changed:
            seen = {(batch['source'], fact['seq']): fact for batch in self.batches for fact in batch['facts']}
        return [fact for _, fact in sorted(seen.items())]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fact for fact in self.facts if fact['kind'] == kind]

    def until(self, predicate: Callable[[], Any]) -> Any:
        with self.changed:
            met = self.changed.wait_for(predicate, PATIENCE_S)
        assert met, f'not within {PATIENCE_S} s; {len(self.requests)} requests, facts: {self.facts[-5:]}'
        return met

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def environment(url: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(('PLIMSOLL_', 'SLURM_', 'OMPI_', 'PMI')) and name not in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE')}
    return {**kept, 'PYTHONPATH': str(ROOT), 'PYTHONDONTWRITEBYTECODE': '1',
            # Python 3.12 and newer warn about any fork of a process with threads.
            'PYTHONWARNINGS': 'ignore::DeprecationWarning', 'PLIMSOLL_INGEST_URL': url,
            'PLIMSOLL_INGEST_TOKEN': TOKEN, 'PLIMSOLL_ATTEMPT': 'r0123456789abcdef-1', **more}


def run(code: str, url: str, timeout: float = 60, **more: str) -> subprocess.CompletedProcess:
    ended = subprocess.run([sys.executable, '-c', code], env=environment(url, **more), capture_output=True, text=True,
                           timeout=timeout)
    assert TOKEN not in ended.stderr + ended.stdout
    return ended


@pytest.fixture
def quick(monkeypatch):
    """The same sender with short waits, so that a test does not have to sit them out."""
    from plimsoll_reporter import _http, _sender

    for name in ('FIRST_S', 'LOWEST_RANK_S', 'OTHER_RANKS_S', 'BACKOFF_S', 'BACKOFF_MAX_S'):
        monkeypatch.setattr(_sender, name, 0.01)
    monkeypatch.setattr(_sender, 'IDLE_LOWEST_RANK_S', 0.05)
    monkeypatch.setattr(_http, 'REQUEST_S', 1.0)


@pytest.fixture
def reporter(quick, server, monkeypatch):
    """The package's functions, with a reporter of this process that talks to the server."""
    reporting = begin(server.url, monkeypatch)
    yield reporting
    end(reporting)


def begin(url: str, monkeypatch):
    import plimsoll_reporter
    from plimsoll_reporter import _settings, _warn
    from plimsoll_reporter._reporter import Reporter

    for name in (*_settings.RANKS, *_settings.LOCAL_RANKS, *_settings.WORLD_SIZES, 'PLIMSOLL_NODE_RANK'):
        monkeypatch.delenv(name, raising=False)
    _warn.forget()
    settings = _settings.read({'PLIMSOLL_INGEST_URL': url, 'PLIMSOLL_INGEST_TOKEN': TOKEN})
    assert settings is not None
    plimsoll_reporter._reporter = Reporter(settings)
    return plimsoll_reporter


def end(reporting) -> None:
    reporting._close()
    reporting._reporter = None
