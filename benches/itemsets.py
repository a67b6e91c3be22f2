"""Frequent sets beside PyFIM (Borgelt's C) and mlxtend, on the same baskets, in one interleaved run.

usage: itemsets.py DATA_FOLDER [--adit BIN] [--rounds N] [--threads N ...] [--mlxtend]
       itemsets.py DATA_FOLDER --whole [--adit BIN] [--rounds N]
       itemsets.py --drawn N [N ...] [--adit BIN] [--support X] [--memory MIB ...]
       itemsets.py --noise [--adit BIN]

Mining time without reading on either side, medians over the rounds; memory is that of a process that reads and mines.
PyFIM's is the best of fpgrowth and eclat. --drawn: baskets of ten items on average, drawn around patterns, to see growth.
--whole: the whole command, which writes a report and all sets, beside Python from its start to its end, which writes nothing.
--noise: 5,000 baskets of 100 independent items: what mlxtend tells with a lift of 1.2, and what Adit's guards keep.
"""
import argparse, gzip, json, pathlib, random, statistics, subprocess, sys, tempfile, time

CASES = [("rules_groceries/transactions.csv", [.01, .005, .001]), ("rules_retail_belgium/transactions.dat.gz", [.01, .005, .001]),
         ("rules_t10i4d100k/transactions.dat.gz", [.02, .01, .001]), ("rules_chess/transactions.dat.gz", [.8, .7, .6]),
         ("rules_kosarak25k/transactions.dat.gz", [.02, .01, .005])]
PEER = """
import fim, gzip, json, math, resource, sys, time
path, support, name = sys.argv[1], float(sys.argv[2]), sys.argv[3]
between = "," if ".csv" in path else None
with (gzip.open(path, "rt") if path.endswith(".gz") else open(path)) as f:
    baskets = [[i.strip() for i in line.split(between) if i.strip()] for line in f if line.strip()]
count = math.ceil(support * len(baskets) - 1e-9)
if name == "mlxtend":
    import pandas
    from mlxtend.frequent_patterns import fpgrowth
    from mlxtend.preprocessing import TransactionEncoder
    started = time.perf_counter()
    encoder = TransactionEncoder()
    table = pandas.DataFrame.sparse.from_spmatrix(encoder.fit_transform(baskets, sparse=True), columns=encoder.columns_)
    n = len(fpgrowth(table, min_support=(count - .5) / len(baskets)))
else:
    started = time.perf_counter()
    n = len(getattr(fim, name)(baskets, supp=-count, zmin=1, report="a"))
print(json.dumps([time.perf_counter() - started, n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def peer(path, support, name):
    out = subprocess.run([sys.executable, "-c", PEER, str(path), str(support), name], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def ours(adit, path, support, threads):
    line = [adit, "bench", "itemsets", str(path), "--min-support", str(support), "--rounds", "1", "--threads", str(threads), "--json", "--quiet"]
    found = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    return found["seconds"], found["sets"], found["peak_rss_bytes"] / 2**20, found["read_seconds"]


def draw(path, n, seed=1):
    """Baskets of ten items on average, half of them from patterns of four, out of a thousand items."""
    rng = random.Random(seed)
    patterns = [[int(1000 * rng.random() ** 2) for _ in range(max(1, round(rng.gauss(4, 1.5))))] for _ in range(1000)]
    with open(path, "w") as f:
        for _ in range(n):
            basket = set()
            for _ in range(2):
                basket.update(i for i in patterns[int(1000 * rng.random() ** 3)] if rng.random() < .8)
            while len(basket) < rng.gauss(10, 3):
                basket.add(int(1000 * rng.random() ** 2))
            f.write(" ".join(map(str, basket)) + "\n")


def whole(adit, data, rounds):
    """Seconds and MiB of whole processes: eclat in Python, and one thread of ours."""
    print("| data | support | Python s | ours s | times as fast |\n|---|---|---|---|---|")
    for name, support in [(name, supports[-1]) for name, supports in CASES]:
        took = {"python": [], "adit": []}
        with tempfile.TemporaryDirectory() as folder:
            lines = {"python": [sys.executable, "-c", PEER, str(data / name), str(support), "eclat"],
                     "adit": [adit, "rules", str(data / name), "--form", "lines", "--kind", "itemsets", "--min-support", str(support),
                              "--out", f"{folder}/run", "--force", "--quiet", "--threads", "1"]}
            for _ in range(rounds):
                for who, line in lines.items():
                    started = time.perf_counter()
                    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
                    took[who].append(time.perf_counter() - started)
        theirs, own = (statistics.median(took[who]) for who in ("python", "adit"))
        print(f"| {name.split('/')[0]} | {support} | {theirs:.2f} | {own:.2f} | {theirs / own:.1f} |", flush=True)


def noise(adit):
    """What is told of baskets in which nothing goes with anything."""
    import pandas
    from mlxtend.frequent_patterns import association_rules, fpgrowth
    from mlxtend.preprocessing import TransactionEncoder
    rng = random.Random(7)
    share = [rng.uniform(.02, .2) for _ in range(100)]
    baskets = [[f"i{k}" for k in range(100) if rng.random() < share[k]] for _ in range(5000)]
    encoder = TransactionEncoder()
    table = pandas.DataFrame(encoder.fit(baskets).transform(baskets), columns=encoder.columns_)
    sets = fpgrowth(table, min_support=.01, use_colnames=True)
    print(f"mlxtend: {len(association_rules(sets, metric='lift', min_threshold=1.2))} rules with a lift of 1.2 or more")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "noise.dat"
        path.write_text("".join(" ".join(basket) + "\n" for basket in baskets))
        for guard in ("none", "exploratory", "holdout"):
            line = [adit, "rules", str(path), "--guard", guard, "--min-support", ".01", "--out", f"{folder}/run", "--force", "--quiet"]
            out = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            print(f"adit --guard {guard}: {out.splitlines()[0]}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path, nargs="?")
    p.add_argument("--adit", default="adit")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    p.add_argument("--mlxtend", action="store_true")
    p.add_argument("--whole", action="store_true")
    p.add_argument("--noise", action="store_true")
    p.add_argument("--drawn", type=int, nargs="*", default=[])
    p.add_argument("--support", type=float, default=.001)
    p.add_argument("--memory", type=int, nargs="*", default=[])
    a = p.parse_args()
    if a.noise:
        return noise(a.adit)
    if a.whole:
        return whole(a.adit, a.data, a.rounds)
    if a.data:
        names = ["fpgrowth", "eclat"] + (["mlxtend"] if a.mlxtend else [])
        print("| data | support | sets | PyFIM s | " + "mlxtend s | " * a.mlxtend + "".join(f"ours s, {t} threads | " for t in a.threads)
              + "PyFIM MiB | ours MiB |\n" + "|---" * (6 + a.mlxtend + len(a.threads)) + "|", flush=True)
        ratios, beyond = {t: [] for t in a.threads}, {t: [] for t in a.threads}
        for name, supports in CASES:
            for support in supports:
                theirs, own = {n: [] for n in names}, {t: [] for t in a.threads}
                for _ in range(a.rounds):
                    for n in names:
                        theirs[n].append(peer(a.data / name, support, n))
                    for t in a.threads:
                        own[t].append(ours(a.adit, a.data / name, support, t))
                median = lambda runs: statistics.median(run[0] for run in runs)
                best = min(median(theirs[n]) for n in names[:2])
                sets = own[a.threads[0]][0][1]
                assert all(run[1] == sets for n in names for run in theirs[n]), (name, support, sets, theirs)
                for t in a.threads:
                    ratios[t].append(best / median(own[t]))
                    if a.mlxtend:
                        beyond[t].append(median(theirs["mlxtend"]) / median(own[t]))
                print(f"| {name.split('/')[0]} | {support} | {sets} | {best:.4f} | " + (f"{median(theirs['mlxtend']):.2f} | " if a.mlxtend else "")
                      + "".join(f"{median(own[t]):.4f} | " for t in a.threads)
                      + f"{min(run[2] for n in names[:2] for run in theirs[n]):.0f} | {max(run[2] for run in own[a.threads[0]]):.0f} |", flush=True)
        for t in a.threads:
            print(f"{t} threads: {statistics.geometric_mean(ratios[t]):.1f} times as fast as PyFIM on the geometric mean, {min(ratios[t]):.1f} at least")
            if a.mlxtend:
                print(f"{t} threads: {statistics.geometric_mean(beyond[t]):.0f} times as fast as mlxtend on the geometric mean, {min(beyond[t]):.0f} at least")
    if a.drawn:
        print("| baskets | sets | seconds | to read | MiB |\n|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for n in a.drawn:
                path = pathlib.Path(folder) / "drawn.dat"
                draw(path, n)
                seconds, sets, mib, read = ours(a.adit, path, a.support, max(a.threads))
                print(f"| {n} | {sets} | {seconds:.3f} | {read:.2f} | {mib:.0f} |", flush=True)
                for memory in a.memory:
                    command = [a.adit, "rules", str(path), "--kind", "itemsets", "--min-support", str(a.support), "--memory", str(memory),
                               "--out", folder + "/run", "--force", "--json", "--quiet"]
                    started = time.perf_counter()
                    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                    assert found["counts"]["itemsets"] == sets
                    print(f"whole command, --memory {memory}: {found['data']['form']}, {time.perf_counter() - started:.1f} s, "
                          f"{found['cost']['peak_rss_bytes'] / 2**20:.0f} MiB", flush=True)


main()
