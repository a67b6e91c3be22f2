"""Records what pandas says about a few data sets, for crates/adit/src/source/tests/profiles.rs.

Run: ADIT_DATA=DIR python tests/reference/profile_pandas.py > tests/reference/profile_pandas.json
"""

import json
import os
import sys

import pandas as pd

FILES = [
    "tab_california_housing/train.csv",
    "health_breast_cancer_wdbc/train.csv",
    "man_ai4i2020/test.csv",
    "fin_credit_card_default/train.csv.gz",
    "text_sst2/val.csv",
]
# Adit's missing tokens; pandas knows some others as well.
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "Null", "null", "nil", "NaN",
           "nan", "NAN", "-NaN", "-nan", "?", "None", "none", "NONE", "#N/A N/A"]

answers = {}
for name in FILES:
    frame = pd.read_csv(os.path.join(os.environ["ADIT_DATA"], name), keep_default_na=False,
                        na_values=MISSING)
    columns = answers[name] = {}
    for column in frame.columns:
        values = frame[column]
        said = {"rows": len(values), "missing": int(values.isna().sum()),
                "distinct": int(values.nunique())}
        if pd.api.types.is_numeric_dtype(values):
            said |= {"mean": float(values.mean()), "std": float(values.std()),
                     "min": float(values.min()), "max": float(values.max())}
            for p in [0.05, 0.25, 0.5, 0.75, 0.95]:
                said[f"q{p}"] = float(values.quantile(p))
        columns[column] = said
json.dump(answers, sys.stdout, indent=1, sort_keys=True)
print()
