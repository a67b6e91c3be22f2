"""Records what a row transformer written in PyTorch answers: outputs, or the classes of hidden cells, loss and all gradients.

The model is FT-Transformer (Gorishniy et al., 2021) with piecewise-linear numbers (Gorishniy et
al., 2022): pre-norm blocks, no norm before the first attention, ReGLU, the row's own token read
through a last norm, ReLU and a linear head. Written from the papers with plain operations of
PyTorch, computed in f64 from weights that f32 holds exactly. Dropout is off.

    python tests/reference/row_transformer.py [OUT]     # default crates/adit-nn/tests/golden/row
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

BINS = [[0.0, 0.25, 1.0, 4.0], [-1.0, 1.0], [-3.0, -1.5, 0.0, 0.125, 2.0]]
MODELS = {
    "mixed": dict(bins=BINS, cardinalities=[3, 1, 4], d_token=16, n_layers=3, n_heads=4, ffn_hidden=12,
                  number_relu=False, n_outputs=3),
    "numbers": dict(bins=BINS, cardinalities=[], d_token=12, n_layers=2, n_heads=3, ffn_hidden=10,
                    number_relu=True, n_outputs=1),
    "categories": dict(bins=[], cardinalities=[2, 5], d_token=8, n_layers=1, n_heads=1, ffn_hidden=6,
                       number_relu=False, n_outputs=2),
}
# Asked for: cells by column, numbers first, with their classes.
CELLS = {
    "cells": dict(bins=BINS, cardinalities=[3, 5], d_token=12, n_layers=2, n_heads=3, ffn_hidden=10, number_relu=False,
                  n_outputs=1, classes=[3, 1, 4, 2, 4]),
}
ROWS = 9


def shapes(c):
    """Every parameter and its shape."""
    d, wide = c["d_token"], c["ffn_hidden"]
    yield "cls", (d,)
    yield "numbers.weight", (sum(len(b) - 1 for b in c["bins"]), d)
    yield "numbers.bias", (len(c["bins"]), d)
    yield "numbers.missing", (len(c["bins"]), d)
    yield "categories.bias", (len(c["cardinalities"]), d)
    yield "categories.weight", (sum(c["cardinalities"]), d)
    for at in range(c["n_layers"]):
        norms = ["ffn_norm"] if at == 0 else ["attention_norm", "ffn_norm"]
        for norm in norms:
            yield f"blocks.{at}.{norm}.weight", (d,)
            yield f"blocks.{at}.{norm}.bias", (d,)
        parts = dict(query=(d, d), key=(d, d), value=(d, d), attention_output=(d, d), ffn_in=(2 * wide, d), ffn_out=(d, wide))
        for part, shape in parts.items():
            yield f"blocks.{at}.{part}.weight", shape
            yield f"blocks.{at}.{part}.bias", shape[:1]
    yield "final_norm.weight", (d,)
    yield "final_norm.bias", (d,)
    if "classes" in c:
        for column, n in enumerate(c["classes"]):
            yield f"heads.{column}.weight", (n, d)
            yield f"heads.{column}.bias", (n,)
    else:
        yield "head.weight", (c["n_outputs"], d)
        yield "head.bias", (c["n_outputs"],)


def weights(c, rng):
    found = {}
    for name, shape in shapes(c):
        value = torch.randn(shape, generator=rng)
        if name.endswith("norm.weight"):
            value = 1.0 + 0.2 * value
        elif len(shape) == 2 and "blocks" in name:
            value = value / shape[1] ** 0.5
        elif name.endswith("bias"):
            value = 0.3 * value
        found[name] = value.double().requires_grad_()
    return found


def encode(x, edges):
    """One component per bin: the share of the bin below x; open at both ends."""
    low, high = edges[:-1], edges[1:]
    share = (x[:, None] - low) / (high - low)
    last = len(low) - 1
    held = share.clone()
    held[:, 1:] = held[:, 1:].clamp(min=0.0)
    held[:, :last] = held[:, :last].clamp(max=1.0)
    return held


def tokens(c, w, numbers, missing, codes):
    n = len(codes)
    out = [w["cls"].expand(n, -1)]
    at = 0
    for i, edges in enumerate(c["bins"]):
        edges = torch.tensor(edges).double()
        token = encode(numbers[:, i], edges) @ w["numbers.weight"][at : at + len(edges) - 1] + w["numbers.bias"][i]
        token = torch.relu(token) if c["number_relu"] else token
        out.append(torch.where(missing[:, i : i + 1], w["numbers.missing"][i], token))
        at += len(edges) - 1
    first = 0
    for i, size in enumerate(c["cardinalities"]):
        out.append(w["categories.weight"][codes[:, i] + first] + w["categories.bias"][i])
        first += size
    return torch.stack(out, 1)


def states(c, w, numbers, missing, codes):
    """The state of every token, the row's own first."""
    d, heads = c["d_token"], c["n_heads"]

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (d,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    x = tokens(c, w, numbers, missing, codes)
    for at in range(c["n_layers"]):
        name = f"blocks.{at}"
        y = norm(x, f"{name}.attention_norm") if at else x
        q, k, v = (linear(y, f"{name}.{p}").unflatten(-1, (heads, -1)).transpose(1, 2) for p in ("query", "key", "value"))
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + linear(attended, f"{name}.attention_output")
        a, b = linear(norm(x, f"{name}.ffn_norm"), f"{name}.ffn_in").chunk(2, -1)
        x = x + linear(a * torch.relu(b), f"{name}.ffn_out")
    return torch.relu(norm(x, "final_norm"))


def forward(c, w, numbers, missing, codes):
    return F.linear(states(c, w, numbers, missing, codes)[:, 0], w["head.weight"], w["head.bias"])


def full_name(name):
    return ("cells." if name.startswith("heads.") else "row.") + name


def cell_loss(c, w, numbers, missing, codes, asked, classes):
    """Mean cross-entropy of the asked cells, and their scores; the last code of a category hides it."""
    missing, codes = missing.clone(), codes.clone()
    n_numbers = len(c["bins"])
    for column, rows in enumerate(asked):
        if column < n_numbers:
            missing[rows, column] = True
        else:
            codes[rows, column - n_numbers] = c["cardinalities"][column - n_numbers] - 1
    found = states(c, w, numbers, missing, codes)
    scores = [F.linear(found[rows, 1 + column], w[f"heads.{column}.weight"], w[f"heads.{column}.bias"])
              for column, rows in enumerate(asked)]
    losses = [F.cross_entropy(s, y, reduction="sum") for s, y in zip(scores, classes)]
    vectors = found[:, 1:].mean(1)
    return missing, codes, scores, sum(losses) / sum(len(y) for y in classes), vectors


def record(out, name, c, seed):
    rng = torch.Generator().manual_seed(seed)
    w = weights(c, rng)
    # Some values lie outside all bins; some on an edge.
    numbers = (torch.randn(ROWS, len(c["bins"]), generator=rng) * 2.0).double()
    if c["bins"]:
        numbers[0] = torch.tensor([b[0] for b in c["bins"]])
        numbers[1] = torch.tensor([b[1] for b in c["bins"]])
        numbers[2] = torch.tensor([b[-1] + 1.5 for b in c["bins"]])
    missing = torch.rand(ROWS, len(c["bins"]), generator=rng) < 0.2
    codes = [torch.randint(0, n, (ROWS, 1), generator=rng) for n in c["cardinalities"]]
    codes = torch.cat(codes, 1) if codes else torch.zeros(ROWS, 0, dtype=torch.long)
    kept = {"numbers": numbers, "missing": missing, "codes": codes}
    if "classes" in c:
        asked = [torch.randperm(ROWS, generator=rng)[: 2 + column] for column in range(len(c["classes"]))]
        classes = [torch.randint(0, n, (len(rows),), generator=rng) for n, rows in zip(c["classes"], asked)]
        missing, codes, scores, loss, vectors = cell_loss(c, w, numbers, missing, codes, asked, classes)
        kept |= {"missing": missing, "codes": codes, "vectors": vectors}
        for column, parts in enumerate(zip(asked, classes, scores)):
            kept |= {f"{part}.{column}": value for part, value in zip(("asked", "target", "scores"), parts)}
    else:
        y = forward(c, w, numbers, missing, codes)
        kept["outputs"] = y
    if "classes" in c:
        pass
    elif c["n_outputs"] == 1:
        kept["target"] = torch.randn(ROWS, generator=rng).double()
        loss = F.mse_loss(y[:, 0], kept["target"])
    else:
        kept["target"] = torch.randint(0, c["n_outputs"], (ROWS,), generator=rng)
        loss = F.cross_entropy(y, kept["target"])
    kept["loss"] = loss.reshape(1)
    used = {k: v for k, v in w.items() if v.numel()}
    grads = torch.autograd.grad(loss, list(used.values()), allow_unused=True)
    kept |= {f"param.{full_name(k)}": v for k, v in w.items()}
    kept |= {f"grad.{full_name(k)}": torch.zeros_like(w[k]) if g is None else g for k, g in zip(used, grads)}
    found = {k: (v.detach().float() if v.is_floating_point() else v.int()).contiguous().clone() for k, v in kept.items()}
    assert all(v.isfinite().all() for v in found.values() if v.is_floating_point())
    save_file(found, out / f"{name}.safetensors")
    (out / f"{name}.safetensors").chmod(0o644)
    dropout = dict(attention_dropout=0.0, ffn_dropout=0.0, residual_dropout=0.0)
    (out / f"{name}.json").write_text(json.dumps({"n_numbers": len(c["bins"])} | c | dropout, indent=1) + "\n")
    largest = max(v.abs().max().item() for k, v in found.items() if k.startswith("grad."))
    print(f"{name}: loss {loss.item():.6f}, largest gradient {largest:.4f}")


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden/row"
    torch.set_num_threads(1)
    for seed, (name, c) in enumerate((MODELS | CELLS).items()):
        record(out, name, c, seed + 40)


if __name__ == "__main__":
    main()
