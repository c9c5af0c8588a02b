"""A small mixture-of-experts transformer in the manner of DeepSeek-V3.

Every layer has causal attention, one shared expert that sees each token, and many narrow experts of which a sigmoid
router chooses a few. The router's bias takes part in the choice only, never in the weights, and is moved by
`balance` after each step instead of by a loss.

What an observer needs has the names that it has in transformers 5: the router returns (logits, scores, indices), its
bias is `e_score_correction_bias`, and the experts are called with `top_k_index`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 256
    sequence: int = 128
    layers: int = 4
    width: int = 128
    heads: int = 4
    experts: int = 16
    top_k: int = 2
    expert_width: int = 64


class TopKRouter(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.num_experts = shape.experts
        self.top_k = shape.top_k
        self.weight = nn.Parameter(torch.empty(shape.experts, shape.width))
        self.register_buffer('e_score_correction_bias', torch.zeros(shape.experts))
        # Tokens that this rank sent to each expert since the last `balance`. Not part of a checkpoint: a checkpoint
        # is only written between steps, when it is zero.
        self.register_buffer('routed_tokens', torch.zeros(shape.experts, dtype=torch.int64), persistent=False)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits = F.linear(hidden.float(), self.weight.float())
        scores = logits.sigmoid()
        indices = (scores + self.e_score_correction_bias).topk(self.top_k, dim=-1).indices
        chosen = scores.gather(-1, indices)
        chosen = chosen / chosen.sum(-1, keepdim=True)
        if self.training and torch.is_grad_enabled():
            flat = indices.flatten()
            self.routed_tokens.scatter_add_(0, flat, torch.ones_like(flat))
        return logits, chosen, indices


class Experts(nn.Module):
    """All routed experts of a layer, each a gated linear unit.

    The weights are stacked and every expert is computed, with no rows when no token chose it. So each weight has a
    gradient at every step, which data-parallel reduction waits for.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.num_experts = shape.experts
        self.gate_up = nn.Parameter(torch.empty(shape.experts, 2 * shape.expert_width, shape.width))
        self.down = nn.Parameter(torch.empty(shape.experts, shape.width, shape.expert_width))

    def forward(self, hidden: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor) -> torch.Tensor:
        flat = top_k_index.flatten()
        order = flat.argsort(stable=True)
        counts = torch.zeros(self.num_experts, dtype=torch.int64, device=flat.device)
        counts.scatter_add_(0, flat, torch.ones_like(flat))
        token = order // top_k_index.shape[-1]
        rows = hidden[token].split(counts.tolist())
        outputs = []
        # unbind once: selecting one expert after the other would make a gradient of full size for each.
        for part, gate_up, down in zip(rows, self.gate_up.unbind(0), self.down.unbind(0)):
            gate, up = F.linear(part, gate_up).chunk(2, dim=-1)
            outputs.append(F.linear(F.silu(gate) * up, down))
        weighted = torch.cat(outputs) * top_k_weights.flatten()[order].unsqueeze(-1).to(hidden.dtype)
        return torch.zeros_like(hidden).index_add(0, token, weighted)


class SharedExpert(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.width, 2 * shape.expert_width, bias=False)
        self.down = nn.Linear(shape.expert_width, shape.width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        gate, up = self.gate_up(hidden).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class MoeMlp(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = TopKRouter(shape)
        self.experts = Experts(shape)
        self.shared_expert = SharedExpert(shape)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        flat = hidden.reshape(-1, hidden.shape[-1])
        _, scores, indices = self.gate(flat)
        routed = self.experts(flat, indices, scores)
        return (routed + self.shared_expert(flat)).reshape(hidden.shape)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, length, width = hidden.shape
        qkv = self.qkv(hidden).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape)
        self.mlp_norm = nn.LayerNorm(shape.width)
        self.mlp = MoeMlp(shape)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.attention(self.attention_norm(hidden))
        return hidden + self.mlp(self.mlp_norm(hidden))


class MoeTransformer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.sequence, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, shape.vocabulary)
        nn.init.zeros_(self.head.bias)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        # Tokens begin far apart. With small embeddings what they have in common dominates after a few steps, and every
        # router sends all of them to the same experts.
        nn.init.normal_(self.token.weight, std=1.0)

    @torch.no_grad()
    def expect(self, counts: torch.Tensor) -> None:
        """Begins with how often each token occurs. A model that must first learn it gives all tokens a part in common, and
        the routers, which see that part too, send all of them to the same experts for the first hundred steps."""
        share = (counts.float() + 0.5) / (counts.float() + 0.5).sum()
        self.head.bias.copy_(share.log())

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean loss of predicting `targets`."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        hidden = self.token(tokens) + self.position(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        logits = self.head(self.norm(hidden))
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def routers(self) -> list[TopKRouter]:
        return [layer.mlp.gate for layer in self.layers]

    def parameter_counts(self) -> tuple[int, int]:
        """All parameters, and those that one token uses."""
        total = sum(parameter.numel() for parameter in self.parameters())
        routed = sum(parameter.numel() for layer in self.layers for parameter in layer.mlp.experts.parameters())
        return total, total - routed + routed * self.shape.top_k // self.shape.experts


@torch.no_grad()
def balance(model: MoeTransformer, rate: float) -> torch.Tensor:
    """Moves each router's bias towards the experts that got less than their share of the step that just ended, on all
    ranks alike. Returns the step's tokens of every expert, [layers, experts], and starts to count anew."""
    routers = model.routers()
    counts = torch.stack([router.routed_tokens for router in routers])
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(counts)
    for router, count in zip(routers, counts.float()):
        router.e_score_correction_bias.add_(torch.sign(count.mean() - count), alpha=rate)
        router.routed_tokens.zero_()
    return counts


def max_violation(counts: torch.Tensor) -> torch.Tensor:
    """MaxVio of each layer: by how much the fullest expert exceeds the mean, as a share of the mean."""
    mean = counts.float().mean(-1)
    return counts.float().amax(-1) / mean - 1
