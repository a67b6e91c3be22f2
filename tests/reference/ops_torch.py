"""Records what PyTorch answers for each operation of the engine, forward and backward.

One safetensors file. Tensors of case C are `C.in.NAME` (inputs), `C.out.NAME` (outputs) and
`C.grad.NAME` (gradients of the inputs). Where the output is no loss yet, the loss is the mean
squared distance to `C.in.target`. Everything is computed in f64 from f32 inputs and stored as
f32, so the values are right to the last digit or two. Packed cases have `C.in.offsets`.

    python tests/reference/ops_torch.py [OUT]     # default crates/adit-nn/tests/golden/ops.safetensors
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

RNG = torch.Generator().manual_seed(20)
CASES = {}


def draw(*shape, scale=1.0):
    """Random values that f32 holds exactly, as f64 leaves."""
    return (torch.randn(*shape, generator=RNG) * scale).double().requires_grad_()


def case(name, make, fixed=None, **inputs):
    """Runs `make(**inputs)`, takes it to a scalar, and keeps inputs, output and gradients."""
    out = make(**inputs)
    kept = {f"in.{k}": v for k, v in inputs.items()} | {f"in.{k}": v for k, v in (fixed or {}).items()}
    loss = out
    if out.numel() > 1:
        target = torch.randn(out.shape, generator=RNG).double()
        kept["in.target"] = target
        loss = ((out - target) ** 2).mean()
        kept["out.y"] = out
    kept["out.loss"] = loss.reshape(1)
    grads = torch.autograd.grad(loss, list(inputs.values()))
    kept |= {f"grad.{k}": g for k, g in zip(inputs, grads)}
    for key, value in kept.items():
        value = value.detach()
        CASES[f"{name}.{key}"] = (value.float() if value.is_floating_point() else value.int()).contiguous().clone()


def packed(lengths):
    return torch.tensor([0, *lengths]).cumsum(0)


def attention(q, k, v, lengths, heads):
    """Softmax attention of every token to its own sequence; q, k, v are [sum_len, hidden]."""
    outs = []
    for parts in zip(q.split(lengths), k.split(lengths), v.split(lengths)):
        n, width = parts[0].shape
        q, k, v = (x.reshape(n, heads, width // heads).transpose(0, 1) for x in parts)
        weights = (q @ k.transpose(1, 2) / math.sqrt(width // heads)).softmax(-1)
        outs.append((weights @ v).transpose(0, 1).reshape(n, width))
    return torch.cat(outs)


def products():
    for name, (rows, n_in, n_out) in {"linear": (7, 13, 5), "linear_one_row": (1, 3, 4), "linear_wide": (33, 48, 50)}.items():
        case(name, F.linear, input=draw(rows, n_in), weight=draw(n_out, n_in, scale=0.4), bias=draw(n_out))
    case("linear_no_bias", F.linear, input=draw(4, 6), weight=draw(3, 6))
    case("embedding_sum", lambda words, places, kinds: words[IDS] + places[PLACES] + kinds[KINDS],
         {"word_ids": IDS, "place_ids": PLACES, "kind_ids": KINDS},
         words=draw(11, 6), places=draw(5, 6), kinds=draw(2, 6))


IDS = torch.tensor([3, 7, 3, 10, 1, 3, 0, 9])
PLACES = torch.tensor([0, 1, 2, 3, 0, 0, 1, 2])
KINDS = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1])


def element_wise():
    wide = torch.cat([torch.linspace(-9, 9, 61), torch.tensor([-30.0, 30.0, 0.0, -0.0, 1e-6])]).double()
    case("gelu", F.gelu, x=wide.reshape(6, 11).float().double().requires_grad_())
    case("gelu_of_linear", lambda input, weight, bias: F.gelu(F.linear(input, weight, bias)),
         input=draw(9, 7), weight=draw(12, 7), bias=draw(12))
    case("tanh", torch.tanh, x=draw(5, 7, scale=3.0))
    case("relu", torch.relu, x=draw(5, 7))
    case("add", lambda a, b: a + b, a=draw(4, 3), b=draw(4, 3))
    case("product", lambda a, b: a * b, a=draw(4, 3), b=draw(4, 3))
    a, b = draw(4, 9), draw(4, 9)
    with torch.no_grad():
        b[1, 2:5] = a[1, 2:5]
    case("abs_diff", lambda a, b: (a - b).abs(), a=a, b=b)
    case("reglu", lambda x: x[:, :5] * torch.relu(x[:, 5:]), x=draw(6, 10))
    case("match", lambda u, v: torch.cat([u, v, (u - v).abs(), u * v], 1), u=draw(3, 4), v=draw(3, 4))


def norms():
    for name, width, eps in (("layer_norm", 24, 1e-12), ("layer_norm_wide_eps", 33, 1e-3)):
        case(name, lambda x, gain, bias, n=width, e=eps: F.layer_norm(x, (n,), gain, bias, e),
             {"eps": torch.tensor([eps])}, x=draw(6, width, scale=2.0), gain=draw(width), bias=draw(width))
    case("add_layer_norm", lambda x, residual, gain, bias: F.layer_norm(x + residual, (16,), gain, bias, 1e-12),
         {"eps": torch.tensor([1e-12])}, x=draw(5, 16), residual=draw(5, 16), gain=draw(16), bias=draw(16))


def heads():
    for name, lengths, n_heads, size in (
        ("attention", [5, 1, 8, 3], 2, 8),
        ("attention_odd", [7, 2], 3, 5),
        ("attention_head16", [1, 17, 4], 3, 16),
        ("attention_head32", [9, 18], 2, 32),
        ("attention_head64", [3, 16, 1], 1, 64),
    ):
        fixed = {"offsets": packed(lengths), "heads": torch.tensor([n_heads])}
        case(name, lambda q, k, v, a=lengths, h=n_heads: attention(q, k, v, a, h), fixed,
             **{part: draw(sum(lengths), n_heads * size) for part in "qkv"})
    # Scores far apart: a softmax without its maximum taken off would overflow.
    case("attention_sharp", lambda q, k, v: attention(q, k, v, [6, 3], 2),
         {"offsets": packed([6, 3]), "heads": torch.tensor([2])}, **{part: draw(9, 8, scale=12.0) for part in "qkv"})


def pooling():
    lengths = [4, 1, 6]
    fixed = {"offsets": packed(lengths)}
    case("mean_pool", lambda x: torch.stack([p.mean(0) for p in x.split(lengths)]), fixed, x=draw(11, 5))
    case("first_token", lambda x: torch.stack([p[0] for p in x.split(lengths)]), fixed, x=draw(11, 5))
    case("max_pool", lambda x: torch.stack([p.amax(0) for p in x.split(lengths)]), fixed, x=draw(11, 5))
    case("tanh_pooler", lambda x, weight, bias: torch.tanh(F.linear(torch.stack([p[0] for p in x.split(lengths)]), weight, bias)),
         fixed, x=draw(11, 5), weight=draw(5, 5), bias=draw(5))
    case("normalise", lambda x: F.normalize(x, dim=1), x=draw(4, 6))


def row_tokens():
    """Three numbers of 3, 1 and 2 components, some missing, and two categories of 3 and 2 values."""
    starts, rows = [0, 3, 4, 6], 7
    components = torch.rand(rows, 6, generator=RNG).double()
    missing = torch.rand(rows, 3, generator=RNG) < 0.3
    codes = torch.stack([torch.randint(0, 3, (rows,), generator=RNG), torch.randint(3, 5, (rows,), generator=RNG)], 1)
    fixed = {"starts": torch.tensor(starts), "components": components, "missing": missing, "codes": codes}

    def tokens(relu, cls, weight, bias, absent, table, table_bias):
        numbers = []
        for i, (a, b) in enumerate(zip(starts, starts[1:])):
            token = components[:, a:b] @ weight[a:b] + bias[i]
            token = torch.relu(token) if relu else token
            numbers.append(torch.where(missing[:, i : i + 1], absent[i], token))
        own = cls.expand(rows, -1)
        return torch.stack([own, *numbers, *(table[codes] + table_bias).unbind(1)], 1).flatten(0, 1)

    for name, relu in (("row_tokens", False), ("row_tokens_relu", True)):
        case(name, lambda relu=relu, **v: tokens(relu, **v), fixed, cls=draw(4), weight=draw(6, 4), bias=draw(3, 4),
             absent=draw(3, 4), table=draw(5, 4), table_bias=draw(2, 4))


def losses():
    labels = torch.tensor([2, 0, 1, 2, 2, 0])
    weights = torch.tensor([0.5, 2.0, 1.25]).double()
    case("cross_entropy", lambda logits: F.cross_entropy(logits, labels), {"labels": labels}, logits=draw(6, 3, scale=2.0))
    case("cross_entropy_weighted", lambda logits: F.cross_entropy(logits, labels, weights),
         {"labels": labels, "weights": weights}, logits=draw(6, 3, scale=2.0))
    case("cross_entropy_sharp", lambda logits: F.cross_entropy(logits, labels), {"labels": labels},
         logits=draw(6, 3, scale=80.0))
    wanted = torch.randn(8, generator=RNG).double()
    case("mse", lambda y: F.mse_loss(y, wanted), {"wanted": wanted}, y=draw(8))


def adamw():
    """Five steps with decay on `w` and none on `b`, the learning rate changing with each step."""
    w, b = draw(3, 4), draw(4)
    kept = {"in.w": w.clone(), "in.b": b.clone()}
    steps = torch.tensor([1e-2, 3e-2, 2e-2, 1e-2, 5e-3]).double()
    optimiser = torch.optim.AdamW(
        [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}],
        lr=1.0, betas=(0.9, 0.999), eps=1e-8,
    )
    for at, lr in enumerate(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr.item()
        w.grad, b.grad = draw(3, 4).detach(), draw(4, scale=1e-3).detach()
        kept |= {f"in.grad_w{at}": w.grad.clone(), f"in.grad_b{at}": b.grad.clone()}
        optimiser.step()
        kept |= {f"out.w{at}": w.clone(), f"out.b{at}": b.clone()}
    CASES.update({f"adamw.{k}": v.detach().float().contiguous() for k, v in kept.items()})
    CASES["adamw.in.lr"] = steps.float()


def clipping():
    for name, limit in (("clip", 1.0), ("clip_not_needed", 100.0)):
        a, b = draw(3, 4), draw(5)
        a.grad, b.grad = draw(3, 4).detach(), draw(5).detach()
        kept = {"in.a": a.grad.clone(), "in.b": b.grad.clone(), "in.limit": torch.tensor([limit])}
        norm = torch.nn.utils.clip_grad_norm_([a, b], limit)
        kept |= {"out.a": a.grad, "out.b": b.grad, "out.norm": norm.reshape(1)}
        CASES.update({f"{name}.{k}": v.detach().float().contiguous() for k, v in kept.items()})


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden/ops.safetensors"
    torch.set_num_threads(1)
    for part in (products, element_wise, norms, heads, pooling, row_tokens, losses, adamw, clipping):
        part()
    assert all(v.isfinite().all() for v in CASES.values() if v.is_floating_point())
    save_file(CASES, out)
    out.chmod(0o644)
    print(f"{len({k.split('.')[0] for k in CASES})} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
