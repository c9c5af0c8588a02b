from __future__ import annotations

import threading

import pytest

import conftest
from plimsoll_reporter._answer import Directive
from plimsoll_reporter._directives import Directives


def ask(version=1, name='d', kind='checkpoint', within=None):
    return Directive(name, version, kind, within)


@pytest.fixture
def told():
    return []


@pytest.fixture
def directives(told):
    return Directives(lambda *values: told.append(values))


def now() -> int:
    return 1_000


def test_it_is_pending_until_a_checkpoint_and_done_when_durable(directives, told):
    directives.last_step = 10
    directives.named([ask()], 1_000)
    assert directives.should_checkpoint(now)
    directives.checkpoint(10, 'saved')
    assert not directives.should_checkpoint(now)
    directives.named([ask()], 1_001)
    assert not directives.should_checkpoint(now)
    directives.checkpoint(10, 'durable')
    directives.named([ask()], 1_002)
    directives.named([], 1_003)
    directives.named([ask()], 1_004)
    assert not directives.should_checkpoint(now)
    assert told == [('d', 1, 'received', None), ('d', 1, 'done', 10)]


def test_a_checkpoint_of_an_earlier_step_does_not_answer_it(directives, told):
    directives.last_step = 10
    directives.named([ask()], 1_000)
    directives.checkpoint(9, 'durable')
    directives.look(1_001)
    assert directives.should_checkpoint(now) and len(told) == 1


def test_it_is_withdrawn_replaced_and_expires(directives, told):
    directives.named([ask()], 1_000)
    directives.named([], 1_001)
    assert not directives.should_checkpoint(now)
    directives.named([ask(version=1)], 1_002)
    assert not directives.should_checkpoint(now)
    directives.named([ask(version=2, within=100)], 1_003)
    assert directives.should_checkpoint(now)
    # Time ends it on the training thread too, before the background thread has looked.
    assert not directives.should_checkpoint(lambda: 1_103)
    directives.look(1_103)
    assert told == [('d', 1, 'received', None), ('d', 1, 'withdrawn', None), ('d', 2, 'received', None),
                    ('d', 2, 'expired', None)]


def test_a_kind_that_is_not_known_is_answered_and_not_obeyed(directives, told):
    for _ in range(3):
        directives.named([ask(kind='bias-rate')], 1_000)
    assert told == [('d', 1, 'unsupported', None)] and not directives.should_checkpoint(now)


def test_memory_of_what_is_over_is_bounded(directives):
    for number in range(5_000):
        directives.named([ask(name=str(number))], 1_000)
        directives.checkpoint(number, 'durable')
        directives.look(1_000)
    assert len(directives._over) <= 256 and not directives._open


def test_two_threads_never_lose_a_checkpoint(directives, told):
    """The training thread reports while the background thread looks: in the end each directive is done exactly once."""
    stop = threading.Event()

    def background():
        while not stop.is_set():
            directives.look(1_000)

    thread = threading.Thread(target=background)
    thread.start()
    for number in range(2_000):
        directives.checkpoint(number, 'durable')
        assert not directives.should_checkpoint(now)
    stop.set()
    thread.join()


def test_a_checkpoint_now_directive_reaches_the_script_and_its_outcome_the_server(reporter, server):
    assert not reporter.should_checkpoint()
    reporter.step(4)
    server.until(lambda: any(batch['obeys'] == ['checkpoint'] for batch in server.batches))
    server.directives = [{'id': 'stop-1', 'version': 1, 'kind': 'checkpoint', 'withinMs': 60_000, 'later': 'key'}]
    server.until(lambda: server.of('directive'))
    assert reporter.should_checkpoint()
    reporter.step(5)
    reporter.checkpoint_durable(5, '/ckpt/5')
    assert not reporter.should_checkpoint()
    server.until(lambda: len(server.of('directive')) == 2)
    assert [(fact['id'], fact['version'], fact['outcome'], fact['step']) for fact in server.of('directive')] == [
        ('stop-1', 1, 'received', None), ('stop-1', 1, 'done', 5)]
    assert not reporter.should_checkpoint()


def test_with_nothing_to_say_it_still_listens(reporter, server):
    reporter.should_checkpoint()
    server.until(lambda: sum(not batch['facts'] for batch in server.batches) >= 2)
    server.directives = [{'id': 'x', 'version': 1, 'kind': 'checkpoint', 'withinMs': None}]
    server.until(lambda: reporter.should_checkpoint())


def test_nobody_obeys_before_the_script_has_asked(reporter, server):
    reporter.step(1)
    server.until(lambda: server.batches)
    assert server.batches[0]['obeys'] == []
