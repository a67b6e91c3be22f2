"""Records one-sided p-values of Fisher's exact test: fisher.json, which the tests of `mine::rules` read.

The values are sums of 50 digits. SciPy's are within 1e-9 of them up to a million baskets; its logarithms of factorials lose
more beyond, which is why they are not what is recorded.

usage: fisher.py   (needs mpmath, scipy)
"""
import json, pathlib, random

import mpmath
from scipy.stats import hypergeom

mpmath.mp.dps = 50
random.seed(1)


def ln_choose(n, k):
    return mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)


def exact(n, one, other, both):
    term = mpmath.exp(ln_choose(one, both) + ln_choose(n - one, other - both) - ln_choose(n, other))
    total, k = mpmath.mpf(0), both
    while k <= min(one, other) and (total == 0 or term > total * mpmath.mpf(10) ** -25):
        total += term
        term = term * (one - k) * (other - k) / ((k + 1) * (n - one - other + k + 1))
        k += 1
    return float(total)


tables, furthest = [], 0
for n in (10, 57, 1_000, 9_835, 88_162, 1_000_000, 10_000_000):
    for _ in range(60):
        one = random.choice([random.randint(1, n), random.randint(1, max(1, n // 50))])
        other = random.choice([random.randint(1, n), random.randint(1, max(1, n // 50))])
        least, most = max(0, one + other - n), min(one, other)
        mean = one * other / n
        spread = (mean * (1 - one / n) * (1 - other / n)) ** 0.5
        both = min(most, max(least, round(mean + random.uniform(-2, 12) * spread)))
        p = exact(n, one, other, both)
        if p > 1e-250:
            tables.append([n, one, other, both, p])
            if n <= 1_000_000:
                furthest = max(furthest, abs(hypergeom.sf(both - 1, n, one, other) - p) / p)
print(f"{len(tables)} tables; up to a million baskets SciPy is within {furthest:.1e}")
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(tables).replace("], [", "],\n["))
