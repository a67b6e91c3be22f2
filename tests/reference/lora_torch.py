"""Records what PyTorch answers for a linear map with a low-rank adapter (Hu et al., 2021).

One safetensors file. Tensors of case C are `C.in.NAME`, `C.out.y`, `C.out.loss` (the mean squared
distance to `C.in.target`) and `C.grad.NAME`; the weight is frozen and has no gradient. `C.out.merged`
is the output of a plain map with the merged weight. Everything is computed in f64 from f32 inputs.

    python tests/reference/lora_torch.py [OUT]     # default crates/adit-nn/tests/golden/lora.safetensors
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

RNG = torch.Generator().manual_seed(31)
FOUND = {}


def draw(*shape, scale=1.0):
    """Random values that f32 holds exactly, as f64 leaves."""
    return (torch.randn(*shape, generator=RNG) * scale).double().requires_grad_()


def case(name, rows, n_in, n_out, rank, alpha, gelu):
    x, bias = draw(rows, n_in), draw(n_out)
    weight = draw(n_out, n_in, scale=n_in**-0.5).detach()
    a, b = draw(rank, n_in, scale=0.3), draw(n_out, rank, scale=0.3)
    target = torch.randn(rows, n_out, generator=RNG).double()
    after = F.gelu if gelu else lambda y: y
    y = after(F.linear(x, weight, bias) + alpha / rank * F.linear(F.linear(x, a), b))
    loss = ((y - target) ** 2).mean()
    inputs = {"x": x, "bias": bias, "a": a, "b": b}
    kept = {f"grad.{k}": g for k, g in zip(inputs, torch.autograd.grad(loss, list(inputs.values())))}
    kept |= {f"in.{k}": v for k, v in inputs.items()}
    kept |= {"in.weight": weight, "in.target": target, "in.alpha": torch.tensor([float(alpha)])}
    kept |= {"out.y": y, "out.loss": loss.reshape(1)}
    kept["out.merged"] = after(F.linear(x, weight + alpha / rank * b @ a, bias))
    for key, value in kept.items():
        FOUND[f"{name}.{key}"] = value.detach().float().contiguous().clone()


case("plain", 7, 12, 10, 3, 6, False)
case("gelu", 5, 9, 17, 2, 3, True)
case("wide", 33, 40, 24, 8, 16, False)
out = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "crates/adit-nn/tests/golden/lora.safetensors"
save_file(FOUND, str(out))
