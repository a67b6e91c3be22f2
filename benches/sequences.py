"""Frequent sequences beside prefixspan (PyPI), on the same sequences, in one interleaved run.

usage: sequences.py DATA_FOLDER [--adit BIN] [--rounds N]
       sequences.py --drawn N [N ...] [--adit BIN] [--support X]

prefixspan is timed without reading and with it; Adit as a whole command, which reads, searches, and writes a report and all
patterns. Medians over the rounds. --drawn: sequences of ten events on average, some of which follow each other, to see growth.
"""
import argparse, gzip, json, pathlib, random, statistics, subprocess, sys, tempfile, time

CASES = [("seq_sign/sequences.txt", [.6, .5, .4, .3]), ("seq_bms_webview1/sequences.txt.gz", [.005, .002, .001]),
         ("rules_kosarak25k/transactions.dat.gz", [.01, .005])]
PEER = """
import gzip, json, math, resource, sys, time
from prefixspan import PrefixSpan
path, support = sys.argv[1], float(sys.argv[2])
started = time.perf_counter()
with (gzip.open(path, "rt") if path.endswith(".gz") else open(path)) as f:
    sequences = [[i for i in line.split() if not i.startswith("-")] for line in f if line.strip()]
read = time.perf_counter()
n = len(PrefixSpan(sequences).frequent(math.ceil(support * len(sequences) - 1e-9)))
now = time.perf_counter()
print(json.dumps([now - read, now - started, n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def peer(path, support):
    done = subprocess.run([sys.executable, "-c", PEER, str(path), str(support)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def ours(adit, path, support, threads=None):
    with tempfile.TemporaryDirectory() as folder:
        command = [adit, "sequences", str(path), "--kind", "frequent", "--min-support", str(support), "--json", "--quiet",
                   "--out", folder + "/run"] + (["--threads", str(threads)] if threads else [])
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
        found = json.loads(done.stdout)
        return seconds, found["counts"]["itemsets"], found["cost"]["peak_rss_bytes"] / 2**20


def draw(path, n):
    """Events by a power law; half of the sequences hold one of twenty ways of three steps."""
    rng = random.Random(1)
    weights = [1 / (k + 1) for k in range(1000)]
    ways = [rng.choices(range(1000), weights, k=3) for _ in range(20)]
    with open(path, "w") as f:
        for _ in range(n):
            events = rng.choices(range(1000), weights, k=rng.randint(4, 16))
            if rng.random() < .5:
                way = rng.choice(ways)
                places = sorted(rng.randint(0, len(events)) for _ in way)
                for k, (place, event) in enumerate(zip(places, way)):
                    events.insert(place + k, event)
            f.write(" -1 ".join(map(str, events)) + " -1 -2\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path, nargs="?")
    p.add_argument("--adit", default="adit")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--drawn", type=int, nargs="*", default=[])
    p.add_argument("--support", type=float, default=.01)
    a = p.parse_args()
    if a.data:
        print("| data | support | sequences | prefixspan s | with reading | Adit, whole command | prefixspan MiB | Adit MiB |\n"
              "|---|---|---|---|---|---|---|---|", flush=True)
        ratios = []
        for name, supports in CASES:
            for support in supports:
                theirs, own = [], []
                for _ in range(a.rounds):
                    theirs.append(peer(a.data / name, support))
                    own.append(ours(a.adit, a.data / name, support))
                assert all(run[2] == own[0][1] for run in theirs), (name, support, theirs, own)
                median = lambda runs, k: statistics.median(run[k] for run in runs)
                ratios.append(median(theirs, 0) / median(own, 0))
                print(f"| {name.split('/')[0]} | {support} | {own[0][1]} | {median(theirs, 0):.2f} | {median(theirs, 1):.2f} | "
                      f"{median(own, 0):.3f} | {median(theirs, 3):.0f} | {median(own, 2):.0f} |", flush=True)
        print(f"{statistics.geometric_mean(ratios):.0f} times as fast on the geometric mean, {min(ratios):.0f} at least")
    if a.drawn:
        print("| sequences | found | seconds, whole command | MiB |\n|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for n in a.drawn:
                path = pathlib.Path(folder) / "drawn.txt"
                draw(path, n)
                seconds, found, mib = ours(a.adit, path, a.support)
                print(f"| {n} | {found} | {seconds:.2f} | {mib:.0f} |", flush=True)


main()
