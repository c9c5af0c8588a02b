"""The real packages, on the CPU, with scripts that know nothing of the reporter: only the environment is set."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import struct
import subprocess
import sys

import pytest

from conftest import ROOT, TOKEN, environment

AUTO = str(ROOT / 'auto')


def installed(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f'not installed: {", ".join(missing)}')


def cells(fact):
    raw = base64.b64decode(fact['counts'])
    flat = struct.unpack(f'<{len(raw) // 4}I', raw)
    return [list(flat[at:at + fact['experts']]) for at in range(0, len(flat), fact['experts'])]


def start(command, server, **more):
    env = environment(server.url, PYTHONPATH=AUTO, PLIMSOLL_REPORTER_AUTO='1', CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1',
                      HF_HUB_OFFLINE='1', TRANSFORMERS_VERBOSITY='error', **more)
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert TOKEN not in ended.stdout + ended.stderr and 'plimsoll_reporter:' not in ended.stderr, ended.stderr
    return ended


def script(code, server, tmp_path, *arguments, **more):
    path = tmp_path / 'train.py'
    path.write_text(code)
    return start([sys.executable, '-B', str(path), *arguments], server, **more)


HUGGING_FACE = '''
import gc, sys, torch, transformers
torch.manual_seed(0)
def train(name, options, mode):
    config = transformers.AutoConfig.for_model(name, **options)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.train()
    if mode == 'checkpointed':
        model.gradient_checkpointing_enable()
    elif mode == 'reentrant':
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': True})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(0, 64, (2, 16))
    for step in range(2):
        model(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
        model.eval()
        with torch.no_grad():
            model(input_ids=tokens)
        model.train()
        optimizer.step()
        optimizer.zero_grad()
for name, options, mode in eval(sys.argv[1]):
    train(name, options, mode)
    gc.collect()
    print(name, mode, 'trained', flush=True)
'''

SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=4, head_dim=8, max_position_embeddings=64, num_experts_per_tok=2, num_experts=8,
             num_local_experts=8, moe_intermediate_size=16, pad_token_id=0, bos_token_id=1, eos_token_id=2)
FAMILIES = {
    'mixtral': {},
    'qwen2_moe': dict(shared_expert_intermediate_size=16, decoder_sparse_step=1, mlp_only_layers=[]),
    'qwen3_moe': dict(decoder_sparse_step=1, mlp_only_layers=[]),
    'olmoe': {},
    'deepseek_v3': dict(n_routed_experts=8, n_group=1, topk_group=1, first_k_dense_replace=0, n_shared_experts=1,
                        q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=8),
    'glm4_moe': dict(n_routed_experts=8, n_group=1, topk_group=1, first_k_dense_replace=0, n_shared_experts=1),
    'gpt_oss': {},
    'granitemoe': {},
    'phimoe': {},
    'llama4_text': dict(intermediate_size_mlp=32, interleave_moe_layer_step=1, moe_layers=[0, 1, 2]),
}


def options_of(family):
    return {**SIZES, **FAMILIES[family]}


@installed('torch', 'transformers')
def test_every_hugging_face_family_counts_each_token_once(server, tmp_path):
    """One process for all of them, since an import costs seconds; a model that is gone leaves the next one alone."""
    runs = [(family, options_of(family), 'plain') for family in FAMILIES]
    runs += [('mixtral', options_of('mixtral'), mode) for mode in ('checkpointed', 'reentrant')]
    ended = script(HUGGING_FACE, server, tmp_path, repr(runs))
    assert ended.stdout.count('trained') == len(runs)
    frames = server.of('experts')
    assert [frame['step'] for frame in frames] == [1, 2] * len(runs)
    for (family, _, mode), frame in zip([run for run in runs for _ in range(2)], frames):
        said = (family, mode, frame)
        assert [int(re.search(r'layers\.(\d+)', name)[1]) for name in frame['layers']] == [0, 1, 2], said
        assert frame['experts'] == 8 and [sum(row) for row in cells(frame)] == [64, 64, 64], said
        assert (frame['tokens'], frame['topK'], frame['flags']) == (32, 2, ['local', 'auto', 'padding']), said
    assert not server.of('step'), 'progress comes from the log'


TRAINER = '''
import sys, torch, transformers
torch.manual_seed(0)
config = transformers.AutoConfig.for_model('mixtral', **eval(sys.argv[1]))
model = transformers.AutoModelForCausalLM.from_config(config)
class Data(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, at):
        tokens = torch.arange(16) * (at + 1) % 64
        return {'input_ids': tokens, 'labels': tokens}
arguments = transformers.TrainingArguments(output_dir=sys.argv[2], per_device_train_batch_size=2, max_steps=int(sys.argv[3]),
    gradient_accumulation_steps=2, save_steps=2, logging_steps=1, report_to=[], use_cpu=True, dataloader_num_workers=2)
trainer = transformers.Trainer(model=model, args=arguments, train_dataset=Data())
trainer.train(resume_from_checkpoint=sys.argv[4] == 'resume')
'''


@installed('torch', 'transformers', 'accelerate')
def test_the_trainer_with_accumulation_and_loaders_goes_on_counting_after_a_resume(server, tmp_path):
    saved = str(tmp_path / 'saved')
    script(TRAINER, server, tmp_path, repr(options_of('mixtral')), saved, '2', 'begin')
    script(TRAINER, server, tmp_path, repr(options_of('mixtral')), saved, '4', 'resume')
    frames = sorted(server.of('experts'), key=lambda frame: frame['at'])
    assert [frame['step'] for frame in frames] == [1, 2, 3, 4]
    assert [[sum(row) for row in cells(frame)] for frame in frames] == [[2 * 64] * 3] * 4
    assert len({batch['source'] for batch in server.batches}) == 2, 'workers that load data say nothing'


MEGATRON = '''
import os, sys, torch
import torch.distributed as dist
torch.cuda.current_device = lambda: torch.device('cpu')
from megatron.core import parallel_state
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer import TransformerConfig
from megatron.core.transformer.moe import moe_utils
from megatron.core.transformer.moe.router import TopKRouter
import megatron.core.distributed
import importlib
finalize = importlib.import_module('megatron.core.distributed.finalize_model_grads')
moe_utils.te_general_gemm = None
dist.init_process_group('gloo')
parallel_state.initialize_model_parallel()
bias = sys.argv[1] == 'bias'
config = TransformerConfig(num_layers=2, hidden_size=16, num_attention_heads=2, num_moe_experts=8, moe_router_topk=2,
    moe_router_load_balancing_type='none', moe_router_score_function='sigmoid', moe_router_enable_expert_bias=bias,
    use_cpu_initialization=True, moe_ffn_hidden_size=16, add_bias_linear=False)
class Layer(torch.nn.Module):
    def __init__(self, number):
        super().__init__()
        self.router = TopKRouter(config=config, pg_collection=ProcessGroupCollection.use_mpu_process_groups())
        self.router.set_layer_number(number)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(5), Layer(6)])
    def forward(self, hidden):
        return sum(layer.router(hidden)[0].sum() for layer in self.layers)
torch.manual_seed(dist.get_rank())
model = Model()
model.ddp_config = None
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(2):
    for _ in range(2):
        model(torch.randn(16, 2, 16, requires_grad=True)).backward()
    if bias:
        finalize._update_router_expert_bias([model], config)
        for layer in model.layers:
            layer.router.local_tokens_per_expert.zero_()
    optimizer.step()
    optimizer.zero_grad()
dist.barrier()
dist.destroy_process_group()
'''


@installed('torch', 'megatron')
@pytest.mark.parametrize('bias', ['bias', 'none'])
def test_megatron_core_under_torchrun(bias, server, tmp_path):
    """With the bias one rank tells the sum that Megatron-core makes anyway; without it each tells its own part."""
    path = tmp_path / 'train.py'
    path.write_text(MEGATRON)
    start([sys.executable, '-B', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', str(path), bias],
          server)
    frames = server.of('experts')
    ranks = {batch['source']: batch['rank'] for batch in server.batches}
    assert all(frame['layers'] == ['layers.4', 'layers.5'] and frame['topK'] == 2 for frame in frames)
    of_step = {}
    for frame in frames:
        sums = of_step.setdefault(frame['step'], [0, 0])
        of_step[frame['step']] = [a + sum(row) for a, row in zip(sums, cells(frame))]
    # 2 ranks x 2 micro-batches x 32 tokens x top-2.
    assert of_step == {1: [256, 256], 2: [256, 256]}
    if bias == 'bias':
        assert len(frames) == 2 and all('summed' in frame['flags'] and 'local' not in frame['flags'] for frame in frames)
        assert set(ranks.values()) == {0}
    else:
        assert len(frames) == 4 and all('local' in frame['flags'] for frame in frames)
        assert sorted(ranks.values()) == [0, 1]


@installed('torch')
def test_a_model_without_experts_and_an_optimizer_without_state_do_not_matter(server, tmp_path):
    script('''
import torch
model = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=.1)
model(torch.ones(1, 4)).sum().backward()
optimizer.step()
''', server, tmp_path)
    assert server.facts == []


def test_another_sitecustomize_still_runs_and_its_error_is_said(server, tmp_path):
    (tmp_path / 'sitecustomize.py').write_text('import builtins; builtins.seen = __name__\nraise ValueError("theirs")')
    env = environment(server.url, PYTHONPATH=os.pathsep.join([AUTO, str(tmp_path)]), PLIMSOLL_REPORTER_AUTO='1')
    ended = subprocess.run([sys.executable, '-c', 'print(seen); import sitecustomize; print(sitecustomize.__file__)'], env=env,
                           capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == ['sitecustomize', str(tmp_path / 'sitecustomize.py')]
    assert 'ValueError: theirs' in ended.stderr


def test_the_hook_imports_nothing_and_the_package_comes_last(server):
    code = ('import sys, json; before = sorted(sys.modules); import plimsoll_reporter as p; '
            'print(json.dumps([before, sys.path, p._reporter is not None]))')
    seen = []
    for path in (AUTO, ''):
        env = environment(server.url, PYTHONPATH=path, PLIMSOLL_REPORTER_AUTO='1')
        ended = subprocess.run([sys.executable, '-c', code if path else 'import sys, json; print(json.dumps([sorted(sys.modules)]))'],
                               env=env, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        seen.append(json.loads(ended.stdout))
    (modules, path, reports), (bare,) = seen
    assert set(modules) - set(bare) <= {'sitecustomize', 'json', 'json.decoder', 'json.encoder', 'json.scanner', '_json'}
    assert path[-1] == str(ROOT) and reports


def test_a_child_that_inherits_a_ranks_variables_is_not_a_rank(server, tmp_path):
    env = environment(server.url, PYTHONPATH=AUTO, PLIMSOLL_REPORTER_AUTO='1', RANK='3')
    code = ('import os, subprocess, sys; print(os.environ["PLIMSOLL_REPORTER_PID"] == str(os.getpid()), '
            'any(type(f).__name__ == "_Finder" for f in sys.meta_path), flush=True)\n'
            'if len(sys.argv) == 1: subprocess.run([sys.executable, __file__, "child"], check=True)')
    path = tmp_path / 'rank.py'
    path.write_text(code)
    ended = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True)
    assert ended.stdout.split() == ['True', 'True', 'False', 'False'], ended.stderr
