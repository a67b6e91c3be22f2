"""Adit's random numbers, which are hashes of a seed and a place, written in NumPy.

The counterparts are `adit_nn::random`, `adit_nn::kernels::elementwise::dropout_at` and
`adit::mine::training`. `python tests/reference/adit_random.py` prints values that
`crates/adit-nn/tests/random.rs` holds against the Rust ones.
"""

import numpy as np
import torch

MASK = (1 << 64) - 1
GOLDEN = 0x9E37_79B9_7F4A_7C15


def mix(a, b):
    """SplitMix64's finaliser over two numbers."""
    z = (a + b * GOLDEN + GOLDEN) & MASK
    z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB & MASK
    return z ^ (z >> 31)


def mix_many(a, b):
    """`mix` of a number and an array of uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(a) + b.astype(np.uint64) * np.uint64(GOLDEN) + np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return z ^ (z >> np.uint64(31))


def normal(seed, n, std):
    """`normal_at` of the places 0 to n - 1, as f32."""
    at = np.arange(n, dtype=np.uint64) * np.uint64(2)
    unit = [(mix_many(seed, at + np.uint64(k)) >> np.uint64(11)).astype(np.float64) / float(1 << 53) for k in (0, 1)]
    radius = np.sqrt(-2.0 * np.log(1.0 - unit[0]))
    return (std * radius * np.cos(2 * np.pi * unit[1])).astype(np.float32)


def head(seed, shape):
    """The first weights of a classifier over an encoder."""
    return normal(mix(seed, 0x6865_6164), shape[0] * shape[1], 0.02).reshape(shape)


def order(n, seed, epoch):
    """The order of n rows in an epoch (from 1)."""
    return np.argsort(mix_many(mix(seed, epoch), np.arange(n)), kind="stable")


def step_seed(seed, step):
    """The seed of all dropout masks of one step (from 0)."""
    return (seed * GOLDEN & MASK) ^ step


def kept(key, at, p):
    """For each place (uint32): 0, or 1 over the share kept. `key` may be an array, too."""
    key = mix_many_keys(key)
    keep = np.float32(1.0) - np.float32(p)
    salt, pepper = (key & np.uint64(0xFFFF_FFFF)).astype(np.uint32), (key >> np.uint64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        h = at ^ salt
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB_352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846C_A68B)
        h = (h ^ (h >> np.uint32(16))) + pepper
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB_352D)
        h = h ^ (h >> np.uint32(15))
    limit = np.uint32(min(float(keep) * 4_294_967_296.0, 4_294_967_295.0))
    return np.where(h < limit, np.float32(1.0) / keep, np.float32(0.0))


def mix_many_keys(keys):
    """`mix(key, 0)` of every key."""
    with np.errstate(over="ignore"):
        z = np.asarray(keys, dtype=np.uint64) + np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return z ^ (z >> np.uint64(31))


class Masks:
    """The dropout masks of one step over sequences of the given lengths, in the order of the layers."""

    def __init__(self, seed, lengths):
        self.seed = seed
        self.lengths = lengths
        self.draws = 0

    def key(self):
        self.draws += 1
        return mix(self.seed, self.draws)

    def hidden(self, x, p):
        """Of all values of `x`, one after another."""
        return torch.from_numpy(kept(self.key(), np.arange(x.numel(), dtype=np.uint32), p)).view(x.shape)

    def attention(self, n_heads, p):
        """A mask `[heads, length, length]` for every sequence; each of them and each head has its own stream."""
        key, masks = self.key(), []
        for i, n in enumerate(self.lengths):
            streams = mix_many(key, np.arange(i * n_heads, (i + 1) * n_heads))[:, None]
            drawn = kept(streams, np.arange(n * n, dtype=np.uint32)[None, :], p)
            masks.append(torch.from_numpy(drawn.reshape(n_heads, n, n)))
        return masks


if __name__ == "__main__":
    print("mix", mix(7, 9))
    print("normal", [float(v) for v in normal(11, 4, 0.02)])
    print("head", [float(v) for v in head(1, (2, 3)).ravel()])
    print("kept", kept(mix(5, 2), np.arange(24, dtype=np.uint32), 0.1).astype(bool).astype(int).tolist())
    print("order", order(10, 1, 2).tolist())
