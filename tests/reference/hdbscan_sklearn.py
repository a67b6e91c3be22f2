"""Records clusters of scikit-learn's HDBSCAN, and predictions of the package hdbscan, for generated points.

    python tests/reference/hdbscan_sklearn.py   (needs scikit-learn, hdbscan)

Many mutual reachability distances equal a core distance, and scikit-learn leaves the order of those to its sort, so that its
labels depend on the order of the rows. The labels recorded here are what scikit-learn's own tree code makes of the minimum
spanning tree in which ties go to the shorter distance. `plain` tells whether `HDBSCAN().fit` finds the same, whatever the order
of the rows.
"""

import json
import pathlib

import numpy as np
from hdbscan.plots import CondensedTree
from hdbscan.prediction import PredictionData, _find_cluster_and_probability
from sklearn.cluster import HDBSCAN
from sklearn.cluster._hdbscan._linkage import MST_edge_dtype, make_single_linkage
from sklearn.cluster._hdbscan._tree import _condense_tree, tree_to_labels
from sklearn.metrics import adjusted_rand_score

OUT = pathlib.Path(__file__).parents[2] / "crates/adit/tests/golden/clusters/hdbscan_sklearn.json"
rng = np.random.default_rng(11)


def rounded(x):
    return np.round(np.asarray(x, dtype=np.float64), 3).astype(np.float32)


def blobs(n, d, spreads, noise):
    centres = rng.uniform(-4, 4, (len(spreads), d))
    which = rng.integers(0, len(spreads), n - noise)
    x = centres[which] + rng.normal(size=(n - noise, d)) * np.asarray(spreads)[which][:, None]
    return rounded(rng.permutation(np.vstack([x, rng.uniform(-6, 6, (noise, d))])))


def moons(n):
    t = rng.uniform(0, np.pi, n)
    upper = rng.random(n) < 0.5
    x = np.where(upper, np.cos(t), 1 - np.cos(t))
    y = np.where(upper, np.sin(t), 0.5 - np.sin(t))
    return rounded(np.stack([x, y], 1) + rng.normal(size=(n, 2)) * 0.08)


def spanning(x, min_samples):
    """Distances, core distances and the edges of the minimum spanning tree, ties going to the shorter distance."""
    x = x.astype(np.float64)
    d = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    core = np.sort(d, 1)[:, min_samples - 1]
    w = np.maximum(d, np.maximum(core[:, None], core[None]))
    a, b = np.triu_indices(len(x), 1)
    order = np.lexsort((d[a, b], w[a, b]))
    group, edges = np.arange(len(x)), []
    for at in order:
        i, j = a[at], b[at]
        if group[i] != group[j]:
            edges.append((i, j, w[i, j]))
            group[group == group[j]] = group[i]
            if len(edges) == len(x) - 1:
                break
    return core, np.array(edges, dtype=MST_edge_dtype)


def fit(x, settings):
    core, edges = spanning(x, settings["min_samples"])
    linkage = make_single_linkage(edges)
    labels, probabilities = tree_to_labels(
        linkage,
        settings["min_cluster_size"],
        settings["selection"],
        settings["allow_single_cluster"],
    )
    return core, linkage, labels, probabilities


def plain(x, settings, labels):
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(x))
        for algorithm in ("kd_tree", "brute"):
            model = HDBSCAN(
                min_cluster_size=settings["min_cluster_size"],
                min_samples=settings["min_samples"],
                cluster_selection_method=settings["selection"],
                allow_single_cluster=settings["allow_single_cluster"],
                algorithm=algorithm,
                copy=True,
            ).fit(x[order])
            if adjusted_rand_score(labels[order], model.labels_) < 1:
                return False
    return True


def cluster_of(raw, rows):
    """The deepest cluster of a condensed tree that holds all of some rows."""
    parents = dict(zip(raw["child"].tolist(), raw["parent"].tolist()))
    shared = None
    for row in rows.tolist():
        way = []
        while row in parents:
            row = parents[row]
            way.append(row)
        shared = way if shared is None else [cluster for cluster in shared if cluster in way]
    return shared[0]


def predictions(x, new, settings, linkage, known_labels):
    """As `approximate_predict`, with the convention that a row counts among its own `min_samples`."""
    condensed = _condense_tree(linkage, settings["min_cluster_size"])
    raw = np.empty(
        len(condensed),
        dtype=[("parent", np.intp), ("child", np.intp), ("lambda_val", float), ("child_size", np.intp)],
    )
    for name, own in zip(raw.dtype.names, ("parent", "child", "value", "cluster_size")):
        raw[name] = condensed[own]
    tree = CondensedTree(raw, known_labels)
    # The package's own way misses clusters that no row leaves before they part.
    tree._select_clusters = lambda: [cluster_of(raw, np.flatnonzero(known_labels == k)) for k in range(known_labels.max() + 1)]
    n = settings["min_samples"]
    data = PredictionData(x.astype(np.float64), tree, n)
    distances, indices = data.tree.query(new.astype(np.float64), k=2 * n)
    labels, probabilities = [], []
    for row in range(len(new)):
        label, probability, _ = _find_cluster_and_probability(
            tree, data.cluster_tree, indices[row], distances[row], data.core_distances, data.cluster_map,
            data.max_lambdas, n - 1,
        )
        labels.append(int(label))
        probabilities.append(round(float(probability), 6))
    return labels, probabilities


SETS = {
    "moons": (moons(160), moons(40)),
    "plane": (blobs(300, 2, [0.3, 0.3, 0.6, 1.0, 0.1], 30), blobs(60, 2, [0.5, 2.0], 20)),
    "eight": (blobs(220, 8, [0.4, 0.6, 1.0, 0.2], 20), blobs(30, 8, [2.0, 3.0], 10)),
    "noise": (rounded(rng.uniform(0, 1, (120, 3))), rounded(rng.uniform(0, 1, (20, 3)))),
}
CASES = [
    (5, 1, "eom", False),
    (5, 2, "eom", False),
    (5, 5, "eom", False),
    (10, 3, "eom", False),
    (4, 15, "eom", False),
    (15, 5, "leaf", False),
    (5, 4, "leaf", True),
    (8, 8, "eom", True),
    (60, 5, "eom", True),
]

sets, agreed, total = [], 0, 0
for name, (x, new) in SETS.items():
    cases = []
    for size, samples, selection, single in CASES:
        settings = {
            "min_cluster_size": size,
            "min_samples": samples,
            "selection": selection,
            "allow_single_cluster": single,
        }
        core, linkage, labels, probabilities = fit(x, settings)
        case = settings | {
            "labels": labels.tolist(),
            "probabilities": [round(p, 6) for p in probabilities.tolist()],
            "core": round(float(core.sum()), 9),
            "plain": plain(x, settings, labels),
        }
        total += 1
        agreed += case["plain"]
        if selection == "eom" and not single and labels.max() > 0:
            case["new_labels"], case["new_probabilities"] = predictions(x, new, settings, linkage, labels)
        cases.append(case)
    sets.append(
        {
            "name": name,
            "width": x.shape[1],
            "values": [float(v) for v in x.ravel().astype(str)],
            "new": [float(v) for v in new.ravel().astype(str)],
            "cases": cases,
        }
    )
assert agreed * 3 > total, f"scikit-learn agrees with itself on {agreed} of {total}"
text = json.dumps({"sets": sets}, separators=(",", ":"))
OUT.write_text(text.replace('},{"', '},\n{"'))
print(f"{agreed} of {total} plain; {OUT.stat().st_size} bytes")
