"""Records what scikit-learn computes for generated tables and texts.

    python tests/reference/linear.py > tests/reference/linear.json
"""

import json

import numpy as np
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

rng = np.random.default_rng(5)


def rounded(values):
    return np.asarray(values, dtype=np.float64).tolist()


n, p = 90, 6
x = rng.normal(size=(n, p)).astype(np.float32)
x[rng.random((n, p)) < 0.3] = 0.0
x[:, 4] = (x[:, 4] > 0.2).astype(np.float32)
hidden = rng.normal(size=(p, 3))
three = (x @ hidden + rng.gumbel(size=(n, 3))).argmax(1)
two = (three > 0).astype(int)
number = 40.0 + 12.0 * (x @ hidden[:, 0]) + rng.normal(size=n)

cases = []
for target, labels in (("two", two), ("three", three)):
    for penalty in (0.05, 1.0, 30.0):
        for weight in (None, "balanced"):
            model = LogisticRegression(
                C=1.0 / penalty, tol=1e-12, max_iter=100_000, class_weight=weight
            ).fit(x.astype(np.float64), labels)
            cases.append(
                {
                    "target": target,
                    "penalty": penalty,
                    "balanced": weight is not None,
                    "coefficients": rounded(model.coef_),
                    "intercepts": rounded(model.intercept_),
                    "predictions": rounded(model.predict_proba(x.astype(np.float64))),
                }
            )
for penalty in (0.05, 1.0, 30.0):
    model = Ridge(alpha=penalty, solver="cholesky").fit(x.astype(np.float64), number)
    cases.append(
        {
            "target": "number",
            "penalty": penalty,
            "balanced": False,
            "coefficients": rounded([model.coef_]),
            "intercepts": rounded([model.intercept_]),
            "predictions": rounded(model.predict(x.astype(np.float64))),
        }
    )

texts = [
    "The pump stopped; the pump's seal had failed.",
    "Seal failed again, pump stopped for 3 hours",
    "ÄRGER mit der Pumpe: die Dichtung ist undicht",
    "",
    "насос остановился, насос течёт",
    "a I x_1 x_1 snake_case words and the the the the seal",
    "No failure today. The pump runs, the seal holds.",
]
unseen = ["the seal of the new pump failed", "nothing known here at all", "насос the насос"]
vocabularies = []
for bigrams, sublinear, min_df, max_features in (
    (True, False, 1, None),
    (True, True, 1, None),
    (True, True, 2, None),
    (False, False, 1, 2),
):
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2 if bigrams else 1),
        sublinear_tf=sublinear,
        min_df=min_df,
        max_features=max_features,
    ).fit(texts)
    vocabularies.append(
        {
            "bigrams": bigrams,
            "sublinear": sublinear,
            "min_df": min_df,
            "max_features": max_features,
            "terms": vectorizer.get_feature_names_out().tolist(),
            "idf": rounded(vectorizer.idf_),
            "weights": rounded(vectorizer.transform(texts + unseen).toarray()),
        }
    )

print(
    json.dumps(
        {
            "scikit_learn": sklearn.__version__,
            "features": rounded(x),
            "two": two.tolist(),
            "three": three.tolist(),
            "number": rounded(number),
            "cases": cases,
            "texts": texts,
            "unseen": unseen,
            "vocabularies": vocabularies,
        },
        ensure_ascii=False,
    )
)
