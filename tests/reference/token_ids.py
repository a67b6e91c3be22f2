"""Writes the token ids of texts, one text a line, for `cargo run -p adit-nn --example embed`.

usage: token_ids.py MODEL_DIR TEXTS OUT [MAX_TOKENS]
"""
import pathlib, sys

from tokenizers import Tokenizer


def main(model, texts, out, max_tokens="256"):
    tokenizer = Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(max_tokens))
    lines = pathlib.Path(texts).read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [" ".join(map(str, e.ids)) for e in tokenizer.encode_batch(lines)]
    pathlib.Path(out).write_text("\n".join(rows) + "\n")


main(*sys.argv[1:])
