"""Records what an encoder of events written in PyTorch answers: states, both losses, all gradients.

The tokens of a history are its events in order, then one of its own. A token is the sum of a linear
map of its components, one row of a table per category, and a row for its kind. Blocks are pre-norm
(Xiong et al., 2020) with causal attention, rotary positions (Su et al., 2021) that turn the halves of
a head, and GELU in its exact form; a last norm follows. A history's vector is a linear map of its own
token's state, the mean and the most of all its states. Losses: the mean cross-entropy of the fields
of the next event, and that of a slice's partner among all other slices, by cosine over a temperature
(Chen et al., 2020). One history at a time, with plain operations of PyTorch, computed in f64 from
weights that f32 holds exactly. Dropout is off.

    python tests/reference/events_torch.py [OUT]     # default crates/adit-nn/tests/golden/events
"""

import json
import sys
from itertools import accumulate
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

# Tokens of each history, its own among them: 1 is a history without an event. 150 is more than one
# block of queries.
MODELS = {
    "mixed": (dict(n_components=7, cardinalities=[5, 3], targets=[5, 3, 4], d_model=16, n_layers=2, n_heads=2,
                   ffn_hidden=24), [6, 1, 2, 9, 3, 5, 4, 12]),
    "numbers": (dict(n_components=4, cardinalities=[], targets=[6], d_model=8, n_layers=1, n_heads=1,
                     ffn_hidden=12), [3, 150, 1, 8, 2, 20]),
    "deep": (dict(n_components=5, cardinalities=[6], targets=[6, 2], d_model=32, n_layers=3, n_heads=4,
                  ffn_hidden=20), [7, 4, 10, 1, 3, 2]),
}
TEMPERATURE = 0.2
# Where the second largest state of a column lies closer, f32 might choose another token.
GAP = 1e-4


def shapes(c):
    """Every parameter and its shape."""
    d, wide = c["d_model"], c["ffn_hidden"]
    linear = {"input": (d, c["n_components"]), "pool": (d, 3 * d), "next": (sum(c["targets"]), d)}
    norms = ["final_norm"]
    for at in range(c["n_layers"]):
        parts = dict(qkv=(3 * d, d), attention_output=(d, d), ffn_in=(wide, d), ffn_out=(d, wide))
        linear |= {f"blocks.{at}.{part}": shape for part, shape in parts.items()}
        norms += [f"blocks.{at}.attention_norm", f"blocks.{at}.ffn_norm"]
    yield "categories.weight", (sum(c["cardinalities"]) + 2, d)
    for name, shape in linear.items():
        yield f"{name}.weight", shape
        yield f"{name}.bias", shape[:1]
    for name in norms:
        yield f"{name}.weight", (d,)
        yield f"{name}.bias", (d,)


def weights(c, rng):
    found = {}
    for name, shape in shapes(c):
        value = torch.randn(shape, generator=rng)
        if name.endswith("norm.weight"):
            value = 1.0 + 0.2 * value
        elif name.endswith("bias"):
            value = 0.3 * value
        elif name != "categories.weight":
            value = value / shape[1] ** 0.5
        found[name] = value.double().requires_grad_()
    return found


def turn(x):
    """Column i of a head and column i + head/2 are a complex number, turned by position · 10000^(-2i/head)."""
    n, head = x.shape[-2:]
    a, b = x.chunk(2, -1)
    angles = torch.arange(n).double()[:, None] * 10_000.0 ** (-torch.arange(0, head, 2).double() / head)
    turned = torch.complex(a, b) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


def history(c, w, components, codes):
    """The states of one history's tokens, and its vector."""
    d, heads, n = c["d_model"], c["n_heads"], len(components)

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (d,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    *categories, kinds = w["categories.weight"].split([*c["cardinalities"], 2])
    kind = torch.tensor([0] * (n - 1) + [1])
    x = linear(components, "input") + kinds[kind]
    for field, table in enumerate(categories):
        x = x + table[codes[:, field]]
    for at in range(c["n_layers"]):
        name = f"blocks.{at}"
        qkv = linear(norm(x, f"{name}.attention_norm"), f"{name}.qkv")
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in qkv.chunk(3, -1))
        scores = turn(q) @ turn(k).transpose(1, 2) / (d / heads) ** 0.5
        later = torch.ones(n, n, dtype=torch.bool).triu(1)
        attended = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
        x = x + linear(attended.transpose(0, 1).flatten(1), f"{name}.attention_output")
        x = x + linear(F.gelu(linear(norm(x, f"{name}.ffn_norm"), f"{name}.ffn_in")), f"{name}.ffn_out")
    x = norm(x, "final_norm")
    return x, linear(torch.cat([x[-1], x.mean(0), x.amax(0)]), "pool")


def next_loss(c, scores, classes):
    fields = scores.split(c["targets"], -1)
    return sum(F.cross_entropy(field, label) for field, label in zip(fields, classes.T)) / len(fields)


def slices_loss(vectors):
    """Histories 2i and 2i + 1 are slices of one."""
    loss = 0.0
    for i, own in enumerate(vectors):
        scores = F.cosine_similarity(own, vectors, dim=-1) / TEMPERATURE
        others = torch.arange(len(vectors)) != i
        loss = loss + scores[others].logsumexp(0) - scores[i ^ 1]
    return loss / len(vectors)


def record(out, name, c, lengths, seed):
    rng = torch.Generator().manual_seed(seed)
    w = weights(c, rng)
    n, offsets = sum(lengths), list(accumulate(lengths, initial=0))
    components = torch.randn(n, c["n_components"], generator=rng).double()
    codes = [torch.randint(0, size, (n, 1), generator=rng) for size in c["cardinalities"]]
    codes = torch.cat(codes, 1) if codes else torch.zeros(n, 0, dtype=torch.long)
    found = [history(c, w, *part) for part in zip(components.split(lengths), codes.split(lengths))]
    tokens, vectors = torch.cat([x for x, _ in found]), torch.stack([v for _, v in found])
    top = [x.topk(2, 0).values for x, _ in found if len(x) > 1]
    gap = min((best - second).min().item() for best, second in top)
    assert gap > GAP, f"{name}: {gap:e} between the two largest states"
    # The last token of a history is its own, and the last event has no next.
    followed = torch.tensor([first + i for first, many in zip(offsets, lengths) for i in range(many - 2)])
    scores = F.linear(tokens[followed], w["next.weight"], w["next.bias"])
    classes = torch.cat([torch.randint(0, size, (len(followed), 1), generator=rng) for size in c["targets"]], 1)
    losses = {"next": next_loss(c, scores, classes), "slices": slices_loss(vectors)}
    kept = {"components": components, "codes": codes, "offsets": torch.tensor(offsets), "followed": followed,
            "classes": classes, "temperature": torch.tensor([TEMPERATURE]), "tokens": tokens, "histories": vectors,
            "scores": scores}
    kept |= {f"param.events.{k}": v for k, v in w.items()}
    for of, loss in losses.items():
        kept[f"loss.{of}"] = loss.reshape(1)
        grads = torch.autograd.grad(loss, list(w.values()), allow_unused=True, retain_graph=True)
        kept |= {f"grad.{of}.events.{k}": torch.zeros_like(w[k]) if g is None else g for k, g in zip(w, grads)}
    found = {k: (v.detach().float() if v.is_floating_point() else v.int()).contiguous().clone() for k, v in kept.items()}
    assert all(v.isfinite().all() for v in found.values() if v.is_floating_point())
    save_file(found, out / f"{name}.safetensors")
    (out / f"{name}.safetensors").chmod(0o644)
    (out / f"{name}.json").write_text(json.dumps(c | dict(dropout=0.0), indent=1) + "\n")
    largest = max(v.abs().max().item() for k, v in found.items() if k.startswith("grad."))
    print(f"{name}: losses {losses['next'].item():.6f} and {losses['slices'].item():.6f}, "
          f"largest gradient {largest:.4f}, least gap {gap:.1e}")


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden/events"
    torch.set_num_threads(1)
    for seed, (name, (c, lengths)) in enumerate(MODELS.items()):
        record(out, name, c, lengths, seed + 60)


if __name__ == "__main__":
    main()
