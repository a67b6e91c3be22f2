"""The fine-tuning recipe in PyTorch, on MRPC: the yardstick for Adit's own numbers.

The encoder in ADIT_MINILM (any that `AutoModel` reads), f32 unless `--bf16`. AdamW with bias correction (decay .01, none on biases and layer norms),
warm-up over the first 10% of the steps and then linear decay to 0, gradients clipped at norm 1,
dropout .1, batches of 16 pairs cut at 128 tokens and bucketed by length, so that next to nothing
is padding. 15% of the training rows, stratified, are held back to choose the epoch (`--select`);
the test rows are scored once, by the chosen epoch. `--no-validation` trains on all training rows
and takes the last epoch.

    ADIT_MINILM=DIR [ADIT_DATA=DIR] python tests/reference/mrpc_torch.py --lr 5e-5 --epochs 5 --seed 0 1 2

Heads: `pooler` is Hugging Face's (pair in one sequence; first token, dense, tanh, dropout,
linear); `mean` takes the mean over the tokens instead of the pooler; `match` encodes the two
sentences one by one and classifies [u, v, |u - v|, u * v] of their means. One JSON line per seed.

`--replay` takes what is random from Adit's own hashes: the head's first weights, the order of the
rows (no buckets) and every dropout mask, over all training rows as `adit run` does in its last fit.
Then both programs do the same arithmetic and differ by rounding alone, so that seeds can be
compared one by one: a difference of two means over seeds says much less. The scores after every epoch
are logged, as Adit's last fit ends at the epoch that validation rows chose. To compare, train on the
first N rows for one epoch with both (`adit classify` with `--epochs 1` and one `--learning-rate` on a
file of those rows), predict a file of test rows with `adit predict RUN TEST -o P.csv --member ENCODER`,
and give `--train-limit N --test-limit M --against P.csv`.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from tokenizers import Tokenizer
from torch import nn
from transformers import AttentionInterface, AutoConfig, AutoModel, BertModel

import adit_random


class Classifier(nn.Module):
    """An encoder and one of the three heads."""

    def __init__(self, folder, head, dropout, labels=2, attention=None):
        super().__init__()
        config = AutoConfig.from_pretrained(folder, attn_implementation=attention)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
        self.bert = AutoModel.from_pretrained(folder, config=config, add_pooling_layer=head == "pooler", dtype=torch.float32)
        self.kinds = config.model_type in ("bert", "albert", "electra")
        self.head = head
        self.dropout = nn.Dropout(dropout)
        width = config.hidden_size * (4 if head == "match" else 1)
        self.classifier = nn.Linear(width, labels)
        nn.init.normal_(self.classifier.weight, std=config.initializer_range)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, batch):
        if not self.kinds:
            batch = [{name: x for name, x in part.items() if name != "token_type_ids"} for part in batch]
        if self.head == "pooler":
            return self.classifier(self.dropout(self.bert(**batch[0]).pooler_output))
        pooled = [mean_of(self.bert(**part).last_hidden_state, part["attention_mask"]) for part in batch]
        if self.head == "match":
            u, v = pooled
            return self.classifier(self.dropout(torch.cat([u, v, (u - v).abs(), u * v], dim=1)))
        return self.classifier(self.dropout(pooled[0]))


class Replayed(nn.Module):
    """Dropout with the masks that Adit draws; takes the place of `nn.Dropout`."""

    masks = None  # the masks of the present step, for all modules

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return x * Replayed.masks.hidden(x, self.p) if self.training and self.p > 0 else x


def replayed_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    """Softmax attention over packed sequences, written out so that its dropout can be replayed."""
    lengths, parts = Replayed.masks.lengths, []
    masks = Replayed.masks.attention(query.shape[1], dropout) if module.training and dropout > 0 else None
    scaling = scaling if scaling is not None else query.shape[-1] ** -0.5
    for i, (q, k, v) in enumerate(zip(*(x[0].split(lengths, dim=1) for x in (query, key, value)))):
        weights = (q @ k.transpose(1, 2) * scaling).softmax(-1)
        parts.append((weights if masks is None else weights * masks[i]) @ v)
    return torch.cat(parts, dim=1).transpose(0, 1)[None].contiguous(), None


AttentionInterface.register("replayed", replayed_attention)


class Packed(nn.Module):
    """A classifier whose head and dropout are Adit's, over sequences one after another."""

    def __init__(self, folder, seed, dropout):
        super().__init__()
        model = Classifier(folder, "pooler", dropout, attention="replayed")
        for module in list(model.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.Dropout):
                    setattr(module, name, Replayed(child.p))
        self.bert, self.dropout, self.classifier = model.bert, model.dropout, model.classifier
        weight = self.classifier.weight
        with torch.no_grad():
            weight.copy_(torch.from_numpy(adit_random.head(seed, tuple(weight.shape))))

    def forward(self, batch):
        lengths = batch["lengths"]
        starts = np.cumsum([0] + lengths[:-1])
        hidden = self.bert(
            input_ids=batch["ids"], token_type_ids=batch["kinds"], position_ids=batch["positions"]
        ).last_hidden_state
        pooled = self.bert.pooler(hidden[0, torch.from_numpy(starts)][:, None])
        return self.classifier(self.dropout(pooled))


def pack(rows):
    """Sequences one after another, without padding: `[1, sum of lengths]`."""
    sequences = [row[0] for row in rows]
    return {
        "lengths": [len(ids) for ids, _ in sequences],
        "ids": torch.tensor([i for ids, _ in sequences for i in ids])[None],
        "kinds": torch.tensor([k for _, kinds in sequences for k in kinds])[None],
        "positions": torch.tensor([p for ids, _ in sequences for p in range(len(ids))])[None],
    }


def mean_of(hidden, mask):
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


def encode(tokenizer, frame, head, limit):
    """Per row a list of one (pair) or two (match) encodings: (ids, type ids)."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    first, second = frame["sentence1"].tolist(), frame["sentence2"].tolist()
    if head == "match":
        parts = zip(tokenizer.encode_batch(first), tokenizer.encode_batch(second))
    else:
        parts = ((e,) for e in tokenizer.encode_batch(list(zip(first, second))))
    return [[(e.ids, e.type_ids) for e in row] for row in parts]


def collate(rows):
    """Pads each part of a batch to its own longest sequence."""
    parts = []
    for part in zip(*rows):
        longest = max(len(ids) for ids, _ in part)
        ids, kinds, mask = (torch.zeros(len(part), longest, dtype=torch.long) for _ in range(3))
        for i, (x, t) in enumerate(part):
            ids[i, : len(x)], kinds[i, : len(x)], mask[i, : len(x)] = torch.tensor(x), torch.tensor(t), 1
        parts.append({"input_ids": ids, "token_type_ids": kinds, "attention_mask": mask})
    return parts


def buckets(rows, size, rng):
    """Batches of rows of like length, in random order; without `rng` in order of length."""
    lengths = np.array([sum(len(ids) for ids, _ in row) for row in rows])
    order = np.argsort(lengths, kind="stable")
    if rng is not None:
        order = rng.permutation(len(rows))
        pool = size * 50
        order = np.concatenate(
            [p[np.argsort(lengths[p], kind="stable")] for p in (order[i : i + pool] for i in range(0, len(order), pool))]
        )
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def predict(model, rows, autocast=False, size=32):
    """The probability of label 1 for each row."""
    model.eval()
    found = np.zeros(len(rows))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        for at in buckets(rows, size, None):
            some = [rows[i] for i in at]
            Replayed.masks = adit_random.Masks(0, [len(row[0][0]) for row in some])
            batch = pack(some) if isinstance(model, Packed) else collate(some)
            found[at] = model(batch).float().double().softmax(1)[:, 1].numpy()
    return found


def judge(labels, scores):
    guess = scores > 0.5
    return {
        "accuracy": accuracy_score(labels, guess),
        "f1": f1_score(labels, guess),
        "roc_auc": roc_auc_score(labels, scores),
        "log_loss": log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15), labels=[0, 1]),
    }


def optimiser_of(model, lr, decay, head_factor):
    """AdamW; biases and layer norms do not decay; the new head may learn faster."""
    groups = []
    for of_head in (False, True):
        for decays in (False, True):
            chosen = [
                p
                for name, p in model.named_parameters()
                if name.startswith("classifier") == of_head
                and (not name.endswith("bias") and "LayerNorm" not in name) == decays
            ]
            rate = lr * head_factor if of_head else lr
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay if decays else 0.0})
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8)


def schedule(total, share):
    """The factor of the rate at a step: rises from 0 over the first share of all steps, falls to 0."""
    warm = math.ceil(np.float32(total) * np.float32(share))
    return lambda at: at / warm if at < warm else (total - at) / max(1, total - warm)


def train_epoch(model, rows, labels, optimiser, rate, args, batches):
    """One pass over the rows; returns the mean loss, the steps and the share of padding."""
    model.train()
    total, steps, padding, tokens = 0.0, 0, 0, 0
    for at in batches:
        some = [rows[i] for i in at]
        if args.replay:
            batch = pack(some)
            seed = adit_random.step_seed(args.replayed_seed, rate.last_epoch)
            Replayed.masks = adit_random.Masks(seed, batch["lengths"])
        else:
            batch = collate(some)
            filled = sum(int(p["attention_mask"].sum()) for p in batch)
            tokens += filled
            padding += sum(p["attention_mask"].numel() for p in batch) - filled
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            loss = nn.functional.cross_entropy(model(batch), labels[at])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimiser.step()
        rate.step()
        total, steps = total + loss.item() * len(at), steps + 1
    return total / len(rows), steps, padding / max(1, padding + tokens)


def better(kind, now, best):
    return best is None or (now[kind] < best[kind] if kind == "log_loss" else now[kind] > best[kind])


def run(args, seed, train, test, folder):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    held = None
    if not args.no_validation:
        train, held = train_test_split(train, test_size=0.15, random_state=seed, stratify=train["label"])
    rows = encode(tokenizer, train, args.head, args.max_tokens)
    labels = torch.tensor(train["label"].to_numpy())
    held_rows = encode(tokenizer, held, args.head, args.max_tokens) if held is not None else None
    test_rows = encode(tokenizer, test, args.head, args.max_tokens)
    args.replayed_seed = seed
    replay = args.replay
    model = Packed(folder, seed, args.dropout) if replay else Classifier(folder, args.head, args.dropout)
    optimiser = optimiser_of(model, args.lr, args.decay, args.head_factor)
    per_epoch = -(-len(rows) // args.batch)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, schedule(per_epoch * args.epochs, args.warm_up))

    log, best, kept, waited, step_seconds, steps = [], None, None, 0, 0.0, 0
    start = time.perf_counter()
    for epoch in range(args.epochs):
        began = time.perf_counter()
        if args.replay:
            order = adit_random.order(len(rows), seed, epoch + 1)
            batches = [order[i : i + args.batch] for i in range(0, len(order), args.batch)]
        else:
            batches = buckets(rows, args.batch, rng)
        loss, n, padding = train_epoch(model, rows, labels, optimiser, rate, args, batches)
        step_seconds, steps = step_seconds + time.perf_counter() - began, steps + n
        entry = {"epoch": epoch + 1, "train_loss": loss, "padding": padding}
        if args.replay:
            entry["test"] = judge(test["label"].to_numpy(), predict(model, test_rows))
        if held is not None:
            entry["validation"] = judge(held["label"].to_numpy(), predict(model, held_rows, args.bf16))
            waited += 1
            if better(args.select, entry["validation"], best):
                best, waited = entry["validation"] | {"epoch": epoch + 1}, 0
                kept = {k: v.clone() for k, v in model.state_dict().items()}
        log.append(entry)
        if held is not None and args.patience and waited >= args.patience:
            break
    trained = time.perf_counter() - start
    if kept is not None:
        model.load_state_dict(kept)
    scores = predict(model, test_rows, args.bf16)
    against = None
    if args.against:
        ours = pd.read_csv(args.against)["probability_1"].to_numpy()
        against = float(np.abs(ours - scores).max())
    if args.scores:
        np.savetxt(f"{args.scores}-{seed}.txt", scores, fmt="%.9g")
    return {
        "seed": seed, "head": args.head, "lr": args.lr, "epochs": args.epochs, "batch": args.batch,
        "train_rows": len(rows), "chosen": best, "largest_difference": against, "test": judge(test["label"].to_numpy(), scores),
        "train_seconds": trained, "seconds_per_step": step_seconds / steps, "threads": torch.get_num_threads(),
        "log": log,
    }


def arguments():
    p = argparse.ArgumentParser(description="fine-tune an encoder on MRPC with PyTorch")
    p.add_argument("--lr", type=float, default=5e-5)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--seed", type=int, nargs="+", default=[0])
    p.add_argument("--head", choices=["pooler", "mean", "match"], default="pooler")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--max-tokens", type=int, default=128)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--decay", type=float, default=0.01)
    p.add_argument("--clip", type=float, default=1.0)
    p.add_argument("--warm-up", type=float, default=0.1, help="share of all steps")
    p.add_argument("--head-factor", type=float, default=1.0, help="learning rate of the classifier over that of the encoder")
    p.add_argument("--select", choices=["accuracy", "f1", "log_loss", "roc_auc"], default="accuracy")
    p.add_argument("--patience", type=int, default=0, help="stop after so many epochs without a better one (0: never)")
    p.add_argument("--no-validation", action="store_true")
    p.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    p.add_argument("--replay", action="store_true", help="use Adit's head, order and dropout masks; all training rows")
    p.add_argument("--against", help="CSV of `adit predict` of one seed; its largest difference is printed")
    p.add_argument("--scores", help="write each seed's probabilities of the test rows to SCORES-SEED.txt")
    p.add_argument("--train-limit", type=int, default=0, help="use only the first N training rows (for a smoke run)")
    p.add_argument("--test-limit", type=int, default=0)
    p.add_argument("--threads", type=int, default=0)
    args = p.parse_args()
    if args.replay:
        if args.head != "pooler":
            p.error("--replay knows the head `pooler` only")
        args.no_validation = True
    return args


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    folder = Path(os.environ["ADIT_MINILM"])
    root = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("ADIT_DATA", root / "../shared/data")) / "text_pairs_mrpc"
    train, test = (pd.read_csv(data / f"{n}.csv", keep_default_na=False) for n in ("train", "test"))
    if args.train_limit:
        train = train.head(args.train_limit)
    if args.test_limit:
        test = test.head(args.test_limit)
    for seed in args.seed:
        print(json.dumps(run(args, seed, train, test, folder)), flush=True)


if __name__ == "__main__":
    main()
