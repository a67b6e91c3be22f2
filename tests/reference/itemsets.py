"""Records how many frequent, closed and maximal sets PyFIM finds, by size: itemsets.json, which tests/patterns.rs reads.

usage: itemsets.py DATA_FOLDER   (needs pyfim; DATA_FOLDER holds rules_groceries, rules_chess, …)
"""
import collections, gzip, json, pathlib, sys

import fim

data = pathlib.Path(sys.argv[1])
CASES = [("rules_groceries/transactions.csv", 99), ("rules_groceries/transactions.csv", 10),
         ("rules_retail_belgium/transactions.dat.gz", 882), ("rules_retail_belgium/transactions.dat.gz", 177),
         ("rules_t10i4d100k/transactions.dat.gz", 1000), ("rules_t10i4d100k/transactions.dat.gz", 200),
         ("rules_chess/transactions.dat.gz", 2557), ("rules_chess/transactions.dat.gz", 1918),
         ("rules_kosarak25k/transactions.dat.gz", 250), ("rules_kosarak25k/transactions.dat.gz", 100)]
found = []
for name, count in CASES:
    path = data / name
    with (gzip.open(path, "rt") if path.suffix == ".gz" else open(path)) as f:
        between = "," if ".csv" in name else None
        baskets = [[i.strip() for i in line.split(between) if i.strip()] for line in f if line.strip()]
    sizes = {}
    for kind, target in (("itemsets", "s"), ("closed", "c"), ("maximal", "m")):
        n = collections.Counter(len(s[0]) for s in fim.fpgrowth(baskets, target=target, supp=-count, zmin=1, report="a"))
        sizes[kind] = [n[k] for k in range(1, max(n, default=0) + 1)]
    found.append({"file": name, "count": count, **sizes})
pathlib.Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(json.dumps(c) for c in found) + "\n]\n")
