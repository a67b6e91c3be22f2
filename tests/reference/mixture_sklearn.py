"""Records Gaussian mixtures of scikit-learn, started from given labels, for generated points.

    python tests/reference/mixture_sklearn.py   (needs scikit-learn)

The labels are the components that the points were drawn from, one in four of them at random.
"""

import json
import pathlib

import numpy as np
from sklearn.mixture import GaussianMixture

OUT = pathlib.Path(__file__).parents[2] / "crates/adit/tests/golden/clusters/mixture.json"
rng = np.random.default_rng(5)


class Started(GaussianMixture):
    """Starts from labels, by scikit-learn's own first step from responsibilities."""

    def _initialize_parameters(self, X, random_state, xp=None):
        self._initialize(X, np.eye(self.n_components)[self.start])


def points(n, width, apart):
    means = rng.normal(size=(3, width)) * apart
    mixing = rng.normal(size=(3, width, width)) * 0.6 + np.eye(width)
    which = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    x = means[which] + np.einsum("nij,nj->ni", mixing[which], rng.normal(size=(n, width)))
    start = np.where(rng.random(n) < 0.25, rng.integers(0, 3, n), which)
    return np.round(x, 3).astype(np.float32), start


def fitted(x, start, covariance, tolerance):
    model = Started(3, covariance_type=covariance, tol=tolerance, max_iter=500)
    model.start = start
    labels = model.fit_predict(x.astype(np.float64))
    assert model.converged_
    return {
        "covariance": covariance,
        "tolerance": tolerance,
        "n_iterations": model.n_iter_,
        "weights": model.weights_.tolist(),
        "means": model.means_.ravel().tolist(),
        "covariances": model.covariances_.ravel().tolist(),
        "lower_bound": model.lower_bound_,
        "labels": labels.tolist(),
        "bic": model.bic(x.astype(np.float64)),
        "log_density": model.score_samples(x[:20].astype(np.float64)).tolist(),
    }


sets = []
for n, width, apart in [(150, 2, 2.5), (200, 5, 1.5)]:
    x, start = points(n, width, apart)
    runs = [
        fitted(x, start, covariance, tolerance)
        for covariance in ("full", "tied", "diag", "spherical")
        for tolerance in (1e-3, 1e-6)
    ]
    values = [float(str(v)) for v in x.ravel()]
    sets.append({"width": width, "points": values, "start": start.tolist(), "runs": runs})
OUT.write_text(json.dumps({"sets": sets}, separators=(",", ":")) + "\n")
