"""Records what Hugging Face's ...ForSequenceClassification answer for every family of BERT's line.

For each tiny random model: config.json and the weights as Hugging Face writes them (one in shards),
and expected.safetensors with packed inputs, the last hidden state, logits, loss and the gradient of
every parameter (f32, dropout off). Sequences are stored without padding: `ids` holds all tokens,
`offsets` where each sequence starts. The values are also computed in f64, and the script refuses to
record them when f32 is further than 2e-5 from f64.

    python tests/reference/families.py [OUT]      # default crates/adit-nn/tests/golden/families
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

VOCAB = 61
BERT_SIZES = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=42,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
DISTIL_SIZES = dict(
    dim=32,
    n_layers=2,
    n_heads=4,
    hidden_dim=48,
    max_position_embeddings=42,
    dropout=0.0,
    attention_dropout=0.0,
    seq_classif_dropout=0.0,
)
GROUPS = dict(
    num_hidden_layers=3,
    num_hidden_groups=2,
    inner_group_num=2,
    embedding_size=16,
    classifier_dropout_prob=0.0,
)
LENGTHS = [7, 40, 1, 19, 2]
# Distances beyond 128, where MPNet no longer tells them apart.
LONG = [7, 150, 1, 19, 2]

# name: (family, settings beyond the sizes, outputs, sequence lengths, which are pairs, shard size)
MODELS = {
    "bert_relu": ("Bert", dict(hidden_act="relu"), 3, LENGTHS, {1, 3}, None),
    "roberta": ("Roberta", dict(type_vocab_size=1, layer_norm_eps=1e-5), 3, LENGTHS, set(), None),
    "xlm_roberta": (
        "XLMRoberta",
        dict(type_vocab_size=2, hidden_act="gelu_pytorch_tanh", pad_token_id=3),
        1,
        [7, 38, 1, 19, 2],
        {1, 3},
        None,
    ),
    "distilbert": ("DistilBert", {}, 3, LENGTHS, set(), None),
    "albert": ("Albert", GROUPS, 2, LENGTHS, {1, 3}, None),
    "electra": ("Electra", dict(embedding_size=16), 3, LENGTHS, {1, 3}, None),
    "electra_shards": ("Electra", dict(embedding_size=32), 1, LENGTHS, {0}, "24KB"),
    "mpnet": ("MPNet", dict(max_position_embeddings=160), 3, LONG, set(), None),
}


def build(seed, family, settings, labels):
    """A model whose weights, biases and layer norms are all far from zero, one and each other."""
    torch.manual_seed(seed)
    sizes = DISTIL_SIZES if family == "DistilBert" else BERT_SIZES
    config = getattr(transformers, f"{family}Config")(
        vocab_size=VOCAB,
        num_labels=labels,
        initializer_range=0.2,
        problem_type="regression" if labels == 1 else "single_label_classification",
        **(sizes | settings),
    )
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.lower().endswith(("norm.weight",)):
                value.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                value.normal_(0.0, 0.1)
            elif "relative_attention_bias" in name:
                value.normal_(0.0, 1.0)
    return config, model.eval()


def inputs(seed, lengths, pairs, labels):
    rng = torch.Generator().manual_seed(seed)
    ids = [torch.randint(4, VOCAB, (n,), generator=rng) for n in lengths]
    types = [torch.zeros(n, dtype=torch.long) for n in lengths]
    for i in pairs:
        types[i][lengths[i] // 2 :] = 1
    if labels == 1:
        target = torch.randn(len(lengths), generator=rng)
    else:
        target = torch.randint(0, labels, (len(lengths),), generator=rng)
    return ids, types, target


def run(model, ids, types, target):
    """Last hidden state (packed), logits, loss and gradients of one padded batch."""
    longest = max(len(x) for x in ids)
    pad = model.config.pad_token_id
    batch = torch.full((len(ids), longest), pad, dtype=torch.long)
    kinds, mask = torch.zeros_like(batch), torch.zeros_like(batch)
    for i, (x, t) in enumerate(zip(ids, types)):
        batch[i, : len(x)], kinds[i, : len(x)], mask[i, : len(x)] = x, t, 1
    given = {"input_ids": batch, "attention_mask": mask}
    if hasattr(model.config, "type_vocab_size"):
        given["token_type_ids"] = kinds
    model.zero_grad()
    out = model(**given, labels=target, output_hidden_states=True)
    out.loss.backward()
    grads = {k: p.grad.clone() for k, p in model.named_parameters()}
    hidden = out.hidden_states[-1].detach()[mask.bool()]
    return hidden, out.logits.detach(), out.loss.detach(), grads


def record(out, seed, name):
    family, settings, labels, lengths, pairs, shard = MODELS[name]
    config, model = build(seed, family, settings, labels)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    ids, types, target = inputs(seed + 100, lengths, pairs, labels)
    hidden, logits, loss, grads = run(model, ids, types, target)

    exact = type(model)(config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    wide = target.double() if labels == 1 else target
    hidden64, logits64, loss64, grads64 = run(exact, ids, types, wide)
    worst = max(
        (hidden - hidden64).abs().max().item(),
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
        "hidden": hidden.contiguous(),
        "logits": logits,
        "loss": loss.reshape(1),
    }
    tensors |= {f"grad.{k}": g.contiguous() for k, g in grads.items()}
    save_file(tensors, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    largest = max(g.abs().max().item() for g in grads.values())
    least = min(g.abs().max().item() for k, g in grads.items() if "k.bias" not in k)
    print(
        f"{name}: loss {loss.item():.6f}, largest gradient {largest:.4f}, smallest {least:.1e}, "
        f"f32 to f64 {worst:.1e}"
    )


def main():
    root = Path(__file__).resolve().parents[2]
    default = root / "crates/adit-nn/tests/golden/families"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    for seed, name in enumerate(MODELS):
        record(out, seed + 1, name)


if __name__ == "__main__":
    main()
