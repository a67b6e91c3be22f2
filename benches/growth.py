"""How time and memory of `adit classify` grow with rows, and how fast `adit predict` streams them, on drawn tables.

usage: growth.py [--adit BIN] [--rows N ...] [--columns N] [--predict N]

The largest table's members then predict --predict rows (its training rows over and over), and a tenth of them. Needs
numpy and pandas.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

from drawn import drawn


# A child begins with the memory of what starts it, so a small process starts and measures it.
METER = """import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)"""


def metered(line):
    """Seconds, and MiB at the peak, of one command."""
    out = subprocess.run([sys.executable, "-c", METER, *line], check=True, stdout=subprocess.PIPE, text=True).stdout
    return tuple(map(float, out.split()))


def repeated(source, target, rows):
    head, *lines = source.read_text().splitlines(keepends=True)
    with target.open("w") as out:
        out.write(head)
        for at in range(rows):
            out.write(lines[at % len(lines)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--adit", default="adit")
    p.add_argument("--rows", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    p.add_argument("--columns", type=int, default=50)
    p.add_argument("--predict", type=int, default=1_000_000)
    a = p.parse_args()
    print("| rows | seconds | MiB | recommended | members: seconds, ROC-AUC |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run = folder / "run"
        for rows in a.rows:
            train, test = drawn(folder, rows, a.columns)
            line = [a.adit, "classify", str(train), "--test", str(test), "--target", "y", "--out", str(run), "--force", "--quiet"]
            seconds, memory = metered(line)
            result = json.loads((run / "result.json").read_text())
            members = "; ".join(f"{m['model']} {m['seconds']:.0f}, {m['metrics']['roc_auc']['value']:.3f}" for m in result["scoreboard"][1:])
            print(f"| {rows:,} | {seconds:.0f} | {memory:.0f} | {result['chosen']} | {members} |", flush=True)
        print("\n| member | rows | seconds | rows a second | MiB |\n|---|---|---|---|---|", flush=True)
        for rows in (a.predict // 10, a.predict):
            repeated(train, folder / "new.csv", rows)
            for member in dict.fromkeys([result["chosen"], "blend", "perceptron ensemble", "boosted trees"]):
                if member == "blend" and result["chosen"] != "blend":
                    continue  # only a recommended blend is kept
                line = [a.adit, "predict", str(run), str(folder / "new.csv"), "-o", str(folder / "out.parquet"), "--force", "--quiet", "--member", member]
                seconds, memory = metered(line)
                print(f"| {member} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {memory:.0f} |", flush=True)


main()
