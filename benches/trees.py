"""Boosted trees beside LightGBM with its defaults, on the same rows, in one run.

usage: trees.py [DATA_FOLDER] [--adit BIN] [--rows N ...] [--columns N] [--rounds N]

With DATA_FOLDER, every shared table: score on the test rows and training time of `adit bench trees` (LightGBM's settings,
no early stopping) and of LightGBM. With --rows, tables are drawn and both are timed in turn; medians are shown.
"""
import argparse, gzip, json, pathlib, statistics, subprocess, tempfile, time

import lightgbm, pandas
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

import scoreboards_jobs as jobs
from drawn import drawn


def peer(train, test, target, task, threads=2):
    frames = [pandas.read_csv(p) for p in (train, test)]
    whole = pandas.concat(frames, keys=[0, 1])
    for name in whole.columns:
        if name != target and not pandas.api.types.is_numeric_dtype(whole[name]):
            number = pandas.to_numeric(whole[name], errors="coerce")
            whole[name] = number if number.notna().mean() > .9 else whole[name].astype("category")
    x, y = whole.drop(columns=[target]), whole[target]
    # LightGBM takes no brackets in names.
    x.columns = [f"c{i}" for i in range(x.shape[1])]
    kind = lightgbm.LGBMRegressor if task == "regress" else lightgbm.LGBMClassifier
    model = kind(n_jobs=threads, verbose=-1)
    started = time.perf_counter()
    model.fit(x.loc[0], y.loc[0])
    seconds = time.perf_counter() - started
    truth = y.loc[1]
    if task == "regress":
        return seconds, r2_score(truth, model.predict(x.loc[1]))
    if truth.nunique() == 2:
        return seconds, roc_auc_score(truth == model.classes_[1], model.predict_proba(x.loc[1])[:, 1])
    return seconds, accuracy_score(truth, model.predict(x.loc[1]))


def ours(adit, train, test, target, task, roles=()):
    line = [adit, "bench", "trees", str(train), "--test", str(test), "--target", target, "--task", task, "--json", "--quiet"]
    for role in roles:
        line += ["--role", role]
    out = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    return out["seconds"], out["score"], out["predict_rows_per_second"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path, nargs="?")
    p.add_argument("--adit", default="adit")
    p.add_argument("--rows", type=int, nargs="*", default=[])
    p.add_argument("--columns", type=int, default=50)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    if a.data:
        print("| data | LightGBM | ours | difference | LightGBM s | ours s |\n|---|---|---|---|---|---|")
        differences = []
        for name, (task, target, flags) in jobs.TABLES.items():
            folder = a.data / name
            roles = [flags[i + 1] for i, f in enumerate(flags) if f == "--role"]
            train, test = jobs.part(folder, "train"), jobs.part(folder, "test")
            with tempfile.TemporaryDirectory() as out:
                out = pathlib.Path(out)
                drop = [r.split("=")[0] for r in roles if r.endswith("=ignore")]
                for part, path in (("train", train), ("test", test)):
                    pandas.read_csv(path).drop(columns=drop).to_csv(out / f"{part}.csv", index=False)
                seconds, score = peer(out / "train.csv", out / "test.csv", target, task)
                own_seconds, own, _ = ours(a.adit, out / "train.csv", out / "test.csv", target, task)
            differences.append(own - score)
            print(f"| {name} | {score:.4f} | {own:.4f} | {own - score:+.4f} | {seconds:.2f} | {own_seconds:.2f} |", flush=True)
        print(f"mean difference {statistics.mean(differences):+.4f}")
    for rows in a.rows:
        with tempfile.TemporaryDirectory() as out:
            train, test = drawn(pathlib.Path(out), rows, a.columns)
            found = [(peer(train, test, "y", "classify"), ours(a.adit, train, test, "y", "classify")) for _ in range(a.rounds)]
        middle = lambda values: statistics.median(values)
        print(f"{rows} x {a.columns}: LightGBM {middle(f[0][0] for f in found):.2f} s (AUC {found[0][0][1]:.4f}), "
              f"ours {middle(f[1][0] for f in found):.2f} s (AUC {found[0][1][1]:.4f}), "
              f"predicts {middle(f[1][2] for f in found):,.0f} rows a second", flush=True)


main()
