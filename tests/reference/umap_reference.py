"""Records how far pictures by umap-learn can be trusted, and the curves that it fits, for the tests of mine/layout.

usage: umap_reference.py FILE   (needs umap-learn 0.5.12; FILE is crates/adit/tests/golden/clusters/umap.json)
"""
import json, pathlib, sys

import numpy as np
import umap
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from umap.umap_ import find_ab_params

K = 15


def clusters(rng):
    """Twelve clusters of unequal size and width in 12 dimensions, in three groups."""
    groups = rng.normal(0, 6, (3, 12))
    rows = []
    for c in range(12):
        centre = groups[c % 3] + rng.normal(0, 2.5, 12)
        rows.append(centre + rng.normal(0, 0.5 + 0.1 * (c % 5), (20 + 10 * (c % 6), 12)))
    return np.concatenate(rows)


def loops(rng):
    """Three knotted loops in 8 dimensions, with noise: no two directions show them."""
    rows = []
    for c in range(3):
        t = rng.uniform(0, 2 * np.pi, 150)
        turns = np.stack([np.sin(t), np.cos(t), np.sin(2 * t), np.cos(2 * t), np.sin(3 * t)], 1)
        rows.append(turns @ rng.normal(0, 1.2, (5, 8)) + rng.normal(0, 1, 8) + rng.normal(0, 0.1, (150, 8)))
    return np.concatenate(rows)


def picture(x, init, seed):
    # umap-learn counts a point among its own neighbours.
    model = umap.UMAP(n_neighbors=K + 1, init=init, random_state=seed, n_jobs=1)
    return trustworthiness(x, model.fit_transform(x), n_neighbors=K)


found = {"made_by": f"umap-learn {umap.__version__}", "k": K, "sets": [], "curves": []}
for name, draw in (("clusters", clusters), ("loops", loops)):
    x = np.round(draw(np.random.default_rng(7)), 2).astype(np.float32)
    found["sets"].append({
        "name": name,
        "width": x.shape[1],
        "pca": trustworthiness(x, PCA(2, svd_solver="full").fit_transform(x), n_neighbors=K),
        "umap_pca": [picture(x, "pca", seed) for seed in range(5)],
        "umap_spectral": [picture(x, "spectral", seed) for seed in range(5)],
        "points": [round(float(v), 2) for v in x.ravel()],
    })
for min_dist, spread in ((0.1, 1.0), (0.0, 1.0), (0.5, 1.0), (0.99, 1.0), (0.25, 2.0)):
    a, b = find_ab_params(spread, min_dist)
    found["curves"].append({"min_dist": min_dist, "spread": spread, "a": a, "b": b})
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(found, separators=(",", ":")) + "\n")
