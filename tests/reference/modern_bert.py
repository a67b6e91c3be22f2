"""Records what Hugging Face's ModernBERT answers on tiny random models.

For each model: config.json and model.safetensors as Hugging Face writes them, and
expected.safetensors with packed inputs, the hidden states after the embeddings and after every layer,
logits, loss and the gradient of every parameter (f32, dropout off). Sequences are stored without
padding: `ids` holds all tokens, `offsets` where each sequence starts. The values are also computed in
f64, and the script refuses to record them when f32 is further than 2e-5 from f64.

    python tests/reference/modern_bert.py [OUT]      # default crates/adit-nn/tests/golden
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ModernBertConfig, ModernBertForSequenceClassification

# Lengths lie around the local window (local_attention // 2 tokens on either side).
MODELS = {
    # As the published models: no biases; global, local, local, global, local.
    "modern_bert_cls": dict(
        hidden=32, heads=4, ffn=40, layers=5, local=8, pooling="cls", labels=3,
        bias=False, lengths=[1, 47, 5, 4, 9, 2, 10, 3, 16], every=3, thetas=(160000.0, 10000.0),
    ),
    # Every bias that the configuration knows, wide heads, an odd window, every second layer global.
    "modern_bert_mean": dict(
        hidden=48, heads=2, ffn=36, layers=3, local=7, pooling="mean", labels=1,
        bias=True, lengths=[21, 1, 7, 3, 4, 41], every=2, thetas=(500.0, 50.0),
    ),
}


def build(seed, shape):
    """A model whose weights, biases and layer norms are all far from zero, one and each other."""
    torch.manual_seed(seed)
    full, local = shape["thetas"]
    config = ModernBertConfig(
        vocab_size=90,
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["ffn"],
        max_position_embeddings=64,
        local_attention=shape["local"],
        global_attn_every_n_layers=shape["every"],
        global_rope_theta=full,
        local_rope_theta=local,
        norm_bias=shape["bias"],
        attention_bias=shape["bias"],
        mlp_bias=shape["bias"],
        classifier_bias=shape["bias"],
        classifier_pooling=shape["pooling"],
        num_labels=shape["labels"],
        pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
        problem_type="regression" if shape["labels"] == 1 else "single_label_classification",
    )
    config._attn_implementation = "eager"
    model = ModernBertForSequenceClassification(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                value.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                value.normal_(0.0, 0.1)
            else:
                value.normal_(0.0, 0.18)
    return config, model.eval()


def run(model, ids, target):
    """Hidden states, logits, loss and gradients; every sequence alone, so that nothing is padded."""
    model.zero_grad()
    outs = [model(input_ids=x.unsqueeze(0), output_hidden_states=True) for x in ids]
    logits = torch.cat([out.logits for out in outs])
    if logits.shape[1] == 1:
        loss = torch.nn.functional.mse_loss(logits.squeeze(1), target)
    else:
        loss = torch.nn.functional.cross_entropy(logits, target)
    loss.backward()
    grads = {k: p.grad.clone() for k, p in model.named_parameters()}
    hidden = [torch.cat([h[0] for h in level]).detach() for level in zip(*(o.hidden_states for o in outs))]
    return hidden, logits.detach(), loss.detach(), grads


def record(out, name, shape):
    config, model = build(len(name) + shape["hidden"], shape)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    rng = torch.Generator().manual_seed(shape["hidden"] * shape["heads"])
    ids = [torch.randint(3, 90, (n,), generator=rng) for n in shape["lengths"]]
    if shape["labels"] == 1:
        target = torch.randn(len(ids), generator=rng)
    else:
        target = torch.randint(0, shape["labels"], (len(ids),), generator=rng)
    hidden, logits, loss, grads = run(model, ids, target)

    # Eager attention computes its softmax in f32 whatever the model's type is.
    config._attn_implementation = "sdpa"
    exact = ModernBertForSequenceClassification(config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    wide = target.double() if shape["labels"] == 1 else target
    hidden64, logits64, loss64, grads64 = run(exact, ids, wide)
    worst = max(
        (logits - logits64).abs().max().item(),
        (loss - loss64).abs().item(),
        max((a - b).abs().max().item() for a, b in zip(hidden, hidden64)),
        max((grads[k] - grads64[k]).abs().max().item() for k in grads),
    )
    assert worst < 2e-5, f"{name}: f32 is {worst} from f64"

    tensors = {
        "ids": torch.cat(ids).int(),
        "offsets": torch.tensor([0] + [len(x) for x in ids]).cumsum(0).int(),
        "target": target.float() if shape["labels"] == 1 else target.int(),
        "logits": logits,
        "loss": loss.reshape(1),
    }
    tensors |= {f"hidden.{i}": h.contiguous() for i, h in enumerate(hidden)}
    tensors |= {f"grad.{k}": g.contiguous() for k, g in grads.items()}
    save_file(tensors, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    largest = max(g.abs().max().item() for g in grads.values())
    print(f"{name}: {len(hidden)} hidden states, loss {loss.item():.6f}, largest gradient {largest:.4f}, f32 to f64 {worst:.1e}")


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden"
    torch.set_num_threads(1)
    for name, shape in MODELS.items():
        record(out, name, shape)


if __name__ == "__main__":
    main()
