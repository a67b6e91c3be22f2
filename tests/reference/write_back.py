"""Checks that Hugging Face reads what Adit writes: equal logits, and no tensor missing or left over.

First a directory is written with the example, then both are loaded here:

    cargo run --release -p adit-nn --example write_back -- DIR OUT
    python tests/reference/write_back.py DIR OUT [DIR OUT ...]
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification


def load(folder):
    model, told = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    faults = {k: v for k, v in told.items() if v and k != "error_msgs"} | (
        {"error_msgs": told["error_msgs"]} if told.get("error_msgs") else {}
    )
    assert not faults, f"{folder}: {faults}"
    # Weights that lie in a mapped file at odd places are summed in another order.
    for value in model.parameters():
        value.data = value.data.clone()
    return model.eval()


def check(before, after):
    old, new = load(before), load(after)
    mine, theirs = new.state_dict(), old.state_dict()
    assert sorted(mine) == sorted(theirs), f"{after}: other names"
    assert all(torch.equal(mine[k], theirs[k]) for k in theirs), f"{after}: other values"
    vocab = old.config.vocab_size
    rng = torch.Generator().manual_seed(1)
    ids = torch.randint(min(4, vocab - 1), vocab, (6, 17), generator=rng)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        first = old(input_ids=ids, attention_mask=mask).logits
        second = new(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(first, second), f"{after}: {(first - second).abs().max().item()} apart"
    spread = first.std(0).min().item()
    print(f"{Path(before).name}: equal weights and logits, which spread by at least {spread:.2f}")


def main():
    torch.set_num_threads(1)
    folders = sys.argv[1:]
    for before, after in zip(folders[::2], folders[1::2]):
        check(before, after)


if __name__ == "__main__":
    main()
