"""Key shard: what a shipped file is worth without its shard, to a thief with 0, 1, 5 or 10 % of the owner's data. Needs torch.

    OMP_NUM_THREADS=1 python benchmarks/shard.py --kind mlp|convnet|transformer --seed 1 [--shares 0.02 0.05] [--epochs 30]

For each share: accuracy without the shard as shipped and after each repair that `attacks/tracing/shard_thief.py` tries; then what is shipped and the best repair, each trained on so much
of the owner's training data at two rates, beside a network trained from nothing on the same data. The thief's advantage is the best of these, chosen with the test set in the
thief's favour, less training from nothing (the better of 30 and 120 epochs).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "tracing"))

import traced_networks as networks
from shard_thief import REPAIRS

from countermark.tracing.shard import choose, turned
from countermark.tracing.spread import carries


def shipped(weights: dict[str, np.ndarray], share: float, seed: int) -> dict[str, np.ndarray]:
    out = dict(weights)
    for at, (name, w) in enumerate(weights.items()):
        if carries(w):
            mask = choose(np.abs(w.reshape(-1)), share, (seed * 1000 + at).to_bytes(32, "big"))
            out[name] = np.frombuffer(turned(w.tobytes(), 4, mask), np.float32).reshape(w.shape)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["mlp", "convnet", "transformer"], default="mlp")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.02, 0.05])
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    kind, data = options.kind, networks.data(options.kind, options.seed)
    whole = networks.train(kind, data.train, options.seed, networks.EPOCHS[kind])

    def right(weights: dict[str, np.ndarray]) -> float:
        return float(networks.right(kind, weights, data.test).mean())

    print(f"{kind}, seed {options.seed}: with the shard {right(whole):.3f}", flush=True)
    parts = {f: tuple(t[: max(10, int(f * len(data.train[1])))] for t in data.train) for f in (0.01, 0.05, 0.1)}
    scratch = {
        f: max(right(networks.train(kind, part, options.seed + 1, e)) for e in (options.epochs, 4 * options.epochs))
        for f, part in parts.items()
    }
    for share in options.shares:
        repaired = {name: repair(shipped(whole, share, options.seed), share) for name, repair in REPAIRS.items()}
        plain = {name: right(weights) for name, weights in repaired.items()}
        print(
            f"  {share:.0%} withheld; without the shard: " + ", ".join(f"{n} {a:.3f}" for n, a in plain.items()),
            flush=True,
        )
        tried = {"as shipped", max(plain, key=lambda n: plain[n])}
        for fraction, part in parts.items():
            best = {n: max(right(networks.train(kind, part, options.seed + 2, options.epochs, start=repaired[n], rate=rate)) for rate in (1e-3, 1e-4))
                    for n in tried}  # fmt: skip
            name = max(best, key=lambda n: best[n])
            print(f"    {fraction:.0%} of the data ({len(part[1])} rows): thief {best[name]:.3f} ({name}), from nothing {scratch[fraction]:.3f}, "
                  f"advantage {100 * (best[name] - scratch[fraction]):+.1f} points", flush=True)  # fmt: skip
            print(
                json.dumps(
                    {
                        "kind": kind,
                        "seed": options.seed,
                        "share": share,
                        "data": fraction,
                        "best": best,
                        "scratch": scratch[fraction],
                        "plain": plain,
                    }
                )
            )


if __name__ == "__main__":
    main()
