"""How time and memory of an encoder of events grow with the events: one pass of pre-training, and vectors of all entities.

usage: events_growth.py [--adit BIN] [--events N ...] [--memory MIB] [--rounds N] [--only pretrain|embed]

Drawn events lie in Parquet in the order of their time, a hundred of each entity, with an amount, a kind of eight and a channel of
three. Seconds are medians of whole commands, MiB the most that the process held. Vectors are made by the encoder that the first,
smallest table was pre-trained to.
"""
import argparse, os, pathlib, statistics, subprocess, sys, tempfile, time


def write(path, n):
    import numpy, pyarrow, pyarrow.parquet
    chance = numpy.random.default_rng(1)
    with pyarrow.parquet.ParquetWriter(path, SCHEMA := pyarrow.schema([
            ("customer", pyarrow.string()), ("at", pyarrow.timestamp("ms")), ("amount", pyarrow.float64()),
            ("kind", pyarrow.string()), ("channel", pyarrow.string())])) as out:
        begin, step = 1_704_067_200_000, 365 * 86_400_000 / n
        for first in range(0, n, 1_000_000):
            m = min(1_000_000, n - first)
            who = chance.integers(0, max(1, n // 100), m)
            columns = [[f"c{w:07}" for w in who], (begin + (first + numpy.arange(m)) * step).astype("int64").astype("datetime64[ms]"),
                       numpy.round(chance.lognormal(3, 1, m), 2), [f"kind {k}" for k in chance.integers(0, 8, m)],
                       [("card", "web", "branch")[k] for k in chance.integers(0, 3, m)]]
            out.write_table(pyarrow.table(columns, schema=SCHEMA))


def timed(args):
    """Seconds and MiB of a command."""
    began = time.monotonic()
    child = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, args))}\n{told}")
    return time.monotonic() - began, used.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--adit", default="adit")
    p.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    p.add_argument("--memory", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--only", choices=["pretrain", "embed"])
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as made:
        made = pathlib.Path(made)
        usual = ["--memory", a.memory, "--quiet"]
        print("| events | MiB on disk | pre-training, one pass: s | MiB | vectors: s | MiB |\n" + "|---" * 6 + "|", flush=True)
        for n in a.events:
            table, encoder = made / f"{n}.parquet", made / "encoder"
            # In a process of its own, so that what it held is not that of the children.
            subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); "
                            f"from events_growth import write; write({str(table)!r}, {n})"], check=True)
            found = {"pretrain": [], "embed": []}
            for at in range(a.rounds):
                if a.only != "embed" or not encoder.exists():
                    out = made / f"encoder-{n}-{at}"
                    found["pretrain"].append(timed([a.adit, "pretrain", table, "--entity", "customer", "--time", "at", "--epochs", "1",
                                                    "--out", out, *map(str, usual)]))
                    if not encoder.exists():
                        out.rename(encoder)
                if a.only != "pretrain":
                    found["embed"].append(timed([a.adit, "embed", table, "--encoder", encoder, "-o", made / "vectors.parquet", "--force",
                                                 *map(str, usual)]))
            cells = []
            for verb in ("pretrain", "embed"):
                seconds, mib = zip(*found[verb]) if found[verb] else ((), ())
                cells += [f"{statistics.median(seconds):,.1f}", f"{statistics.median(mib):,.0f}"] if seconds else ["–", "–"]
            print(f"| {n:,} | {table.stat().st_size / 2**20:,.0f} | " + " | ".join(cells) + " |", flush=True)
            table.unlink()


if __name__ == "__main__":
    main()
