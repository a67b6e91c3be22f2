"""Tables that are drawn: the class follows from a product, a wave and a slope of four columns among many."""
import numpy, pandas


def drawn(folder, rows, columns):
    """Writes train.csv with `rows` rows and test.csv with 1,000; gives both paths."""
    random = numpy.random.default_rng(rows)
    x = random.normal(size=(rows + 1000, columns)).astype("float32")
    y = (x[:, 0] * x[:, 1] + numpy.sin(3 * x[:, 2]) + x[:, 3] + random.normal(size=len(x)) > 0).astype(int)
    table = pandas.DataFrame(x, columns=[f"x{i}" for i in range(columns)]).assign(y=y)
    table[:rows].to_csv(folder / "train.csv", index=False)
    table[rows:].to_csv(folder / "test.csv", index=False)
    return folder / "train.csv", folder / "test.csv"
