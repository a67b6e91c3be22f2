"""Records what Hugging Face's T5 answers on tiny random models.

For each model: config.json and model.safetensors as Hugging Face writes them, and
expected.safetensors with packed sources and targets, the encoder's hidden states, logits, loss and the
gradient of every parameter (f32, dropout off), and what `generate` writes, greedily and by beam search.
Sequences are stored without padding: all tokens one after another, `*_offsets` where each starts. Every
sequence is computed alone. The values are also computed in f64, and the script refuses to record them
when f32 is further than 2e-5 from f64, or when f32 and f64 generate other tokens.

    python tests/reference/t5.py [OUT]      # default crates/adit-nn/tests/golden
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

MODELS = {
    # T5 1.0: ReLU, the last map is the words' vectors, scaled; heads wider than d_model / num_heads.
    "t5_relu_tied": dict(
        d_model=32, d_kv=12, heads=4, d_ff=48, layers=2, decoder_layers=2, proj="relu", tied=True,
        buckets=8, distance=20, eos=17, ends=1.0, spread={"shared.weight": 0.5, "other": 0.24},
    ),
    # Flan-T5: gated GELU, a last map of its own, not scaled; a deeper decoder; two tokens end a text.
    "t5_gated_untied": dict(
        d_model=40, d_kv=8, heads=3, d_ff=32, layers=2, decoder_layers=3, proj="gated-gelu", tied=False,
        buckets=32, distance=128, eos=[1, 2], ends=2.0,
        spread={"shared.weight": 0.7, "lm_head.weight": 0.3, "other": 0.13},
    ),
}
SOURCES = [1, 47, 5, 12, 2, 33, 9]
TARGETS = [6, 1, 41, 9, 2, 17, 3]

# num_beams, length_penalty, early_stopping, max_new_tokens
SEARCHES = [
    (1, 1.0, False, 24),
    (1, 1.0, False, 3),
    (2, 1.0, False, 24),
    (4, 1.0, False, 24),
    (4, 1.0, True, 24),
    (4, 1.0, "never", 24),
    (3, 0.0, False, 16),
    (5, 2.0, True, 16),
    (5, 2.0, False, 16),
    (3, -1.0, False, 16),
    (4, 1.0, False, 1),
    (6, 0.6, False, 40),
]


def build(seed, shape):
    """A model whose weights and norms are all far from zero, one and each other."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=70,
        d_model=shape["d_model"],
        d_kv=shape["d_kv"],
        d_ff=shape["d_ff"],
        num_layers=shape["layers"],
        num_decoder_layers=shape["decoder_layers"],
        num_heads=shape["heads"],
        relative_attention_num_buckets=shape["buckets"],
        relative_attention_max_distance=shape["distance"],
        feed_forward_proj=shape["proj"],
        tie_word_embeddings=shape["tied"],
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=shape["eos"],
        decoder_start_token_id=0,
    )
    config._attn_implementation = "eager"
    model = T5ForConditionalGeneration(config)
    if not shape["tied"]:
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
        model.all_tied_weights_keys.pop("lm_head.weight")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "layer_norm" in name:
                value.uniform_(0.5, 1.5)
            elif "relative_attention_bias" in name:
                value.normal_(0.0, 0.8)
            else:
                value.normal_(0.0, shape["spread"].get(name, shape["spread"]["other"]))
        # Some texts should end, others run to the most tokens.
        ends = shape["eos"] if isinstance(shape["eos"], list) else [shape["eos"]]
        model.lm_head.weight[ends] *= shape["ends"]
    return config, model.eval()


def run(model, sources, targets):
    """Hidden states of the encoder, logits, loss over all target tokens, and gradients."""
    model.zero_grad()
    hidden, logits = [], []
    for source, target in zip(sources, targets):
        out = model(
            input_ids=source.unsqueeze(0), labels=target.unsqueeze(0), output_hidden_states=True
        )
        hidden.append([h[0].detach() for h in out.encoder_hidden_states])
        logits.append(out.logits[0])
    logits = torch.cat(logits)
    loss = torch.nn.functional.cross_entropy(logits, torch.cat(targets))
    loss.backward()
    grads = {k: p.grad.clone() for k, p in model.named_parameters()}
    levels = [torch.cat(level) for level in zip(*hidden)]
    return levels, logits.detach(), loss.detach(), grads


def generate(model, sources):
    """For every search and source, the tokens after the start and, of beams, the score."""
    found = []
    for beams, penalty, early, most in SEARCHES:
        for source in sources:
            # The cache of Hugging Face has as many layers as the encoder, whatever the decoder has.
            cached = model.config.num_decoder_layers <= model.config.num_layers
            kind = {} if beams == 1 else {"length_penalty": penalty, "early_stopping": early}
            out = model.generate(
                source.unsqueeze(0), num_beams=beams, do_sample=False, max_new_tokens=most,
                use_cache=cached, return_dict_in_generate=True, output_scores=True, **kind,
            )
            score = None if beams == 1 else out.sequences_scores[0].item()
            found.append({"ids": out.sequences[0, 1:].tolist(), "score": score})
    return found


def record(out, name, shape):
    config, model = build(len(name) + shape["d_model"], shape)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    rng = torch.Generator().manual_seed(shape["d_model"])
    draw = lambda n: torch.randint(3, 70, (n,), generator=rng)
    sources = [draw(n) for n in SOURCES]
    targets = [torch.cat([draw(n - 1), torch.ones(1, dtype=torch.long)]) for n in TARGETS]
    hidden, logits, loss, grads = run(model, sources, targets)
    texts = generate(model, sources)

    exact = T5ForConditionalGeneration(config).double().eval()
    if not shape["tied"]:
        exact.lm_head.weight = torch.nn.Parameter(torch.empty_like(exact.shared.weight))
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    hidden64, logits64, loss64, grads64 = run(exact, sources, targets)
    worst = max(
        (logits - logits64).abs().max().item(),
        (loss - loss64).abs().item(),
        max((a - b).abs().max().item() for a, b in zip(hidden, hidden64)),
        max((grads[k] - grads64[k]).abs().max().item() for k in grads),
    )
    assert worst < 2e-5, f"{name}: f32 is {worst} from f64"
    texts64 = generate(exact, sources)
    assert [t["ids"] for t in texts] == [t["ids"] for t in texts64], "f32 and f64 generate other tokens"

    # The classes of distances from -300 to 300, of encoder and decoder.
    distances = torch.arange(-300, 301)
    bucket = lambda both: T5Attention._relative_position_bucket(
        distances, both, shape["buckets"], shape["distance"]
    )
    offsets = lambda texts: torch.tensor([0] + [len(x) for x in texts]).cumsum(0).int()
    tensors = {
        "ids": torch.cat(sources).int(),
        "offsets": offsets(sources),
        "target": torch.cat(targets).int(),
        "target_offsets": offsets(targets),
        "buckets.encoder": bucket(True).int(),
        "buckets.decoder": bucket(False).int(),
        "logits": logits,
        "loss": loss.reshape(1),
    }
    tensors |= {f"hidden.{i}": h.contiguous() for i, h in enumerate(hidden)}
    tensors |= {f"grad.{k}": g.contiguous() for k, g in grads.items()}
    save_file(tensors, folder / "expected.safetensors")
    searches = [
        {
            "num_beams": b, "length_penalty": p, "early_stopping": e, "max_new_tokens": m,
            "texts": texts[at * len(sources) : (at + 1) * len(sources)],
        }
        for at, (b, p, e, m) in enumerate(SEARCHES)
    ]
    lines = ",\n".join(json.dumps(s) for s in searches)
    (folder / "generated.json").write_text(f"[\n{lines}\n]\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    largest = max(g.abs().max().item() for g in grads.values())
    ended = sum(len(t["ids"]) < SEARCHES[i // len(sources)][3] for i, t in enumerate(texts))
    print(
        f"{name}: loss {loss.item():.6f}, largest gradient {largest:.4f}, f32 to f64 {worst:.1e}, "
        f"{ended} of {len(texts)} texts end early, {len({tuple(t['ids']) for t in texts})} differ"
    )


def main():
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden"
    torch.set_num_threads(1)
    for name, shape in MODELS.items():
        record(out, name, shape)


if __name__ == "__main__":
    main()
