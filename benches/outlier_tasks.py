"""Outliers beside PyOD with its defaults, on the same rows: the rarest class of each shared table is what is to be found.

usage: outlier_tasks.py DATA_FOLDER [--adit BIN] [--without] [--ours LABEL=FOLDER ...] [--keep FOLDER] [--seeds N ...]
                        [--rows N] [--tables NAME ...] [--protocols NAME ...]

The rarest class of a table makes the outliers, at most a tenth of the rows (the rest of it is left out by seed); tables of
more than --rows rows are thinned by seed. No engine sees the class. Protocols:
  contaminated   fit on all rows, judge all rows
  clean          fit on half of the normal rows, judge the other half and the outliers
  dependent      the rows of all other classes; in a twentieth of them, a third of the cells are those of other rows drawn
                 at random, so that each cell is usual but they do not fit each other; fit on all, judge all
PyOD gets numbers (median for what is missing, standardised) and categories (one column a level, the share of the level from
21 levels on), all as learned on the rows to fit on. `adit anomalies` gets the table's own columns as CSV.

--keep writes a task's features as TABLE.PROTOCOL.SEED.{fit,judge,truth}.npy; --ours reads scores of the rows to judge, a
number a line, from FOLDER/TABLE.PROTOCOL.SEED.txt; --without adds a run with --no-masked-cells. Needs pyod and scikit-learn; --adit needs pyarrow, to read what it writes.
"""
import argparse, collections, pathlib, statistics, subprocess, tempfile, warnings

import numpy, pandas
from sklearn.metrics import average_precision_score, roc_auc_score

import scoreboards_jobs as jobs

MOST_LEVELS = 20
PROTOCOLS = ("contaminated", "clean", "dependent")
PEERS = ("IForest", "ECOD", "KNN")


def read(folder):
    """Every row of a table, each cell as it is written."""
    parts = [pandas.read_csv(jobs.part(folder, name), dtype=str, keep_default_na=False) for name in ("train", "test")]
    return pandas.concat(parts, ignore_index=True)


def drawn_task(folder, target, most_rows, seed):
    """The columns without the class, and which rows are outliers."""
    random = numpy.random.default_rng(seed)
    table = read(folder)
    classes = table.pop(target)
    outlier = (classes == classes.value_counts().index[-1]).to_numpy()
    rare, normal = numpy.flatnonzero(outlier), numpy.flatnonzero(~outlier)
    rare = random.permutation(rare)[: len(normal) // 9]
    rows = random.permutation(numpy.concatenate([rare, normal]))[:most_rows]
    return table.iloc[rows].reset_index(drop=True), outlier[rows]


def dependent_task(folder, target, most_rows, seed):
    """Rows of which some have cells of others, and which these are."""
    random = numpy.random.default_rng(seed)
    table = read(folder)
    classes = table.pop(target)
    rows = random.permutation(numpy.flatnonzero(classes != classes.value_counts().index[-1]))[:most_rows]
    cells = table.iloc[rows].to_numpy(dtype=object)
    outlier = numpy.zeros(len(rows), bool)
    outlier[random.permutation(len(rows))[: max(1, len(rows) // 20)]] = True
    drawn = cells.copy()
    for row in numpy.flatnonzero(outlier):
        for column in random.permutation(cells.shape[1])[: max(1, cells.shape[1] // 3)]:
            drawn[row, column] = cells[random.integers(len(rows)), column]
    return pandas.DataFrame(drawn, columns=table.columns), outlier


def rows_of(protocol, outlier, seed):
    """The rows to fit on and the rows to judge."""
    everyone = numpy.arange(len(outlier))
    if protocol != "clean":
        return everyone, everyone
    normal = numpy.random.default_rng(seed + 1).permutation(numpy.flatnonzero(~outlier))
    fit = numpy.sort(normal[: len(normal) // 2])
    return fit, numpy.setdiff1d(everyone, fit)


def as_numbers(cells):
    """A column as numbers, or None where fewer than 9 of 10 cells are some."""
    numbers = pandas.to_numeric(cells.str.strip(), errors="coerce")
    filled = cells.str.strip() != ""
    return numbers if filled.any() and numbers[filled].notna().mean() > .9 else None


def features(table, fit):
    """Columns of numbers for the detectors, scaled by the rows to fit on. Columns that do not change there are left out."""
    out = []
    for name in table.columns:
        numbers = as_numbers(table[name])
        if numbers is None:
            levels = table[name].iloc[fit].value_counts()
            if len(levels) <= MOST_LEVELS:
                out += [(table[name] == level).to_numpy(float) for level in sorted(levels.index)]
                continue
            numbers = table[name].map(levels / len(fit)).fillna(0.)
        numbers = numbers.fillna(numbers.iloc[fit].median()).to_numpy(float)
        scale = numbers[fit].std()
        if scale > 0:
            out.append((numbers - numbers[fit].mean()) / scale)
    out = [column for column in out if column[fit].min() < column[fit].max()]
    return numpy.stack(out, axis=1).astype("float32")


def peer(name, fit, judge, seed):
    """Scores of the rows to judge by a detector of PyOD with its defaults."""
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    model = {"IForest": lambda: IForest(random_state=seed), "ECOD": ECOD, "KNN": KNN}[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(fit)
        return model.decision_scores_ if judge is fit else model.decision_function(judge)


def run_adit(adit, table, fit, judge, folder, more=()):
    """Scores of the rows to judge by `adit anomalies` on the table's own columns, written as it writes them."""
    data, run = folder / "data.csv", folder / "run"
    table.iloc[fit].to_csv(data, index=False)
    clean = [] if judge is fit else ["--clean"]
    subprocess.run([adit, "anomalies", str(data), *clean, *more, "--out", str(run), "--force", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    found = run / "anomalies.parquet"
    if clean:
        new, found = folder / "new.csv", folder / "scores.parquet"
        table.iloc[judge].to_csv(new, index=False)
        subprocess.run([adit, "predict", str(run), str(new), "--output", str(found), "--force", "--quiet"], check=True)
    scores = pandas.read_parquet(found, columns=["row", "score"])
    if sorted(scores.row) != list(range(len(judge))):
        raise SystemExit(f"{found} has scores of {len(scores)} rows, not one for each of {len(judge)}")
    return scores.sort_values("row").score.to_numpy()


def engines(args, task, table, rows, seed):
    """What each engine says of the rows to judge: a name and the scores, one after another."""
    fit, judge = rows
    x = features(table, fit)
    of_fit = x[fit]
    of_judge = of_fit if judge is fit else x[judge]
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        numpy.save(args.keep / f"{task}.fit.npy", of_fit)
        numpy.save(args.keep / f"{task}.judge.npy", of_judge)
    for peer_name in PEERS:
        yield peer_name, peer(peer_name, of_fit, of_judge, seed)
    for label, folder in args.ours:
        yield label, numpy.loadtxt(folder / f"{task}.txt")
    if args.adit:
        with tempfile.TemporaryDirectory() as folder:
            yield "adit", run_adit(args.adit, table, fit, judge, pathlib.Path(folder))
            if args.without:
                more = ["--no-masked-cells"]
                yield "without masked cells", run_adit(args.adit, table, fit, judge, pathlib.Path(folder), more)


def task_scores(args, name, protocol):
    """ROC-AUC and average precision of each engine, means over the seeds, and what the task is like."""
    found = collections.defaultdict(list)
    for seed in args.seeds:
        drawn = dependent_task if protocol == "dependent" else drawn_task
        table, outlier = drawn(args.data / name, jobs.TABLES[name][1], args.rows, seed)
        fit, judge = rows_of(protocol, outlier, seed)
        truth, task = outlier[judge], f"{name}.{protocol}.{seed}"
        for engine, scores in engines(args, task, table, (fit, judge), seed):
            found[engine].append((roc_auc_score(truth, scores), average_precision_score(truth, scores)))
        if args.keep:
            numpy.save(args.keep / f"{task}.truth.npy", truth.astype("float32"))
    means = {engine: tuple(map(statistics.mean, zip(*pairs))) for engine, pairs in found.items()}
    return means, len(judge), truth.mean()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--adit")
    p.add_argument("--without", action="store_true")
    p.add_argument("--protocols", nargs="*", default=PROTOCOLS)
    p.add_argument("--ours", nargs="*", default=[])
    p.add_argument("--keep", type=pathlib.Path)
    p.add_argument("--seeds", type=int, nargs="*", default=[1])
    p.add_argument("--rows", type=int, default=20_000)
    p.add_argument("--tables", nargs="*", default=[name for name, job in jobs.TABLES.items() if job[0] == "classify"])
    args = p.parse_args()
    args.ours = [(label, pathlib.Path(folder)) for label, _, folder in (one.partition("=") for one in args.ours)]
    for protocol in args.protocols:
        names, rows = None, []
        for name in args.tables:
            means, n, share = task_scores(args, name, protocol)
            if names is None:
                names = list(means)
                print(f"\n{protocol}: ROC-AUC and average precision, seeds {args.seeds}\n")
                print("| table | rows judged | outliers |", " | ".join(names), "|\n|---|---|---|" + "---|" * len(names))
            rows.append([means[engine] for engine in names])
            print(f"| {name} | {n:,} | {share:.3f} |", " | ".join("{:.4f} {:.4f}".format(*pair) for pair in rows[-1]), "|", flush=True)
        mean = [tuple(map(statistics.mean, zip(*column))) for column in zip(*rows)]
        print("| mean | | |", " | ".join("{:.4f} {:.4f}".format(*pair) for pair in mean), "|", flush=True)


main()
