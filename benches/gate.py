"""What the gate raises on data sets where a person knows that nothing gives the target away: one line a finding.

usage: gate.py DATA_FOLDER [--adit BIN] [--out DIR] [NAME ...]

The data sets, targets and flags are those of scoreboards.py, of texts and of molecules with several targets left out. The gate
looks before anything is trained, so models learn as little as can be asked for: their scores mean nothing.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

from scoreboards import command
from scoreboards_jobs import MOLECULES, TABLES

LEAKS = ["copy_of_target", "near_copy_of_target", "filled_after_event", "time_after_cut", "id_encodes_order", "rows_in_train_and_test",
         "near_rows_in_train_and_test"]
LEAST = ["--epochs", "1", "--seeds", "1", "--folds", "1"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("names", nargs="*", default=None)
    p.add_argument("--adit", default="adit")
    p.add_argument("--out", type=pathlib.Path)
    a = p.parse_intermixed_args()
    print("| data | raised | what it says | what was done |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as made:
        out = a.out or pathlib.Path(made)
        for name in a.names or [n for n in [*TABLES, *MOLECULES] if "/" not in n]:
            if subprocess.run([*command(a.adit, a.data, out, name), *LEAST], stdout=subprocess.DEVNULL).returncode != 0:
                print(f"{name}: failed", file=sys.stderr, flush=True)
                continue
            warnings = json.loads((out / name / "result.json").read_text())["warnings"]
            found = [w for w in warnings if w["kind"] in LEAKS]
            for w in found:
                print(f"| {name} | `{w['kind']}` | {w['message']} | {w['action']} |", flush=True)
            if not found:
                print(f"| {name} | – | | |", flush=True)


main()
