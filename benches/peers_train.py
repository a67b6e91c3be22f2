"""Times one training step (forward, backward, AdamW) in PyTorch and in Adit, in turn.

usage: peers_train.py [--rounds 3] [--adit BIN]

Shapes: `base` is BERT-base on 16 texts of 128 tokens, `small` has 4 layers of width 128 on 256 texts of
32; no dropout. BIN is `target/release/adit`, whose `bench train` is measured. Needs torch and transformers.
Every measurement is a process of its own; medians.
"""
import argparse, json, os, statistics, subprocess, sys, time

SHAPES = {"base": (16, 128, 4), "small": (256, 32, 12)}  # texts, tokens of each, steps
SIZES = {"base": (12, 768, 30522), "small": (4, 128, 1000)}  # layers, width, vocabulary


def torch_step(shape, precision):
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    sizes = {} if shape == "base" else dict(vocab_size=1000, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512)
    config = BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    model = BertForSequenceClassification(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-5)
    n, length, steps = SHAPES[shape]
    ids = torch.randint(0, config.vocab_size, (n, length))
    batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.randint(0, 2, (n,)))
    took = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**batch).loss
        loss.backward()
        optimiser.step()
        took.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"median_ms": statistics.median(took[1:])}))


def adit_line(adit, shape, precision):
    n, length, steps = SHAPES[shape]
    layers, width, vocabulary = SIZES[shape]
    options = {"layers": layers, "hidden-size": width, "vocab-size": vocabulary, "batch": n, "length": length,
               "rounds": steps, "training-precision": precision}
    return [adit, "bench", "train", "--json", "--quiet"] + [f"--{name}={value}" for name, value in options.items()]


def measured(line):
    child = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{line} failed")
    found = json.loads(out.strip().split("\n")[-1])
    return found.get("steps", [found])[0]["median_ms"], usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--adit", default="target/release/adit")
    p.add_argument("--torch", nargs=2, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch:
        return torch_step(*a.torch)
    found = {}
    for _ in range(a.rounds):
        for shape in SHAPES:
            for precision in ("f32", "bf16"):
                lines = {"torch": [sys.executable, __file__, "--torch", shape, precision],
                         "adit": adit_line(a.adit, shape, precision)}
                for who, line in lines.items():
                    found.setdefault((shape, precision, who), []).append(measured(line))
    print("| shape | numbers | PyTorch | Adit | times as fast | memory, PyTorch and Adit |\n|---|---|---|---|---|---|")
    for shape in SHAPES:
        for precision in ("f32", "bf16"):
            theirs, ours = found[shape, precision, "torch"], found[shape, precision, "adit"]
            ms = [statistics.median(t for t, _ in rows) for rows in (theirs, ours)]
            ratio = statistics.median(t / o for (t, _), (o, _) in zip(theirs, ours))
            memory = [statistics.median(m for _, m in rows) for rows in (theirs, ours)]
            print(f"| {shape} | {precision} | {ms[0]:,.0f} ms | {ms[1]:,.0f} ms | {ratio:.2f} | {memory[0]:,.0f} and {memory[1]:,.0f} MiB |")


main()
