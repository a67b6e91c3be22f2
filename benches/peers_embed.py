"""Embeds the same texts with sentence-transformers, ONNX Runtime and Adit, in turn.

usage: peers_embed.py MODEL_DIR TEXTS [--adit BIN] [--rounds 3] [--threads N]

MODEL_DIR is a Hugging Face directory of a BERT with mean pooling (such as all-MiniLM-L6-v2), TEXTS has
one text a line. Needs torch, transformers, sentence-transformers, onnx and onnxruntime. Every engine
runs in a process of its own, one after the other in every round, so that its memory is its own and a
machine that slows down slows all of them. Times are from texts to vectors, loading left out; medians.
"""
import argparse, json, os, pathlib, statistics, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor

MAX_TOKENS, SINGLE, REPEATS = 256, (12, 200), 20
PEERS = ["torch f32", "torch bf16", "onnx f32", "onnx f32, a session a core", "onnx int8, a session a core"]


def torch_engine(model, precision, threads):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    encoder = SentenceTransformer(model, device="cpu")
    encoder.max_seq_length = MAX_TOKENS

    def embed(texts):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return encoder.encode(texts, batch_size=32, normalize_embeddings=True)

    return embed, embed


def onnx_engine(model, path, n_sessions, threads):
    import numpy as np, onnxruntime as ort
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()

    def session(n):
        options = ort.SessionOptions()
        options.intra_op_num_threads = n
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    sessions = [session(threads // n_sessions) for _ in range(n_sessions)]

    def run(session, texts):
        found = tokenizer.encode_batch(texts)
        ids, mask = (np.array([getattr(f, name) for f in found], np.int64) for name in ("ids", "attention_mask"))
        states = session.run(None, {"ids": ids, "mask": mask})[0]
        mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def embed(texts):
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        batches = [order[at:at + 8] for at in range(0, len(order), 8)]
        out = [None] * len(texts)

        def work(k):
            for batch in batches[k::n_sessions]:
                for at, vector in zip(batch, run(sessions[k], [texts[at] for at in batch])):
                    out[at] = vector

        with ThreadPoolExecutor(n_sessions) as pool:
            list(pool.map(work, range(n_sessions)))
        return np.array(out)

    whole = sessions[0] if n_sessions == 1 else session(threads)
    return embed, lambda texts: run(whole, texts)


def one_engine(a):
    """Runs one engine, in this process, and prints what it took."""
    import numpy as np
    from tokenizers import Tokenizer

    texts = pathlib.Path(a.texts).read_text(encoding="utf-8").rstrip("\n").split("\n")
    if a.engine.startswith("torch"):
        embed, single = torch_engine(a.model, a.engine.split()[1], a.threads)
    else:
        path = str(pathlib.Path(a.work) / f"{a.engine.split()[1].rstrip(',')}.onnx")
        embed, single = onnx_engine(a.model, path, a.threads if "session" in a.engine else 1, a.threads)
    embed(texts[:32])
    start = time.perf_counter()
    vectors = embed(texts)
    seconds = time.perf_counter() - start
    tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    lengths = [len(e.ids) for e in tokenizer.encode_batch(texts)]
    took = []
    for n in SINGLE:
        text = [texts[lengths.index(n)]] if n in lengths else None
        rounds = []
        for _ in range(REPEATS if text else 0):
            start = time.perf_counter()
            single(text)
            rounds.append(time.perf_counter() - start)
        took.append(statistics.median(rounds) if rounds else None)
    out = pathlib.Path(a.work) / "vectors.npy"
    np.save(out, np.asarray(vectors, np.float32))
    print(json.dumps({"seconds": seconds, "vectors": str(out), "single": took, "tokens": sum(min(n, MAX_TOKENS) for n in lengths)}))


def export(model, work):
    """Writes f32.onnx and int8.onnx (weights by output channel)."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = AutoModel.from_pretrained(model, attn_implementation="eager").eval()

        def forward(self, ids, mask):
            return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state

    names = ["ids", "mask"]
    free = {name: {0: "texts", 1: "tokens"} for name in [*names, "states"]}
    example = torch.ones(2, 9, dtype=torch.long)
    torch.onnx.export(States(), (example, example), str(work / "f32.onnx"), input_names=names, output_names=["states"],
                      dynamic_axes=free, opset_version=17, dynamo=False)
    quantize_dynamic(work / "f32.onnx", work / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)


def measured(line):
    """Runs a command; what it printed last, and its largest memory in MiB."""
    child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{line}: {err}")
    return json.loads(out.strip().split("\n")[-1]), usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("texts")
    p.add_argument("--adit", default="adit")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--engine", help=argparse.SUPPRESS)
    p.add_argument("--work", help=argparse.SUPPRESS)
    a = p.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if a.engine == "export":
        return export(a.model, pathlib.Path(a.work))
    if a.engine:
        return one_engine(a)
    import numpy as np

    work = pathlib.Path(tempfile.mkdtemp())
    # In a process of its own, since a child's memory is counted from that of this one.
    subprocess.run([sys.executable, __file__, a.model, a.texts, "--engine", "export", "--work", str(work)], check=True,
                   capture_output=True)
    lines = {name: [sys.executable, __file__, a.model, a.texts, "--engine", name, "--work", str(work), "--threads", str(a.threads)]
             for name in PEERS}
    for precision in ("f32", "bf16", "int8"):
        lines[f"adit {precision}"] = [a.adit, "bench", "embed", a.texts, "--encoder", a.model, "--peer", "--quiet",
                                      "--precision", precision, "--threads", str(a.threads)]
    found, vectors, tokens = {name: [] for name in lines}, {}, 0
    for _ in range(a.rounds):
        for name, line in lines.items():
            took, memory = measured(line)
            vectors[name] = np.load(took["vectors"])
            os.unlink(took["vectors"])
            tokens = took.get("tokens", tokens)
            found[name].append((took["seconds"], *took["single"], memory))
    exact = vectors["torch f32"]
    print(f"{tokens} tokens, {a.threads} threads; ratios are medians of rounds\n")
    print("| engine | tokens a second | one text of 12 tokens | of 200 | memory | cosine to torch f32, mean and least |")
    print("|---|---|---|---|---|---|")
    for name, rows in found.items():
        seconds, short, long, memory = (statistics.median(column) if None not in column else None for column in zip(*rows))
        ms = ["–" if v is None else f"{1e3 * v:.2f} ms" for v in (short, long)]
        cosine = (vectors[name] * exact).sum(1) / np.linalg.norm(vectors[name], axis=1) / np.linalg.norm(exact, axis=1)
        print(f"| {name} | {tokens / seconds:,.0f} | {ms[0]} | {ms[1]} | {memory:,.0f} MiB | {cosine.mean():.5f}, {cosine.min():.5f} |")
    print()

    def times(ours, peers, column=0):
        best = min(statistics.median(p[column] / o[column] for p, o in zip(found[peer], found[ours])) for peer in peers)
        return f"{best:.2f}"

    f32 = ["onnx f32", "onnx f32, a session a core"]
    print("against the best peer:",
          f"f32 {times('adit f32', f32)} (ONNX Runtime f32),",
          f"bf16 {times('adit bf16', ['torch bf16'])} (sentence-transformers bf16),",
          f"int8 {times('adit int8', ['onnx int8, a session a core'])} (ONNX Runtime int8)")
    for column, n in enumerate(SINGLE, 1):
        if found["adit f32"][0][column] is not None:
            print(f"one text of {n} tokens, f32 against ONNX Runtime f32: {times('adit f32', ['onnx f32'], column)}")


main()
