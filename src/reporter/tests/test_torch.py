"""Tensors, and the routers of PyTorch models that are told to be watched. On the CPU: test_cuda.py has what needs a device."""

from __future__ import annotations

import base64
import copy
import io
import struct

import pytest

torch = pytest.importorskip('torch', reason='torch is not installed', exc_type=ImportError)


def cells(fact):
    raw = base64.b64decode(fact['counts'])
    flat = struct.unpack(f'<{len(raw) // 4}I', raw)
    return [list(flat[at:at + fact['experts']]) for at in range(0, len(flat), fact['experts'])]


@pytest.mark.parametrize('dtype', [torch.int64, torch.int32, torch.float32, torch.float64, torch.bfloat16, torch.uint8])
def test_counts_of_a_tensor_are_copied_at_once(dtype, reporter, server):
    counts = torch.arange(12, dtype=dtype).reshape(3, 4)
    reporter.experts(1, counts)
    reporter.experts(2, counts.t())
    reporter.experts(3, counts[:, 1:3])
    reporter.experts(4, counts[1])
    counts.zero_()
    server.until(lambda: len(server.of('experts')) == 4)
    whole = torch.arange(12).reshape(3, 4)
    assert [cells(fact) for fact in server.of('experts')] == [
        whole.tolist(), whole.t().tolist(), whole[:, 1:3].tolist(), [whole[1].tolist()]]


def test_a_copy_that_is_used_again_holds_each_steps_own_counts(reporter, server):
    counts = torch.zeros(3, 4, dtype=torch.int64)
    reporter.experts(0, counts, layers=('a', 'b', 'c'))
    server.until(lambda: len(server.of('experts')) == 1)
    for step in range(1, 40):
        counts.fill_(step)
        reporter.experts(step, counts, layers=('a', 'b', 'c'), tokens=step, top_k=4)
    counts.zero_()
    server.until(lambda: len(server.of('experts')) == 40)
    for step, fact in enumerate(server.of('experts')):
        assert fact['step'] == step and cells(fact) == [[step] * 4] * 3 and fact['tokens'] == (step or None)


def test_odd_tensors_are_told_as_counts_or_as_gaps(reporter, server):
    shape = (3, 4)
    reporter.experts(0, torch.zeros(shape, dtype=torch.int64))
    server.until(lambda: len(server.of('experts')) == 1)
    reporter.experts(1, torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0), shape).coalesce())
    reporter.experts(2, torch.zeros(shape, requires_grad=True))
    server.until(lambda: len(server.of('experts')) + len(server.of('gap')) == 3)
    assert server.of('experts')[-1]['step'] == 2


def test_counts_that_are_negative_or_have_a_third_dimension_are_gaps(reporter, server):
    reporter.experts(1, torch.tensor([[-1, 2]]))
    reporter.experts(2, torch.zeros(2, 2, 2))
    reporter.experts(3, torch.tensor([[1 << 33]]))
    server.until(lambda: server.of('experts') and sum(gap['facts'] for gap in server.of('gap')) == 2)
    assert server.of('experts')[0]['flags'] == ['local', 'saturated']


def test_a_loss_may_be_a_tensor(reporter, server):
    loss = torch.tensor(2.5, requires_grad=True)
    reporter.step(torch.tensor(1), loss=loss * 1, tokens=torch.tensor(64))
    reporter.step(2, loss=torch.tensor(float('nan')))
    reporter.step(3, loss=torch.ones(2))
    server.until(lambda: len(server.of('step')) == 2 and server.of('gap'))
    assert [(fact['step'], fact['loss'], fact['tokens']) for fact in server.of('step')] == [(1, 2.5, 64), (2, 'NaN', None)]


class Experts(torch.nn.Module):
    def __init__(self, experts=4):
        super().__init__()
        self.num_experts = experts
        self.weight = torch.nn.Parameter(torch.ones(experts))

    def forward(self, hidden, top_k_index, top_k_weights=None):
        return hidden * self.weight[top_k_index.clamp(0, self.num_experts - 1)].sum(-1, keepdim=True)


class Block(torch.nn.Module):
    def __init__(self, experts=4):
        super().__init__()
        self.experts = Experts(experts)

    def forward(self, hidden, index):
        return self.experts(hidden, top_k_index=index)


class Model(torch.nn.Module):
    def __init__(self, blocks=2, experts=4):
        super().__init__()
        self.layers = torch.nn.ModuleList(Block(experts) for _ in range(blocks))

    def forward(self, hidden, index, checkpointed=None):
        for layer in self.layers:
            if checkpointed is None:
                hidden = layer(hidden, index)
            else:
                hidden = torch.utils.checkpoint.checkpoint(layer, hidden, index, use_reentrant=checkpointed)
        return hidden


INDEX = torch.tensor([[0, 1], [1, 2], [1, 3]])
ONCE = [1, 3, 1, 1]


def hidden():
    return torch.ones(3, 8, requires_grad=True)


def test_routers_are_counted_over_micro_batches_and_reported_with_the_step(reporter, server):
    model = Model()
    assert reporter.watch_experts(torch.nn.Sequential(model)) == ['0.layers.0', '0.layers.1']
    assert reporter.watch_experts(model) == ['0.layers.0', '0.layers.1']
    for step in (1, 2):
        for _ in range(step):
            model(hidden(), INDEX).sum().backward()
        reporter.step(step)
    reporter.step(3)
    server.until(lambda: len(server.of('step')) == 3)
    frames = server.of('experts')
    assert [(frame['step'], frame['layers'], cells(frame), frame['tokens'], frame['topK']) for frame in frames] == [
        (1, ['0.layers.0', '0.layers.1'], [ONCE, ONCE], 3, 2),
        (2, ['0.layers.0', '0.layers.1'], [[2 * cell for cell in ONCE]] * 2, 6, 2)]


@pytest.mark.parametrize('reentrant', [True, False])
def test_recomputation_evaluation_and_copies_do_not_count(reentrant, reporter, server):
    model = Model()
    reporter.watch_experts(model)
    model(hidden(), INDEX, checkpointed=reentrant).sum().backward()
    copy.deepcopy(model)(hidden(), INDEX)
    model.eval()(hidden(), INDEX)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [ONCE, ONCE]


def test_indices_out_of_range_harm_nobody_and_are_not_counted(reporter, server):
    model = Model(blocks=1)
    reporter.watch_experts(model)
    model(hidden(), torch.tensor([[-1, 0], [4, 1], [1000, 1]]))
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [[1, 2, 0, 0]]


def test_indices_that_are_written_after_the_call_are_counted_in_it_from_the_next_step_on(reporter, server):
    model = Model()
    reporter.watch_experts(model)
    for step in (1, 2):
        for _ in range(2):
            index = INDEX.clone()
            model.layers[0](hidden(), index)
            model.layers[1](hidden(), INDEX)
            index.zero_()
        reporter.step(step)
    server.until(lambda: len(server.of('step')) == 2)
    twice = [2 * cell for cell in ONCE]
    assert [(fact['step'], fact['layers'], cells(fact)) for fact in server.of('experts')] == [
        (1, ['layers.1'], [twice]), (2, ['layers.0', 'layers.1'], [twice, twice])]


def test_micro_batches_of_different_sizes_and_kinds_are_added(reporter, server):
    model = Model()
    reporter.watch_experts(model)
    for index in (INDEX, INDEX[:2], INDEX.to(torch.int32), INDEX[:0]):
        for layer in model.layers:
            layer(hidden()[:len(index)], index)
    with torch.inference_mode():
        model.layers[0](hidden(), INDEX + 0)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [[3 + 1, 8 + 3, 3 + 1, 2 + 1], [3, 8, 3, 2]]


def test_what_is_kept_until_the_step_is_bounded(reporter, server, monkeypatch):
    from plimsoll_reporter import _watch

    monkeypatch.setattr(_watch, 'KEPT_MAX', 10)
    model = Model(blocks=3)
    reporter.watch_experts(model)
    for layer in model.layers:
        layer(hidden(), INDEX)
        assert sum(each.indices.numel() for each in _watch._kept) <= 10
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [ONCE] * 3


def test_a_layer_that_was_not_called_is_left_out_and_never_zero(reporter, server):
    model = Model()
    reporter.watch_experts(model)
    model.layers[1](hidden(), INDEX)
    reporter.step(1)
    model(hidden(), INDEX)
    reporter.step(2)
    server.until(lambda: len(server.of('step')) == 2)
    assert [(frame['layers'], cells(frame)) for frame in server.of('experts')] == [
        (['layers.1'], [ONCE]), (['layers.0', 'layers.1'], [ONCE, ONCE])]


def test_layers_of_different_sizes_come_in_frames_of_their_own(reporter, server):
    model = torch.nn.ModuleList([Block(4), Block(8)])
    reporter.watch_experts(model)
    for block in model:
        block(hidden(), INDEX)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert sorted((frame['layers'][0], frame['experts']) for frame in server.of('experts')) == [('0', 4), ('1', 8)]


def test_a_watched_model_can_be_pickled_and_its_exceptions_are_its_own(reporter, server):
    model = Model()
    reporter.watch_experts(model)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    assert b'plimsoll' not in buffer.getvalue()
    with pytest.raises(IndexError):
        model(hidden(), torch.tensor([[0.5]]).long()[:, :, None][5])
    model(hidden(), INDEX)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    assert cells(server.of('experts')[0]) == [ONCE, ONCE]


class Linear4Block(torch.nn.Module):
    """As in transformers 4: a plain linear layer beside its experts."""

    def __init__(self):
        super().__init__()
        self.num_experts, self.top_k = 4, 2
        self.gate = torch.nn.Linear(8, 4, bias=False)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(4))

    def forward(self, hidden):
        return self.gate(hidden)


def test_a_plain_linear_router_is_recomputed_and_its_pickle_needs_nothing_of_ours(reporter, server):
    block = Linear4Block()
    assert reporter.watch_experts(torch.nn.ModuleDict({'mlp': block})) == ['mlp']
    logits = block(hidden())
    copied = copy.deepcopy(block)
    copied(hidden())
    buffer = io.BytesIO()
    torch.save(block, buffer)
    assert b'plimsoll_reporter._' not in buffer.getvalue()
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(hidden()), logits)
    reporter.step(1)
    server.until(lambda: server.of('step'))
    expected = torch.bincount(logits.topk(2, -1).indices.flatten(), minlength=4).tolist()
    assert cells(server.of('experts')[0]) == [expected]


class StrangeRouter(torch.nn.Module):
    num_experts = 4

    def forward(self, hidden):
        return {'what': hidden}


def test_a_router_that_is_not_understood_is_said_once_and_its_output_is_untouched(reporter, server, capfd):
    model = torch.nn.ModuleDict({'a': torch.nn.ModuleDict({'router': StrangeRouter()})})
    assert reporter.watch_experts(model) == ['a']
    given = hidden()
    for step in range(3):
        assert model['a']['router'](given)['what'] is given
        reporter.step(step)
    server.until(lambda: len(server.of('step')) == 3)
    assert not server.of('experts') and capfd.readouterr().err.count('\n') == 1


def test_compiled_models_train_on(reporter, server):
    model = Model()
    reporter.watch_experts(model)
    compiled = torch.compile(model, backend='eager')
    assert torch.equal(compiled(hidden(), INDEX), model(hidden(), INDEX))
    reporter.step(1)
    server.until(lambda: server.of('step'))
