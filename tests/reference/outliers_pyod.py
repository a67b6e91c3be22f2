"""Records what PyOD says of drawn points: pyod.json, which the tests of `mine::outliers` read.

ECOD and nearest neighbours: scores of the training rows, and of new rows, each asked alone since ECOD counts all rows that
are asked together as one sample. Isolation forest, which is random: the ROC-AUC of tasks, means over ten seeds.

usage: outliers_pyod.py [OUT]     # default crates/adit/tests/golden/outliers; needs pyod, scikit-learn
"""
import json, pathlib, sys

import numpy
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.metrics import roc_auc_score

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "crates/adit/tests/golden/outliers"


def rounded(values, digits=6):
    return numpy.round(numpy.asarray(values, dtype=float), digits).tolist()


def points(random, rows):
    """Columns of many kinds: normal, skewed to either side, with heavy tails, with ties, and one of two values."""
    columns = [random.normal(size=rows), random.lognormal(size=rows), -random.exponential(size=rows),
               random.standard_t(2, size=rows), numpy.round(random.normal(size=rows) * 2) + .5,
               (random.random(rows) < .2).astype(float)]
    # As many digits as are written, so that both sides see the same numbers.
    return numpy.round(numpy.stack(columns, axis=1), 3).astype("float32").astype(float)


def scores(random):
    train, new = points(random, 150), points(random, 20) * 1.5
    ecod = ECOD().fit(train)
    found = {"width": train.shape[1], "train": rounded(train.ravel(), 3), "new": rounded(new.ravel(), 4),
             "ecod_train": rounded(ecod.decision_scores_, 9),
             "ecod_cells": rounded(ecod.O.ravel(), 9)}
    new = numpy.array(found["new"]).reshape(new.shape).astype("float32").astype(float)
    found["ecod_new"] = rounded([ecod.decision_function(row[None])[0] for row in new], 9)
    search = KNN(n_neighbors=10).fit(train).neigh_
    for name, rows in (("train", None), ("new", new)):
        found[f"distances_{name}"] = rounded(search.kneighbors(rows)[0].ravel())
    for method, k in (("largest", 5), ("mean", 10)):
        knn = KNN(n_neighbors=k, method=method).fit(train)
        found[f"knn_{method}_{k}_train"] = rounded(knn.decision_scores_)
        found[f"knn_{method}_{k}_new"] = rounded(knn.decision_function(new))
    return found


def task(random, width, rows, distance):
    """Three clusters, and a tenth of the rows spread around them."""
    centers = random.normal(size=(3, width)) * 4
    normal = centers[random.integers(0, 3, rows)] + random.normal(size=(rows, width))
    strange = random.normal(size=(rows // 10, width)) * distance + normal[: rows // 10]
    x = numpy.round(numpy.concatenate([normal, strange]), 2)
    truth = numpy.repeat([0, 1], [rows, rows // 10])
    found = [roc_auc_score(truth, IForest(random_state=seed).fit(x).decision_scores_) for seed in range(10)]
    return {"width": width, "points": rounded(x.ravel(), 2), "n_normal": rows, "auc": round(float(numpy.mean(found)), 6),
            "deviation": round(float(numpy.std(found)), 6)}


random = numpy.random.default_rng(1)
recorded = scores(random)
recorded["forests"] = [task(random, *of) for of in ((2, 600, 3), (4, 400, 3), (8, 250, 2), (16, 150, 1.5))]
OUT.mkdir(parents=True, exist_ok=True)
text = json.dumps(recorded, separators=(",", ":")).replace('],"', '],\n"')
(OUT / "pyod.json").write_text(text + "\n")
print(len(text), [(forest["auc"], forest["deviation"]) for forest in recorded["forests"]])
