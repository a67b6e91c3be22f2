"""Records what scikit-learn finds by k-means in generated points.

    python tests/reference/clusters_sklearn.py

Writes kmeans.json into crates/adit/tests/golden/clusters. Points are f32 values; scikit-learn computes with them in f64.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans

OUT = Path(__file__).resolve().parents[2] / "crates/adit/tests/golden/clusters"
rng = np.random.default_rng(11)


def f32(values, decimals=3):
    """Few digits, so that the files stay short."""
    return np.round(values, decimals).astype(np.float32)


def written(values):
    """The shortest decimals that read back as the same f32."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32).ravel()]


def blobs(counts, centers, spreads):
    parts = [
        center + spread * rng.normal(size=(count, len(center)))
        for count, center, spread in zip(counts, centers, spreads)
    ]
    points = np.concatenate(parts)
    return points[rng.permutation(len(points))]


def kmeans_case(name, points, k):
    model = KMeans(n_clusters=k, n_init=10, random_state=0).fit(points.astype(np.float64))
    return {
        "name": name,
        "width": points.shape[1],
        "points": written(points),
        "k": k,
        "inertia": float(model.inertia_),
        "centers": model.cluster_centers_.ravel().tolist(),
        "labels": model.labels_.tolist(),
    }


separated = f32(blobs([50, 40, 30, 20], rng.uniform(-8, 8, (4, 3)), [0.5, 0.4, 0.6, 0.3]))
far = f32(1e4 + blobs([60, 50, 40], 4 * rng.normal(size=(3, 4)), [0.4, 0.3, 0.5]))
overlapping = f32(blobs([90, 80, 70, 60], 2 * rng.normal(size=(4, 5)), [1.0, 1.2, 0.8, 1.0]))
even = f32(rng.uniform(size=(400, 2)))
kmeans = {
    "scikit_learn": sklearn.__version__,
    "cases": [
        kmeans_case("separated", separated, 4),
        kmeans_case("far from 0", far, 3),
        kmeans_case("overlapping", overlapping, 4),
        kmeans_case("even", even, 7),
    ],
}

OUT.mkdir(parents=True, exist_ok=True)
(OUT / "kmeans.json").write_text(json.dumps(kmeans) + "\n")
