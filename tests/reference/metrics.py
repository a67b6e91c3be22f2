"""Records what scikit-learn says of metrics, for crates/adit/src/explain/metrics/tests.rs.

Run from this folder: python metrics.py > metrics.json (written with scikit-learn 1.9.1, numpy 2).
Probabilities are f32 values held as f64, as Adit holds them. Metrics that Adit leaves out because the
rows leave them undefined are left out here by the same rule, not by scikit-learn's value for them.
"""

import json
import warnings

import numpy as np
import sklearn.metrics as m

warnings.simplefilter("ignore")


def f32(values):
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return f32(powers / powers.sum(axis=1, keepdims=True))


def macro(score, truth, chances):
    """Mean of one-against-rest over the classes that are true somewhere but not everywhere."""
    ranked = [c for c in range(chances.shape[1]) if 0 < (truth == c).sum() < len(truth)]
    return float(np.mean([score(truth == c, chances[:, c]) for c in ranked])) if ranked else None


def classes(name, truth, chances, positive=None, threshold=None):
    truth = np.asarray(truth)
    n_classes = chances.shape[1]
    labels = list(range(n_classes))
    target = (1 if positive is None else positive) if n_classes == 2 else None
    decided = chances.argmax(axis=1)
    if threshold is not None:
        decided = np.where(chances[:, target] >= threshold, target, 1 - target)
    is_one_class = len(set(truth.tolist())) == 1
    average = dict(average="macro", zero_division=0)
    found = {
        "accuracy": m.accuracy_score(truth, decided),
        "balanced_accuracy": m.balanced_accuracy_score(truth, decided),
        "precision_macro": m.precision_score(truth, decided, **average),
        "recall_macro": m.recall_score(truth, decided, **average),
        "f1_macro": m.f1_score(truth, decided, **average),
        "f1_micro": m.f1_score(truth, decided, average="micro"),
        "mcc": None if is_one_class else m.matthews_corrcoef(truth, decided),
        "log_loss": m.log_loss(truth, chances, labels=labels),
    }
    if target is None:
        found["roc_auc"] = macro(m.roc_auc_score, truth, chances)
        found["average_precision"] = macro(m.average_precision_score, truth, chances)
        found["brier"] = m.brier_score_loss(truth, chances, labels=labels, scale_by_half=False)
        if len(set(truth.tolist())) == n_classes:
            # The rule above is scikit-learn's own where no class is absent.
            whole = chances / chances.sum(axis=1, keepdims=True)
            own = m.roc_auc_score(truth, whole, multi_class="ovr", average="macro")
            assert abs(own - found["roc_auc"]) < 1e-6
    else:
        is_positive = (truth == target).astype(int)
        scores = chances[:, target]
        found["brier"] = m.brier_score_loss(is_positive, scores, pos_label=1)
        if not is_one_class:
            found["roc_auc"] = m.roc_auc_score(is_positive, scores)
            found["average_precision"] = m.average_precision_score(is_positive, scores)
        if is_positive.any():
            binary = dict(pos_label=1, zero_division=0)
            is_decided = (decided == target).astype(int)
            found["precision"] = m.precision_score(is_positive, is_decided, **binary)
            found["recall"] = m.recall_score(is_positive, is_decided, **binary)
            found["f1"] = m.f1_score(is_positive, is_decided, **binary)
    return {
        "name": name,
        "n_classes": n_classes,
        "positive": positive,
        "threshold": threshold,
        "truth": truth.tolist(),
        "predicted": chances.ravel().tolist(),
        "metrics": {key: float(value) for key, value in found.items() if value is not None},
    }


def numbers(name, truth, predicted):
    truth, predicted = np.asarray(truth, float), np.asarray(predicted, float)
    found = {
        "rmse": m.root_mean_squared_error(truth, predicted),
        "mae": m.mean_absolute_error(truth, predicted),
    }
    if len(set(truth.tolist())) > 1:
        found["r2"] = m.r2_score(truth, predicted)
    return {
        "name": name,
        "n_classes": None,
        "positive": None,
        "threshold": None,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "metrics": {key: float(value) for key, value in found.items()},
    }


def two(scores):
    scores = f32(scores)
    return np.stack([f32(1 - scores), scores], axis=1)


def cases():
    rng = np.random.default_rng(20)
    truth = rng.integers(0, 2, 60)
    scores = np.clip(0.3 * truth + rng.random(60) * 0.7, 0, 1)
    yield classes("two classes", truth, two(scores))
    yield classes("two classes, ties", truth, two(np.round(scores, 1)))
    yield classes("two classes, first is positive", truth, two(np.round(scores, 1)), positive=0)
    yield classes("two classes, threshold", truth, two(scores), threshold=0.35)
    yield classes("two classes, threshold on the first", truth, two(np.round(scores, 1)), positive=0, threshold=0.5)
    yield classes("two classes, nothing decided positive", truth, two(scores * 0.4))
    yield classes("two classes, one answer", truth, two(np.full(60, 0.25)))
    yield classes("two classes, only positives", np.ones(10, int), two(scores[:10]))
    yield classes("two classes, only negatives", np.zeros(10, int), two(scores[:10]))
    yield classes("two classes, sure and wrong", truth[:20], two(np.where(np.arange(20) % 3 == 0, 1 - truth[:20], truth[:20])))
    yield classes("two classes, perfect", truth[:20], two(np.where(truth[:20] == 1, 0.9, 0.2)))
    yield classes("two classes, rare", np.r_[np.ones(3, int), np.zeros(117, int)], two(rng.random(120)))

    truth = rng.integers(0, 3, 90)
    chances = softmax(rng.normal(size=(90, 3)) + 1.5 * np.eye(3)[truth])
    yield classes("three classes", truth, chances)
    tied = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.4375, 0.4375, 0.125]])
    yield classes("three classes, ties", truth, tied[rng.integers(0, 4, 90)])
    yield classes("three classes, one answer", truth, np.tile([0.25, 0.5, 0.25], (90, 1)))
    yield classes("three classes, one true", np.full(9, 2), softmax(rng.normal(size=(9, 3))))
    truth = rng.choice([0, 2, 4], 80)
    chances = softmax(rng.normal(size=(80, 5)) + 1.2 * np.eye(5)[truth])
    yield classes("five classes, two absent from the truth", truth, chances)
    chances[:, 1] = 0
    yield classes("five classes, one never decided", truth, f32(chances / chances.sum(axis=1, keepdims=True)))
    truth = rng.integers(0, 30, 200)
    yield classes("thirty classes", truth, softmax(rng.normal(size=(200, 30)) + 2.0 * np.eye(30)[truth]))

    truth = rng.normal(size=70) * 3 + 10
    yield numbers("numbers", truth, truth + rng.normal(size=70))
    yield numbers("numbers, far from zero", truth + 1e6, truth + 1e6 + rng.normal(size=70))
    yield numbers("numbers, worse than the mean", truth, 20 - truth)
    yield numbers("numbers, all equal", np.full(8, 0.1), rng.normal(size=8))
    yield numbers("numbers, one row", [2.0], [3.5])


print(json.dumps(list(cases())))
