"""Records what scikit-learn finds by k-means and by mixtures of normal distributions in generated points.

    python tests/reference/clusters_sklearn.py

Writes kmeans.json and mixture.json into crates/adit/tests/golden/clusters. Points are f32 values written as f64;
scikit-learn computes with them in f64.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

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


class FromLabels(GaussianMixture):
    """Starts from given clusters instead of those of k-means."""

    labels = None

    def _initialize_parameters(self, X, random_state, xp=None):
        self._initialize(X, np.eye(self.n_components)[self.labels])


def mixture_case(points, labels, covariance):
    points = points.astype(np.float64)
    model = FromLabels(n_components=int(labels.max()) + 1, covariance_type=covariance)
    model.labels = labels
    model.fit(points)
    return {
        "covariance": {"diag": "diagonal"}.get(covariance, covariance),
        "weights": model.weights_.tolist(),
        "means": model.means_.ravel().tolist(),
        "precisions": model.precisions_cholesky_.ravel().tolist(),
        "log_likelihood": float(model.score(points)),
        "n_iterations": int(model.n_iter_),
        "converged": bool(model.converged_),
        "bic": float(model.bic(points)),
        "n_parameters": int(model._n_parameters()),
        "labels": model.predict(points).tolist(),
        "log_density": model.score_samples(points[:10]).tolist(),
        "responsibilities": model.predict_proba(points[:10]).ravel().tolist(),
    }


shapes = rng.normal(size=(3, 3, 3)) * np.array([1.2, 0.6, 0.3])
clouds = np.concatenate(
    [
        rng.normal(size=(count, 3)) @ shape + center
        for count, shape, center in zip([120, 80, 50], shapes, 2.5 * rng.normal(size=(3, 3)))
    ]
)
clouds = f32(clouds[rng.permutation(len(clouds))])
first = KMeans(n_clusters=3, n_init=1, random_state=1).fit(clouds.astype(np.float64)).labels_
mixture = {
    "scikit_learn": sklearn.__version__,
    "width": 3,
    "points": written(clouds),
    "first": first.tolist(),
    "cases": [
        mixture_case(clouds, first, covariance)
        for covariance in ("full", "tied", "diag", "spherical")
    ],
}

OUT.mkdir(parents=True, exist_ok=True)
for name, record in (("kmeans", kmeans), ("mixture", mixture)):
    (OUT / f"{name}.json").write_text(json.dumps(record) + "\n")
