"""Histories: trees on sums of events, event embeddings and fine-tuned transformers of Adit over seeds, beside LightGBM and a
linear model of scikit-learn on like sums, on the same test rows.

usage: histories.py DATA_FOLDER [NAME ...] [--adit BIN] [--out DIR] [--seeds N] [--peers] [--old]

Prepares the data sets (histories_data.py) under --out, scores the peers unless their scores lie there, runs Adit with seeds
1 to N and prints a table. --peers leaves Adit out, --old prints what lies in --out. Needs lightgbm, scikit-learn and pandas.
"""
import argparse, collections, json, pathlib, re, shlex, statistics, subprocess, sys, warnings

import lightgbm, numpy, pandas
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from histories_data import JOBS, prepare

MEMBERS = {"trees on aggregates": "boosted trees", "embedding alone": "event embedding",
           "trees on embedding and aggregates": "trees over event embedding", "fine-tuned": "event transformer"}
# Of LightGBM the setting and the rounds that five folds speak for.
SETTINGS = [{}, *({"learning_rate": 0.03, "num_leaves": leaves, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1}
                  for leaves in (7, 31))]
N_VALUES = 12


def moments(column):
    return column.astype(float) if pandas.api.types.is_numeric_dtype(column) else (pandas.to_datetime(column) - pandas.Timestamp(0)) / pandas.Timedelta(days=1)


def sums_of_times(times, until):
    """Count, recency, span and gaps."""
    gaps = numpy.diff(times)
    of_gaps = [gaps.mean(), gaps.std(ddof=1) if len(gaps) > 1 else numpy.nan, gaps.max(), gaps[-1]] if len(gaps) else [numpy.nan] * 4
    if not len(times):
        return [0, numpy.nan, numpy.nan, numpy.nan, *of_gaps]
    return [len(times), until - times[-1], until - times[0], times[-1] - times[0], *of_gaps]


def sums_of_numbers(x, times):
    """Of each column sum, mean, deviation, least, most, first, last and slope."""
    if not len(x):
        return numpy.full(8 * x.shape[1], numpy.nan)
    known = numpy.isfinite(x)
    n, each = known.sum(0), numpy.arange(x.shape[1])
    zeroed = numpy.where(known, x, 0)
    mean = zeroed.sum(0) / n
    off = numpy.where(known, x - mean, 0)
    t = times[:, None] - (known * times[:, None]).sum(0) / n
    total = numpy.where(n > 0, zeroed.sum(0), numpy.nan)
    first, last = x[known.argmax(0), each], x[len(x) - 1 - known[::-1].argmax(0), each]
    return numpy.concatenate([total, mean, numpy.sqrt((off**2).sum(0) / (n - 1)), numpy.nanmin(x, 0), numpy.nanmax(x, 0), first, last,
                              (t * off).sum(0) / (known * t**2).sum(0)])


def sums_of_categories(codes):
    """Counts and shares of the most frequent values, how many different, first and last."""
    codes = codes[codes >= 0]
    counts = numpy.bincount(codes[codes < N_VALUES], minlength=N_VALUES)
    ends = [codes[0], codes[-1]] if len(codes) else [-1, -1]
    return [*counts, *counts / max(len(codes), 1), len(set(codes)), *ends]


def aggregates(events, labels, job):
    """A line of sums for each row, of the events before its cut-off alone, after the row's own columns."""
    events = events.assign(at=moments(events[job.time])).sort_values([job.entity, "at"], kind="stable", ignore_index=True)
    others = events.drop(columns=[job.entity, job.time, "at"])
    numbers = others.select_dtypes("number")
    categories = [others[name] for name in others.columns if name not in numbers]
    # Codes in the order of frequency.
    codes = [column.map({value: code for code, value in enumerate(column.value_counts().index)}).fillna(-1).to_numpy(int) for column in categories]
    place = events.groupby(job.entity).indices
    at, x = events["at"].to_numpy(), numbers.to_numpy(float)
    cutoffs = moments(labels[job.cutoff]).to_numpy() if job.cutoff else numpy.full(len(labels), numpy.inf)
    lines = []
    for entity, until in zip(labels[job.entity], cutoffs):
        seen = place.get(entity, numpy.array([], int))
        seen = seen[at[seen] < until]
        lines.append(numpy.concatenate([sums_of_times(at[seen], until), sums_of_numbers(x[seen], at[seen]),
                                        *(sums_of_categories(column[seen]) for column in codes)]))
    of_times = [f"events {what}" for what in ("count", "since last", "since first", "span", "gaps mean", "gaps deviation", "gaps most", "gap last")]
    of_numbers = [f"{name} {what}" for what in ("sum", "mean", "deviation", "least", "most", "first", "last", "slope") for name in numbers]
    of_categories = [f"{column.name} {what}" for column in categories for what in (
        *(f"count {k}" for k in range(N_VALUES)), *(f"share {k}" for k in range(N_VALUES)), "different", "first", "last")]
    made = pandas.DataFrame(numpy.array(lines), columns=of_times + of_numbers + of_categories).replace([numpy.inf, -numpy.inf], numpy.nan)
    for column in categories:
        for end in ("first", "last"):
            made[f"{column.name} {end}"] = made[f"{column.name} {end}"].astype(int).astype("category")
    own = labels.drop(columns=[job.entity, job.target, *job.ignored]).select_dtypes("number")
    return pandas.concat([own.reset_index(drop=True), made], axis=1)


def tables(folder, job):
    """What peers learn from and are judged on: sums, targets and entities of both parts, columns that vary alone."""
    events, train, test = (pandas.read_csv(folder / f"{part}.csv") for part in ("events", "train_labels", "test_labels"))
    x = aggregates(events, pandas.concat([train, test], ignore_index=True), job)
    x = x[[name for name in x if x[name][:len(train)].nunique() > 1]]
    return events, (x[:len(train)], train[job.target].to_numpy(), train[job.entity]), (x[len(train):], test[job.target].to_numpy(), test)


def score(metric, truth, classes, found):
    if metric == "rmse":
        return root_mean_squared_error(truth, found)
    if metric == "accuracy":
        return accuracy_score(truth, classes[found.argmax(1)])
    return roc_auc_score(truth == classes[1], found if found.ndim == 1 else found[:, 1])


def peers(folder, job, n_seeds):
    """Test scores of LightGBM, also with its defaults, means over seeds; of a linear model; and of Markov chains where the
    next event is asked for."""
    events, (x, y, entities), (test_x, test_y, test) = tables(folder, job)
    classes, folds = numpy.unique(y), list(GroupKFold(5, shuffle=True, random_state=1).split(x, y, entities))
    objective, watched = {"roc_auc": ("binary", "auc"), "accuracy": ("multiclass", "multi_logloss"), "rmse": ("regression", "rmse")}[job.metric]
    base = {"objective": objective, "metric": watched, "verbose": -1, "num_threads": 2}
    base |= {"num_class": len(classes)} if objective == "multiclass" else {}
    codes = y if job.metric == "rmse" else numpy.searchsorted(classes, y)
    # LightGBM takes no brackets in names.
    named = lambda table: table.set_axis([f"c{k}" for k in range(table.shape[1])], axis=1)
    fresh = lambda: lightgbm.Dataset(named(x), codes, free_raw_data=False)
    tried = []
    for setting in SETTINGS:
        found = lightgbm.cv(base | setting | {"seed": 1}, fresh(), 2_000, folds=folds, callbacks=[lightgbm.early_stopping(50, verbose=False)])
        curve = found[f"valid {watched}-mean"]
        tried.append((-curve[-1] if watched == "auc" else curve[-1], len(curve), setting))
    _, rounds, setting = min(tried, key=lambda one: one[0])
    of_seed = lambda setting, rounds, seed: score(job.metric, test_y, classes, lightgbm.train(
        base | setting | {"seed": seed}, fresh(), rounds).predict(named(test_x)))
    seeds = [of_seed(setting, rounds, seed) for seed in range(1, n_seeds + 1)]
    pieces = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), make_column_selector(dtype_include="number")),
        (OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), make_column_selector(dtype_include="category")))
    if job.metric == "rmse":
        model, grid, scoring = Ridge(), {"ridge__alpha": [1, 10, 100, 1_000]}, "neg_root_mean_squared_error"
    else:
        model, grid, scoring = LogisticRegression(max_iter=1_000), {"logisticregression__C": [0.001, 0.01, 0.1, 1]}, job.metric
    linear = GridSearchCV(make_pipeline(pieces, model), grid, scoring=scoring, cv=folds, n_jobs=2).fit(x, y)
    found = linear.predict(test_x) if job.metric == "rmse" else linear.predict_proba(test_x)
    scores = {"LightGBM": statistics.mean(seeds), "spread": statistics.pstdev(seeds), "rounds": rounds, "setting": setting,
              "LightGBM, defaults": of_seed({}, 100, 1), "linear": score(job.metric, test_y, classes, found)}
    if job.target == "next":
        scores |= {f"Markov {order}, with back-off": markov(events, (entities, y), test, job, order) for order in (1, 2, 3)}
    return scores | {"rows": [len(x), len(test_x)], "columns": x.shape[1], "events": len(events),
                     "mean target": [float(numpy.mean(of if job.metric == "rmse" else of.astype(str) == (job.positive or "end"))) for of in (y, test_y)]}


def markov(events, train, test, job, order):
    """Accuracy of the most frequent event after the longest known end of a beginning, of `order` events at most."""
    whole = events.sort_values([job.entity, job.time], kind="stable").groupby(job.entity)["activity"].agg(list)
    after = collections.defaultdict(collections.Counter)
    ends = lambda seen: [tuple(["start", *seen][-k:]) if k else () for k in range(order, -1, -1)]
    at = collections.Counter()
    for case, following in zip(*train):
        at[case] += 1
        for end in set(ends(whole[case][:at[case]])):
            after[end][following] += 1
    said = [next(after[end].most_common(1)[0][0] for end in ends(whole[case][:seen]) if end in after) for case, seen in zip(test[job.entity], test[job.cutoff])]
    return float(numpy.mean(numpy.array(said) == test[job.target]))


def known(readme, job):
    """Scores of the data set's README."""
    block = re.search(r"```json\n(.*?)```", readme.read_text(), re.S)
    for name, path in job.known.items():
        found = json.loads(block[1])
        for key in path:
            found = found[key]
        yield f"{name} {found:.4f}"


def shown(x, job):
    return "-" if x is None else f"{x:.{2 if job.metric == 'rmse' else 4}f}"


def cell(results, job, model):
    """Means over seeds of the score and its interval, of the seeds that have the member."""
    found = [m["metrics"][job.metric] for result in results for m in result["scoreboard"] if m["model"] == (model or result["chosen"])]
    if not found:
        return "-"
    value, low, high = (shown(statistics.mean(one[key] for one in found), job) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def row(data, out, name, job):
    folder = out / name.split("/")[0]
    results = [json.loads(path.read_text()) for path in sorted((out / "runs" / name.replace("/", "-")).glob("*/result.json"))]
    path = folder / f"peers-{job.target}.json"
    peer = json.loads(path.read_text()) if path.exists() else {}
    chosen = ", ".join(f"{model} {n}" for model, n in collections.Counter(r["chosen"] for r in results).most_common())
    more = [*(f"{key} {shown(value, job)}" for key, value in peer.items() if key.startswith("Markov")), *known(data / name.split("/")[0] / "README.md", job)]
    rows = results[0]["data"]["train"] + results[0]["data"]["validation"] if results else peer.get("rows", ["-"])[0]
    tests = results[0]["data"]["test"] if results else peer.get("rows", ["-"])[-1]
    cells = [name, job.metric.replace("roc_auc", "AUC"), f"{rows}/{tests}", *(cell(results, job, model) for model in MEMBERS.values()),
             f"{cell(results, job, None)} {chosen}".strip(), *(shown(peer.get(key), job) for key in ("LightGBM", "LightGBM, defaults", "linear")),
             "; ".join(more) or "-"]
    return "| " + " | ".join(cells) + " |"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("names", nargs="*")
    p.add_argument("--adit", default="adit")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/histories"))
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--peers", action="store_true")
    p.add_argument("--old", action="store_true")
    a = p.parse_intermixed_args()
    warnings.simplefilter("ignore")
    numpy.seterr(invalid="ignore", divide="ignore")
    head = ["data", "score", "rows train/test", *MEMBERS, "recommended", "LightGBM", "LightGBM, defaults", "linear", "others, and the data's README"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    for name in a.names or JOBS:
        job, folder = JOBS[name], a.out / name.split("/")[0]
        if not a.old:
            prepare(a.data, folder, folder.name)
            path = folder / f"peers-{job.target}.json"
            if not path.exists():
                path.write_text(json.dumps(peers(folder, job, 5), indent=1))
        for seed in range(1, 0 if a.old or a.peers else a.seeds + 1):
            line = job.command(a.adit, folder, seed, a.out / "runs" / name.replace("/", "-") / str(seed))
            print("$", shlex.join(line), file=sys.stderr, flush=True)
            if subprocess.run(line, stdout=subprocess.DEVNULL).returncode != 0:
                print(f"{name}, seed {seed}: failed", file=sys.stderr, flush=True)
        print(row(a.data, a.out, name, job), flush=True)


main()
