"""What only a CUDA device shows: nothing on the training thread waits for it, and what arrives is of the moment at which it
was said. `set_sync_debug_mode('error')` makes each call of PyTorch that waits for the device raise."""

from __future__ import annotations

import contextlib

import pytest

torch = pytest.importorskip('torch', reason='torch is not installed', exc_type=ImportError)
if not torch.cuda.is_available():
    pytest.skip('no CUDA device', allow_module_level=True)

from test_torch import INDEX, ONCE, Model, cells  # noqa: E402


@contextlib.contextmanager
def waiting_is_an_error():
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def hidden():
    return torch.ones(3, 8, device='cuda', requires_grad=True)


def test_values_on_a_device_are_those_of_the_moment_and_nobody_waits(reporter, server):
    counts = torch.arange(6, device='cuda').reshape(2, 3)
    torch.cuda._sleep(1_000_000_000)
    loss = torch.ones((), device='cuda') * 3
    with waiting_is_an_error():
        reporter.step(1, loss=loss)
        reporter.experts(1, counts)
    loss.zero_(), counts.zero_()
    server.until(lambda: server.of('experts') and server.of('step'))
    assert server.of('step')[0]['loss'] == 3 and cells(server.of('experts')[0]) == [[0, 1, 2], [3, 4, 5]]
    assert not server.of('gap')


@pytest.mark.parametrize('dtype', [torch.int64, torch.int32, torch.float32, torch.bfloat16])
def test_counts_of_every_kind_of_a_device_arrive(dtype, reporter, server):
    counts = torch.arange(12, dtype=dtype, device='cuda').reshape(3, 4)
    with waiting_is_an_error():
        for step in range(50):
            reporter.experts(step, counts.t())
    server.until(lambda: len(server.of('experts')) == 50)
    whole = torch.arange(12).reshape(3, 4).t().tolist()
    assert all(cells(fact) == whole for fact in server.of('experts')) and not server.of('gap')


@pytest.mark.parametrize('deterministic', [False, True])
def test_a_watched_model_on_a_device_is_counted_without_waiting(deterministic, reporter, server):
    model = Model().cuda()
    index = INDEX.cuda()
    reporter.watch_experts(model)
    torch.use_deterministic_algorithms(deterministic, warn_only=False)
    try:
        for step in (1, 2):
            model(hidden(), index)
            with waiting_is_an_error():
                model(hidden(), index)
                reporter.step(step, loss=torch.ones((), device='cuda'))
    finally:
        torch.use_deterministic_algorithms(False)
    server.until(lambda: len(server.of('step')) == 2)
    assert [(fact['step'], cells(fact)) for fact in server.of('experts')] == [
        (step, [[2 * cell for cell in ONCE]] * 2) for step in (1, 2)]


def test_indices_out_of_range_do_not_end_the_process(reporter, server):
    model = Model(blocks=1).cuda()
    reporter.watch_experts(model)
    model(hidden(), torch.tensor([[-1, 0], [4, 1], [1000, 1]], device='cuda'))
    torch.cuda.synchronize()
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [[1, 2, 0, 0]]


def test_a_captured_graph_trains_on_and_is_not_counted(reporter, server):
    model, index, given = Model().cuda(), INDEX.cuda(), hidden().detach()
    reporter.watch_experts(model)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        expected = model(given, index)
    torch.cuda.current_stream().wait_stream(side)
    reporter.step(1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = model(given, index)
        reporter.step(2, loss=output.sum())
    graph.replay()
    assert torch.equal(output, expected)
    reporter.step(3)
    server.until(lambda: any(fact['step'] == 3 for fact in server.of('step')))
    assert [fact['step'] for fact in server.of('experts')] == [1]


def test_another_stream_reports_what_it_computed(reporter, server):
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        torch.cuda._sleep(500_000_000)
        counts = torch.full((2, 3), 7, device='cuda')
        with waiting_is_an_error():
            reporter.experts(1, counts)
        counts.zero_()
    server.until(lambda: server.of('experts'))
    assert cells(server.of('experts')[0]) == [[7] * 3] * 2


def test_pinned_memory_is_used_again(reporter, server):
    counts = torch.arange(58 * 256, device='cuda').reshape(58, 256)
    reporter.experts(0, counts)
    server.until(lambda: len(server.of('experts')) == 1)
    stats = getattr(torch.cuda, 'host_memory_stats', None)
    if stats is None:
        pytest.skip('this torch does not count pinned memory')
    before = stats()['num_host_alloc']
    for step in range(1, 200):
        reporter.experts(step, counts)
        if step % 5 == 0:
            server.until(lambda: len(server.of('experts')) == step + 1)
    assert stats()['num_host_alloc'] - before <= 8
