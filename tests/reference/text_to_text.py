"""Checks that Hugging Face computes with an exported T5 what Adit does: probabilities of classes and texts.

    adit predict RUN DATA.csv -o predicted.csv --member NAME
    adit export RUN DIR --member NAME
    adit generate DATA.csv --text COL --encoder DIR --prompt PROMPT -o written.csv
    python tests/reference/text_to_text.py DIR DATA.csv PROMPT predicted.csv written.csv CLASS=TEXT [CLASS=TEXT ...]

The run must have one seed. Every class is given with its text.
"""

import csv
import sys

import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load(folder):
    model, told = T5ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    faults = {k: v for k, v in told.items() if v}
    assert not faults, f"{folder}: {faults}"
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def probabilities(model, source, targets):
    scores = []
    for target in targets:
        logits = model(input_ids=source, labels=target).logits[0].double()
        chances = logits.log_softmax(-1).gather(1, target[0].unsqueeze(1))
        scores.append(chances.sum())
    return torch.stack(scores).softmax(0)


def main():
    folder, data, prompt, predicted, written, *classes = sys.argv[1:]
    classes = dict(pair.split("=", 1) for pair in classes)
    model, tokenizer = load(folder)
    encode = lambda text: tokenizer(text, return_tensors="pt", truncation=True).input_ids
    targets = [encode(text) for text in classes.values()]
    worst = 0.0
    same = 0
    rows = list(zip(rows_of(data), rows_of(predicted), rows_of(written), strict=True))
    with torch.no_grad():
        for row, ours, text in rows:
            source = encode(prompt.format(**row))
            theirs = probabilities(model, source, targets)
            for name, chance in zip(classes, theirs.tolist()):
                worst = max(worst, abs(chance - float(ours[f"probability_{name}"])))
            ids = model.generate(source, do_sample=False, num_beams=1, max_new_tokens=64, use_cache=False)[0]
            same += tokenizer.decode(ids, skip_special_tokens=True).strip() == text["generated"]
    print(f"{len(rows)} rows: probabilities differ by at most {worst:.1e}, {same} texts are equal")
    assert worst < 1e-4 and same == len(rows)


if __name__ == "__main__":
    main()
