"""Records what Hugging Face's ...ForMaskedLM answer for the families of BERT's line that have them.

Tiny random models, as in `families.py`, whose checks this script shares: config.json, weights, and
expected.safetensors with packed inputs, the places that are asked for and their words, logits, loss
and the gradient of every parameter (f32, dropout off; refused when further than 2e-5 from f64).

    python tests/reference/masked_words.py [OUT]      # default crates/adit-nn/tests/golden/masked
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

import families

SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
MODELS = {
    "bert": ("Bert", SMALL),
    "roberta": ("Roberta", SMALL | dict(type_vocab_size=1)),
    "distilbert": ("DistilBert", dict(dim=16, n_layers=1, n_heads=2, hidden_dim=24)),
    "albert": ("Albert", SMALL | dict(embedding_size=8, num_hidden_groups=1, inner_group_num=1)),
    "mpnet": ("MPNet", SMALL),
}
LENGTHS = [7, 1, 19, 2]


def build(seed, family, settings):
    torch.manual_seed(seed)
    sizes = families.DISTIL_SIZES if family == "DistilBert" else families.BERT_SIZES
    config = getattr(transformers, f"{family}Config")(
        vocab_size=families.VOCAB, initializer_range=0.2, **(sizes | settings)
    )
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{family}ForMaskedLM")(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm.weight" in name.lower():
                value.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                value.normal_(0.0, 0.1)
    return config, model.eval()


def run(model, ids, places, words):
    """Logits at the places, the mean loss there, and gradients, of one padded batch."""
    longest = max(len(x) for x in ids)
    batch = torch.full((len(ids), longest), model.config.pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(batch)
    for i, x in enumerate(ids):
        batch[i, : len(x)], mask[i, : len(x)] = x, 1
    model.zero_grad()
    logits = model(input_ids=batch, attention_mask=mask).logits[mask.bool()][places]
    loss = torch.nn.functional.cross_entropy(logits, words)
    loss.backward()
    grads = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    return logits.detach(), loss.detach(), grads


def record(out, seed, name):
    config, model = build(seed, *MODELS[name])
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    ids, _, _ = families.inputs(seed + 100, LENGTHS, set(), 2)
    places = torch.tensor([1, 4, 7, 9, 20, 28])
    words = torch.randint(4, families.VOCAB, (len(places),), generator=torch.Generator().manual_seed(seed))
    logits, loss, grads = run(model, ids, places, words)
    exact = type(model)(config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    logits64, loss64, grads64 = run(exact, ids, places, words)
    worst = max(
        (logits - logits64).abs().max().item(),
        (loss - loss64).abs().item(),
        max((grads[k] - grads64[k]).abs().max().item() for k in grads),
    )
    assert worst < 2e-5, f"{name}: f32 is {worst} from f64"
    tensors = {
        "ids": torch.cat(ids).int(),
        "offsets": torch.tensor([0] + LENGTHS).cumsum(0).int(),
        "places": places.int(),
        "words": words.int(),
        "logits": logits.contiguous(),
        "loss": loss.reshape(1),
    }
    tensors |= {f"grad.{k}": g.contiguous() for k, g in grads.items()}
    save_file(tensors, folder / "expected.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
        if file.name == "generation_config.json":
            file.unlink()
    print(f"{name}: loss {loss.item():.6f}, {len(grads)} gradients, f32 to f64 {worst:.1e}")


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden/masked"
    torch.set_num_threads(1)
    for seed, name in enumerate(MODELS):
        record(out, seed + 1, name)


if __name__ == "__main__":
    main()
