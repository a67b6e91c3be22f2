"""Records what Hugging Face's BertForSequenceClassification answers on tiny random models.

For each model: config.json and model.safetensors as Hugging Face writes them, and
expected.safetensors with packed inputs, logits, loss and the gradient of every parameter
(f32, dropout off). Sequences are stored without padding: `ids` holds all tokens, `offsets`
where each sequence starts. The values are also computed in f64, and the script refuses to
record them when f32 is further than 2e-5 from f64.

    python tests/reference/bert_classifier.py [OUT]      # default crates/adit-nn/tests/golden
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

# name: (hidden, heads, ffn, layers, max positions, labels, sequence lengths, which are pairs)
MODELS = {
    "bert_h32a4": (32, 4, 64, 2, 512, 3, [1, 512, 7, 33, 2, 19], {3, 5}),
    "bert_h48a3": (48, 3, 80, 1, 40, 2, [13, 1, 40, 5], {0, 2}),
    "bert_h64a2": (64, 2, 96, 1, 40, 4, [3, 39, 1, 17, 8], {1}),
    "bert_h64a1": (64, 1, 72, 1, 40, 1, [21, 2, 1, 31], {0, 3}),
}


def build(seed, hidden, heads, ffn, layers, positions, labels):
    """A model whose weights, biases and layer norms are all far from zero, one and each other."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=120,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=positions,
        type_vocab_size=2,
        num_labels=labels,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        problem_type="regression" if labels == 1 else "single_label_classification",
    )
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "LayerNorm.weight" in name:
                value.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                value.normal_(0.0, 0.1)
    return config, model.eval()


def inputs(seed, lengths, pairs, labels):
    rng = torch.Generator().manual_seed(seed)
    ids = [torch.randint(1, 120, (n,), generator=rng) for n in lengths]
    types = [torch.zeros(n, dtype=torch.long) for n in lengths]
    for i in pairs:
        types[i][lengths[i] // 2 :] = 1
    if labels == 1:
        target = torch.randn(len(lengths), generator=rng)
    else:
        target = torch.randint(0, labels, (len(lengths),), generator=rng)
    return ids, types, target


def run(model, ids, types, target):
    """Logits, loss and gradients of one padded batch."""
    longest = max(len(x) for x in ids)
    batch = torch.zeros(len(ids), longest, dtype=torch.long)
    kinds, mask = torch.zeros_like(batch), torch.zeros_like(batch)
    for i, (x, t) in enumerate(zip(ids, types)):
        batch[i, : len(x)], kinds[i, : len(x)], mask[i, : len(x)] = x, t, 1
    model.zero_grad()
    out = model(input_ids=batch, token_type_ids=kinds, attention_mask=mask, labels=target)
    out.loss.backward()
    grads = {k: p.grad.clone() for k, p in model.named_parameters()}
    return out.logits.detach(), out.loss.detach(), grads


def record(out, name, shape):
    hidden, heads, ffn, layers, positions, labels, lengths, pairs = shape
    config, model = build(len(name) + hidden + heads, hidden, heads, ffn, layers, positions, labels)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    ids, types, target = inputs(hidden * heads, lengths, pairs, labels)
    logits, loss, grads = run(model, ids, types, target)

    exact = BertForSequenceClassification(config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    wide = target.double() if labels == 1 else target
    logits64, loss64, grads64 = run(exact, ids, types, wide)
    worst = max(
        (logits - logits64).abs().max().item(),
        (loss - loss64).abs().item(),
        max((grads[k] - grads64[k]).abs().max().item() for k in grads),
    )
    assert worst < 2e-5, f"{name}: f32 is {worst} from f64"

    offsets = torch.tensor([0] + [len(x) for x in ids]).cumsum(0)
    tensors = {
        "ids": torch.cat(ids).int(),
        "types": torch.cat(types).int(),
        "offsets": offsets.int(),
        "target": target.float() if labels == 1 else target.int(),
        "logits": logits,
        "loss": loss.reshape(1),
    }
    tensors |= {f"grad.{k}": g.contiguous() for k, g in grads.items()}
    save_file(tensors, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    largest = max(g.abs().max().item() for g in grads.values())
    print(f"{name}: loss {loss.item():.6f}, largest gradient {largest:.4f}, f32 to f64 {worst:.1e}")


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden"
    torch.set_num_threads(1)
    for name, shape in MODELS.items():
        record(out, name, shape)


if __name__ == "__main__":
    main()
