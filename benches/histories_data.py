"""The data sets of histories.py: what is asked of each, and its events and labels as files.

Of clv_cdnow no purchase at the cut-off or after it is written. Of man_cmapss_fd001 and events_next_helpdesk later events
of the same entity must stay, for its rows have different cut-offs.
"""
import dataclasses, hashlib

import numpy, pandas


@dataclasses.dataclass
class Job:
    verb: str
    metric: str
    entity: str
    time: str
    target: str
    cutoff: str = None
    positive: str = None
    ignored: tuple = ()
    flags: tuple = ()
    # Scores that the data set's README has: what they are called here, and where they lie in its JSON.
    known: dict = dataclasses.field(default_factory=dict)

    def command(self, adit, folder, seed, out):
        """The command line of one run."""
        line = [adit, self.verb, folder / "events.csv", "--labels", folder / "train_labels.csv", "--test-labels", folder / "test_labels.csv",
                "--entity", self.entity, "--time", self.time, "--target", self.target]
        line += ["--cutoff", self.cutoff] if self.cutoff else []
        line += ["--positive", self.positive] if self.positive else []
        for column in self.ignored:
            line += ["--role", f"{column}=ignore"]
        return [str(part) for part in [*line, *self.flags, "--seed", seed, "--seeds", 1, "--out", out, "--force", "--quiet"]]


CASES = ("classify", "roc_auc", "case_id", "timestamp")
JOBS = {
    "events_sepsis": Job(*CASES, "label", positive="1", ignored=("admitted_ic",),
                         known={"LightGBM on counts": ("lightgbm_bag_of_events_label", "auc")}),
    "events_sepsis/admitted_ic": Job(*CASES, "admitted_ic", positive="1", ignored=("label",),
                                     known={"LightGBM on counts": ("lightgbm_bag_of_events_admitted_ic", "auc")}),
    "events_traffic_fines": Job(*CASES, "label", positive="1", known={"LightGBM on counts": ("lightgbm_bag_of_events_label", "auc")}),
    "events_next_helpdesk": Job("classify", "accuracy", "case", "position", "next", cutoff="seen",
                                known={f"Markov {k}": (f"markov{k}_acc_incl_end",) for k in (1, 2, 3)}),
    "fin_credit_card_default": Job("classify", "roc_auc", "customer", "month", "default", positive="1",
                                   known={"LightGBM, flat": ("lightgbm", "auc"), "CatBoost, flat": ("catboost", "auc")}),
    # The same cut-off in every row would be taken for a column that says nothing.
    "clv_cdnow": Job("classify", "roc_auc", "customer", "date", "any", cutoff="until", positive="yes", flags=("--role", "until=time")),
    "man_cmapss_fd001": Job("regress", "rmse", "engine", "cycle", "remaining", cutoff="until"),
}


def sepsis(folder):
    return tuple(pandas.read_csv(folder / f"{part}.csv", dtype=str) for part in ("events", "train_labels", "test_labels"))


def traffic_fines(folder):
    """Officers and articles are numbered: names, not numbers."""
    events, train, test = sepsis(folder)
    for column, letter in (("resource", "r"), ("article", "a")):
        events[column] = letter + events[column].str.removesuffix(".0")
    return events, train, test


def helpdesk(folder):
    """A row for each beginning of a case. Times of a case coincide, so the order is the event's place in its case."""
    log = pandas.read_csv(folder / "events.csv", parse_dates=["CompleteTimestamp"])
    cases, when = log.groupby("CaseID", sort=False), log["CompleteTimestamp"]
    hours = lambda since: ((when - since).dt.total_seconds() / 3600).round(4)
    names = "case " + log["CaseID"].astype(str)
    activity = "a" + log["ActivityID"].astype(str)
    events = pandas.DataFrame({"case": names, "position": cases.cumcount(), "activity": activity,
                               "hours": hours(cases["CompleteTimestamp"].transform("first")), "gap": hours(cases["CompleteTimestamp"].shift())})
    labels = pandas.DataFrame({"case": names, "seen": cases.cumcount() + 1, "next": activity.groupby(log["CaseID"]).shift(-1).fillna("end")})
    is_train = cases.ngroup() < cases.ngroups * 2 // 3
    return events, labels[is_train], labels[~is_train]


def credit_card(folder):
    """Six months of a customer, the oldest first."""
    parts = [pandas.read_csv(folder / name) for name in ("train.csv.gz", "test.csv")]
    whole = pandas.concat(parts, ignore_index=True)
    whole.insert(0, "customer", [f"c{k}" for k in range(1, len(whole) + 1)])
    months = [pandas.DataFrame({"customer": whole["customer"], "month": 7 - back, "pay": whole[f"PAY_{0 if back == 1 else back}"],
                                "bill": whole[f"BILL_AMT{back}"], "paid": whole[f"PAY_AMT{back}"]}) for back in range(6, 0, -1)]
    events = pandas.concat(months).sort_index(kind="stable")
    labels = whole[["customer", "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE", "default"]]
    return events, labels[:len(parts[0])], labels[len(parts[0]):]


def cdnow(folder):
    """Whether a customer comes back within nine months. A quarter is judged on: MD5 of the Id, modulo 4, is 0."""
    until = "1997-10-01"
    sales = pandas.read_csv(folder / "transactions.csv", dtype={"Id": str})
    back = set(sales.loc[sales["Date"] >= until, "Id"])
    ids = sales["Id"].drop_duplicates()
    labels = pandas.DataFrame({"customer": "c" + ids, "until": until, "any": ["yes" if i in back else "no" for i in ids]})
    is_test = numpy.array([int(hashlib.md5(i.encode()).hexdigest(), 16) % 4 == 0 for i in ids])
    events = sales[sales["Date"] < until].assign(customer="c" + sales["Id"])
    events = events.rename(columns={"Date": "date", "CDs": "discs", "Price": "price"})[["customer", "date", "discs", "price"]]
    return events, labels[~is_test], labels[is_test]


def cmapss(folder):
    """Cycles until failure, at most 125: of an engine to learn from after every tenth cycle from the 30th on and after
    ten drawn ones, of one to be judged on after its last."""
    train, test = (pandas.read_csv(folder / f"{part}.csv.gz") for part in ("train", "test"))
    told = [column for column in train.columns[2:] if train[column].nunique() > 1]
    events = pandas.concat([train.assign(unit="train " + train["unit"].astype(str)), test.assign(unit="test " + test["unit"].astype(str))])
    events = events[["unit", "cycle", *told]].rename(columns={"unit": "engine"})
    rows, chance = [], numpy.random.default_rng(1)
    for unit, last in train.groupby("unit")["cycle"].max().items():
        cycles = {*range(30, last + 1, 10), *chance.choice(numpy.arange(30, last + 1), 10, replace=False).tolist()}
        rows += [(f"train {unit}", seen + 1, min(last - seen, 125)) for seen in sorted(cycles)]
    left = pandas.read_csv(folder / "test_rul.csv").set_index("unit")["RUL"]
    judged = [(f"test {unit}", last + 1, min(left[unit], 125)) for unit, last in test.groupby("unit")["cycle"].max().items()]
    return events, *(pandas.DataFrame(of, columns=["engine", "until", "remaining"]) for of in (rows, judged))


MAKERS = {"events_sepsis": sepsis, "events_traffic_fines": traffic_fines, "events_next_helpdesk": helpdesk,
          "fin_credit_card_default": credit_card, "clv_cdnow": cdnow, "man_cmapss_fd001": cmapss}


def prepare(data, out, name):
    """Writes the files of one data set."""
    out.mkdir(parents=True, exist_ok=True)
    for part, table in zip(("events", "train_labels", "test_labels"), MAKERS[name](data / name)):
        table.to_csv(out / f"{part}.csv", index=False)
