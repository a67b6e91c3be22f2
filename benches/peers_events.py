"""Events a second that PyTorch reads while pre-training an encoder of events: forward, backward, AdamW; f32.

usage: peers_events.py [--threads 2] [--steps 10] [--histories 64] [--shortest 50] [--longest 150]
                       [--components 32] [--cardinalities 16 8 32 8] [--targets 16 8 32 8 17 17]
                       [--d-model 64] [--layers 2] [--heads 4] [--ffn 256] [--unsorted] [--compile] [--json]

The model is adit-nn's `EventEncoder` (tests/reference/events_torch.py says which), without dropout. One
step is the loss of the next event on a batch of histories, plus the loss of slices on two slices of each,
half as long as it. Batches are padded to their longest, causal attention is PyTorch's own
(`scaled_dot_product_attention`), AdamW its fused one. Histories of about the same length come into one
batch, so that little is padding; not with `--unsorted`. Batches are made before the clock runs.

Events are those that a step reads: of its histories and of their slices, neither padding nor the
histories' own tokens. The median over steps, after three that are not counted; beside it the fastest step
and the processor time of a step, which other programs on the machine disturb less. Needs torch.
"""
import argparse, json, resource, statistics, time

import torch
import torch.nn.functional as F
from torch import nn

WARM, TEMPERATURE = 3, 0.2


class Block(nn.Module):
    def __init__(self, d, heads, ffn):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.attention_output = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.ffn_in, self.ffn_out = nn.Linear(d, ffn), nn.Linear(ffn, d)

    def forward(self, x, cos, sin):
        n, length, d = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(n, length, 3, self.heads, -1)
        a, b = qkv[:, :, :2].chunk(2, -1)
        q, k = torch.cat([a * cos - b * sin, b * cos + a * sin], -1).unbind(2)
        v = qkv[:, :, 2]
        # What is padded comes after all events, so that the causal mask hides it.
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        x = x + self.attention_output(y.transpose(1, 2).reshape(n, length, d))
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))


class Events(nn.Module):
    def __init__(self, components, cardinalities, targets, d, layers, heads, ffn, longest):
        super().__init__()
        self.targets = targets
        self.input = nn.Linear(components, d)
        self.categories = nn.Embedding(sum(cardinalities) + 2, d)
        nn.init.normal_(self.categories.weight, std=d**-0.5)
        self.blocks = nn.ModuleList(Block(d, heads, ffn) for _ in range(layers))
        self.final_norm = nn.LayerNorm(d)
        self.pool, self.next = nn.Linear(3 * d, d), nn.Linear(d, sum(targets))
        half = d // heads // 2
        angles = torch.arange(longest + 1)[:, None] * 10_000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angles.cos()[:, None, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None, None], persistent=False)

    def states(self, batch):
        """`[n, longest, d]` of a padded batch; the ids are rows of the table."""
        x = self.input(batch["components"]) + self.categories(batch["ids"]).sum(2)
        cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.final_norm(x)

    def histories(self, x, lengths):
        own = x[torch.arange(len(x)), lengths - 1]
        padded = (torch.arange(x.shape[1]) >= lengths[:, None])[..., None]
        mean = x.masked_fill(padded, 0.0).sum(1) / lengths[:, None]
        most = x.masked_fill(padded, -torch.inf).max(1).values
        return self.pool(torch.cat([own, mean, most], -1))

    def next_loss(self, batch):
        scores = self.next(self.states(batch).flatten(0, 1)[batch["followed"]]).split(self.targets, -1)
        losses = [F.cross_entropy(s, classes) for s, classes in zip(scores, batch["classes"])]
        return torch.stack(losses).mean()

    def slices_loss(self, batch):
        unit = F.normalize(self.histories(self.states(batch), batch["lengths"]), dim=-1)
        scores = unit @ unit.T / TEMPERATURE
        scores = scores.masked_fill(torch.eye(len(unit), dtype=torch.bool), -torch.inf)
        return F.cross_entropy(scores, torch.arange(len(unit)) ^ 1)

    def forward(self, whole, slices):
        return self.next_loss(whole) + self.slices_loss(slices)


def padded(histories, cardinalities):
    """A batch of histories, pairs of components and codes; each gets its own token."""
    firsts = torch.tensor([0, *cardinalities]).cumsum(0)
    lengths = torch.tensor([len(components) + 1 for components, _ in histories])
    n, longest = len(lengths), int(lengths.max())
    values = torch.zeros(n, longest, histories[0][0].shape[1])
    ids = torch.cat([firsts[:-1].expand(n, longest, -1), firsts[-1].expand(n, longest, 1)], -1).clone()
    for at, (components, codes) in enumerate(histories):
        values[at, : len(components)] = components
        ids[at, : len(codes), :-1] += codes
        ids[at, len(codes), -1] += 1
    return dict(components=values, ids=ids, lengths=lengths)


def whole_batch(histories, a):
    batch = padded(histories, a.cardinalities)
    rows = torch.arange(batch["components"].shape[1])
    batch["followed"] = (rows < batch["lengths"][:, None] - 2).flatten().nonzero()[:, 0]
    batch["classes"] = [torch.randint(0, k, (len(batch["followed"]),)) for k in a.targets]
    return batch


def slices_batch(histories, a):
    found = []
    for components, codes in histories:
        half = len(components) // 2
        for start in torch.randint(0, len(components) - half + 1, (2,)).tolist():
            found.append((components[start : start + half], codes[start : start + half]))
    return padded(found, a.cardinalities)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--histories", type=int, default=64)
    p.add_argument("--shortest", type=int, default=50)
    p.add_argument("--longest", type=int, default=150)
    p.add_argument("--components", type=int, default=32)
    p.add_argument("--cardinalities", type=int, nargs="*", default=[16, 8, 32, 8])
    p.add_argument("--targets", type=int, nargs="+", default=[16, 8, 32, 8, 17, 17])
    p.add_argument("--d-model", type=int, default=64)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--ffn", type=int, default=256)
    p.add_argument("--unsorted", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)

    def history(length):
        codes = [torch.randint(0, k, (length, 1)) for k in a.cardinalities]
        return torch.randn(length, a.components), torch.cat([torch.zeros(length, 0, dtype=torch.long), *codes], 1)

    n_batches = WARM + a.steps
    lengths = torch.randint(a.shortest, a.longest + 1, (n_batches * a.histories,))
    if not a.unsorted:
        lengths = lengths.sort().values
    batches = lengths.view(n_batches, -1)[torch.randperm(n_batches)].tolist()
    batches = [[history(length) for length in batch] for batch in batches]
    batches = [(whole_batch(batch, a), slices_batch(batch, a)) for batch in batches]

    model = Events(a.components, a.cardinalities, a.targets, a.d_model, a.layers, a.heads, a.ffn, a.longest)
    step = torch.compile(model, dynamic=True) if a.compile else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    rates, took, worked = [], [], []
    for whole, slices in batches:
        start, spent = time.perf_counter(), time.process_time()
        optimiser.zero_grad(set_to_none=True)
        loss = step(whole, slices)
        loss.backward()
        optimiser.step()
        took.append(time.perf_counter() - start)
        worked.append(time.process_time() - spent)
        events = sum(int((batch["lengths"] - 1).sum()) for batch in (whole, slices))
        rates.append(events / took[-1])
    tokens = sum(int(batch["lengths"].sum()) for both in batches for batch in both)
    places = sum(batch["ids"].shape[0] * batch["ids"].shape[1] for both in batches for batch in both)
    found = {
        "threads": a.threads,
        "events_per_second": statistics.median(rates[WARM:]),
        "fastest_events_per_second": max(rates[WARM:]),
        "median_ms": 1e3 * statistics.median(took[WARM:]),
        "median_processor_ms": 1e3 * statistics.median(worked[WARM:]),
        "padding": 1.0 - tokens / places,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if a.json:
        return print(json.dumps(found))
    print(f"PyTorch {torch.__version__}, {a.threads} threads: {found['events_per_second']:,.0f} events a second "
          f"(those of {a.histories} histories and of two slices of each), {found['median_ms']:,.0f} ms a step, "
          f"{found['median_processor_ms']:,.0f} ms of processors; medians of {a.steps} steps; the fastest step "
          f"{found['fastest_events_per_second']:,.0f} events a second; {100 * found['padding']:.1f}% padding, "
          f"{found['peak_mib']:,.0f} MiB")


if __name__ == "__main__":
    main()
