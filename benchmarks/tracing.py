"""Tracing: who is named after what was done to a copy, by coalitions, at which cost in accuracy, how often wrongly, how fast.

    OMP_NUM_THREADS=1 python benchmarks/tracing.py copies --kind mlp|convnet|transformer --seed 1 [--copies 40] [--tuned 20] [--strength 0.05]
    OMP_NUM_THREADS=1 python benchmarks/tracing.py coalitions --kind mlp --seed 1 [--runs 20]
    OMP_NUM_THREADS=1 python benchmarks/tracing.py innocents --seed 1 [--innocents 2000000]
    OMP_NUM_THREADS=1 python benchmarks/tracing.py adaptive --seed 1
    OMP_NUM_THREADS=1 python benchmarks/tracing.py speed

Needs torch for all but the last two; Fashion-MNIST where FASHION_MNIST says (Debian: dataset-fashion-mnist). The strength as shipped was chosen on
seed 100 alone; report others. Named: the guilty licensee reaches the threshold for 10,000 licensees at a false accusation of 1e-6. Intervals are
Wilson's, 95 %; the cost in accuracy is that of a mean over copies and seeds, by normal approximation over paired answers.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "tracing"))

from coalitions import MIXES
from copy_attacks import doubled, low_rank, marked_again, noise, prune, quantise, reorder, reorder_transformer, shrunk
from screening_seeds import wilson

from countermark.tracing.align import align
from countermark.tracing.code import CHIPS, Tail
from countermark.tracing.key import FingerprintKey, stream, weights_digest
from countermark.tracing.spread import STRENGTH, carries
from countermark.tracing.trace import FALSE_ACCUSATION, Fingerprints

LICENSEES = 10_000
BLOCKS = ["blocks.layers.0.", "blocks.layers.1."]
TUNINGS = {"tuned 30 epochs": 1e-3}


class Model:
    """A trained network and its fingerprints."""

    def __init__(self, kind: str, seed: int, strength: float) -> None:
        import traced_networks as networks

        self.kind, self.seed, self.networks = kind, seed, networks
        self.data = networks.data(kind, seed)
        self.weights = networks.train(kind, self.data.train, seed, networks.EPOCHS[kind])
        self.carriers = {n: w for n, w in self.weights.items() if carries(w)}
        digest = weights_digest((n, "F32", w.shape, w.tobytes()) for n, w in sorted(self.carriers.items()))
        self.prints = Fingerprints(FingerprintKey(seed.to_bytes(32, "big")), digest, strength)
        self.strength = strength

    def copy(self, number: int) -> dict[str, np.ndarray]:
        return self.weights | dict(self.prints.mark(f"plant-{number}", self.carriers))

    def score(self, suspect: dict[str, np.ndarray], guilty: list[int]) -> tuple[np.ndarray, float]:
        """Scores of the guilty, and the threshold."""
        aligned = align({n: w for n, w in self.weights.items() if w.ndim >= 2}, suspect)
        seen = self.prints.read(self.carriers, aligned).chips(self.prints.code.bias, self.strength)
        least = Tail.of(seen, self.prints.code.bias).threshold(FALSE_ACCUSATION / LICENSEES)
        return self.prints.code.scores(seen, [f"plant-{g}" for g in guilty]), least

    def accuracy(self, weights: dict[str, np.ndarray]) -> np.ndarray:
        return self.networks.right(self.kind, weights, self.data.test)


def told(name: str, hits: int, of: int, more: str = "") -> None:
    low, high = wilson(hits, of)
    print(f"  {name:30s} {hits:4d} of {of:4d} = {hits / of:.4f} [{low:.4f}, {high:.4f}] {more}", flush=True)


def reordered(layers: list[str]):
    return reorder(layers, scale=0.5) if layers else reorder_transformer(BLOCKS, 4)


def attacks(layers: list[str]) -> dict:
    out = {"nothing": lambda w, r: w, "noise 0.3": noise(0.3), "pruned 50 %": prune(0.5), "pruned 80 %": prune(0.8), "int8": quantise(8),
           "int4": quantise(4), "int4, one step for a layer": quantise(4, False), "int3": quantise(3), "half the rank": low_rank(0.5)}  # fmt: skip
    if layers:
        out |= {"reordered": reorder(layers), "reordered and rescaled": reorder(layers, scale=1.0),
                "10 % dropped, 20 % added": reorder(layers, scale=0.5, drop=0.1, add=0.2),
                "reordered, pruned 50 %, int4": lambda w, r: quantise(4)(prune(0.5)(reorder(layers, scale=0.5)(w, r), r), r)}  # fmt: skip
    else:
        out |= {"reordered": reordered(layers), "reordered, heads turned": reorder_transformer(BLOCKS, 4, mix=True),
                "reordered, pruned 50 %, int4": lambda w, r: quantise(4)(prune(0.5)(reordered(layers)(w, r), r), r)}  # fmt: skip
    return out


def same_shapes(model: Model, weights: dict) -> bool:
    return all(weights[n].shape == w.shape for n, w in model.weights.items())


def copies(options: argparse.Namespace) -> None:
    model, rng = Model(options.kind, options.seed, options.strength), np.random.default_rng(options.seed)
    plain = model.accuracy(model.weights)
    print(f"{options.kind}, seed {options.seed}, strength {options.strength}: {sum(w.size for w in model.carriers.values()):,} weights, "
          f"accuracy {plain.mean():.4f} on {len(plain)}")  # fmt: skip
    lost, hits, kept, lowest = [], defaultdict(list), defaultdict(list), defaultdict(list)
    numbers, begun = rng.choice(LICENSEES, options.copies, replace=False), time.perf_counter()
    for at, number in enumerate(numbers):
        if time.perf_counter() - begun > options.seconds:
            break
        copy = model.copy(int(number))
        lost.append(plain.mean() - model.accuracy(copy).mean())
        done = {name: attack(copy, rng) for name, attack in attacks(model.networks.LAYERS[options.kind]).items()}
        if at < options.tuned:
            for name, rate in TUNINGS.items():
                tuned = model.networks.train(options.kind, model.data.thief, int(number), 30, start=copy, rate=rate)
                done[name] = tuned
                done[f"{name}, reordered"] = reordered(model.networks.LAYERS[options.kind])(tuned, rng)
        for name, suspect in done.items():
            scores, least = model.score(suspect, [int(number)])
            hits[name].append(bool(scores[0] >= least))
            lowest[name].append(float(scores[0] / least))
            if at < 1 and same_shapes(model, suspect):
                kept[name].append(float(model.accuracy(suspect).mean()))
    for name, found in hits.items():
        told(name, sum(found), len(found), f"lowest score {min(lowest[name]):.2f} thresholds"
             + (f", accuracy {np.mean(kept[name]):.3f}" if kept[name] else ""))  # fmt: skip
    mean, error = np.mean(lost), np.std(lost, ddof=min(1, len(lost) - 1)) / len(lost) ** 0.5
    print(
        f"  cost in accuracy, points: {100 * mean:.3f} [{100 * (mean - 1.96 * error):.3f}, {100 * (mean + 1.96 * error):.3f}] over {len(lost)} copies"
    )
    print(json.dumps({"kind": options.kind, "seed": options.seed, "strength": options.strength, "lost": [round(float(x), 5) for x in lost],
                      "hits": {n: [sum(f), len(f)] for n, f in hits.items()}}))  # fmt: skip


def coalitions(options: argparse.Namespace) -> None:
    model, rng = Model(options.kind, options.seed, options.strength), np.random.default_rng(options.seed)
    print(f"{options.kind}, seed {options.seed}: coalitions; one guilty named at least, of how many; innocents named")
    for size in options.sizes:
        for name, mix in MIXES.items():
            for after in ("", ", then 30 epochs") if name == "mean" and options.tuned else ("",):
                found, shares = 0, []
                for _ in range(options.runs if not after else min(options.runs, options.tuned)):
                    guilty = [int(n) for n in rng.choice(LICENSEES, size, replace=False)]
                    stack = [model.copy(n) for n in guilty]
                    mixed = {n: mix(np.stack([c[n] for c in stack]), rng).astype(np.float32) if n in model.carriers else w
                             for n, w in model.weights.items()}  # fmt: skip
                    if after:
                        mixed = model.networks.train(options.kind, model.data.thief, guilty[0], 30, start=mixed)
                    scores, least = model.score(mixed, guilty)
                    found += bool((scores >= least).any())
                    shares.append(float((scores >= least).mean()))
                told(f"{size}: {name}{after}", found, len(shares), f"of its members named {np.mean(shares):.2f}")


def adaptive(options: argparse.Namespace) -> None:
    """Attacks by who knows the method: what is left of the score, and of the accuracy; failures of ours included. Perceptron."""
    model, rng = Model("mlp", options.seed, options.strength), np.random.default_rng(options.seed)
    train, layers, thief = model.networks.train, model.networks.LAYERS["mlp"], model.data.thief
    five = [model.copy(n) for n in range(5)]

    def mixed(name: str) -> dict[str, np.ndarray]:
        return {n: MIXES[name](np.stack([c[n] for c in five]), rng).astype(np.float32) for n in model.weights}

    def relearnt(names: list[str]) -> dict[str, np.ndarray]:
        fresh = {n: model.networks.network("mlp").state_dict()[n].numpy() for n in names}
        return train("mlp", thief, 1, 60, start=five[0] | fresh)

    def run(name: str, suspect: dict[str, np.ndarray], guilty: int = 1) -> None:
        scores, least = model.score(suspect, list(range(guilty)))
        right = f"{model.accuracy(suspect).mean():.3f}" if same_shapes(model, suspect) else "as before"
        print(
            f"  {name:44s} {'named' if max(scores) >= least else 'NOT NAMED':9s} highest {max(scores) / least:6.2f} thresholds, accuracy {right}",
            flush=True,
        )

    print(f"mlp, seed {options.seed}, strength {options.strength}: accuracy {model.accuracy(model.weights).mean():.3f}")
    for share in (0.1, 0.5, 1.0):
        run(f"marked again, {share:g} of the spread", marked_again(share)(five[0], rng))
        run(f"noise, {share:g} of the spread", noise(share)(five[0], rng))
    run("shrunk by half towards rows' means", shrunk(0.5)(five[0], rng))
    run("every neuron doubled", doubled(layers)(five[0], rng))
    run("a third of the rank, then tuned", train("mlp", thief, 1, 30, start=low_rank(1 / 3)(five[0], rng)))
    run("pruned 90 %, then tuned", train("mlp", thief, 1, 30, start=prune(0.9)(five[0], rng)))
    run("tuned 200 epochs", train("mlp", thief, 1, 200, start=five[0]))
    run("tuned 30 epochs at ten times the rate", train("mlp", thief, 1, 30, start=five[0], rate=1e-2))
    run("first layer learnt anew", relearnt([layers[0]]))
    run("all but the first layer learnt anew", relearnt(layers[1:]))
    for name in ("mean", "minority", "against the mean"):
        run(f"five: {name}", mixed(name), 5)
        run(f"five: {name}, then tuned", train("mlp", thief, 1, 30, start=mixed(name)), 5)
        run(f"five: {name}, noise 0.1, reordered", reorder(layers, scale=0.5)(noise(0.1)(mixed(name), rng), rng), 5)
    run("distilled into a new network", model.networks.distil("mlp", five[0], model.data.train[0], 1, 40))


def innocents(options: argparse.Namespace) -> None:
    """Scores of fresh licensees against four copies, and how often they pass bounds of 10^-1 to 10^-7.

    The first `--derived` words are derived from names, as for licensees; the others are drawn from one stream, which is faster.
    """
    rng = np.random.default_rng(options.seed)
    fp = Fingerprints(FingerprintKey(options.seed.to_bytes(32, "big")), b"innocents" + bytes(23))
    words = [fp.code.word(f"guilty-{n}").astype(np.float64) for n in range(5)]
    copies = {"one copy": words[0], "one copy in noise": words[0] + rng.normal(0, 5, CHIPS), "five, against most": np.median(words, axis=0) * -1,
              "noise with far values": rng.standard_t(1.5, CHIPS)}  # fmt: skip
    copies = {name: seen / np.linalg.norm(seen) for name, seen in copies.items()}
    tails = {name: Tail.of(seen, fp.code.bias) for name, seen in copies.items()}
    levels = [10.0**-k for k in range(1, 8)]
    limits = np.array([[tails[n].threshold(level) for level in levels] for n in copies])
    accusing = np.array([tails[n].threshold(FALSE_ACCUSATION / LICENSEES) for n in copies])
    matrix = np.stack([seen / np.sqrt(fp.code.bias * (1 - fp.code.bias)) for seen in copies.values()]).astype(
        np.float32
    )
    centre = matrix.astype(np.float64) @ fp.code.bias
    passed, named, highest, step, begun = (
        np.zeros(limits.shape, int),
        np.zeros(len(copies), int),
        np.full(len(copies), -np.inf),
        100,
        time.process_time(),
    )
    for at in range(0, options.innocents, step):
        if at < options.derived:
            bits = fp.code._bits([f"innocent-{n}" for n in range(at, at + step)])
        else:
            drawn = stream((options.seed << 64 | at).to_bytes(32, "big"), step * CHIPS)
            bits = np.frombuffer(drawn, np.uint8).reshape(step, CHIPS) < fp.code._limits
        scores = (matrix @ bits.T.astype(np.float32)).astype(np.float64) - centre[:, None]
        passed += (scores[:, None, :] >= limits[:, :, None]).sum(axis=2)
        named += (scores >= accusing[:, None]).sum(axis=1)
        highest = np.maximum(highest, scores.max(axis=1))
    print(f"seed {options.seed}: {options.innocents:,} innocents, {time.process_time() - begun:.0f} s CPU")
    for row, name in enumerate(copies):
        rates = ", ".join(
            f"{level:g}: {count / options.innocents:.2g}" for level, count in zip(levels, passed[row], strict=True)
        )
        print(
            f"  {name:24s} named {named[row]}; highest {highest[row]:.2f}, named from {accusing[row]:.2f}; bound: share as high  {rates}"
        )


def speed(options: argparse.Namespace) -> None:
    """100 MB of float32 in 24 matrices: mark, and trace among 10,000 licensees. CPU seconds, start-up not included."""
    from safetensors.numpy import save_file

    from countermark.lifecycle import fingerprint

    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        at, key = Path(folder), FingerprintKey(bytes(32))
        save_file({f"{n}": rng.standard_normal((1024, 1024), np.float32) for n in range(24)}, at / "m.safetensors")
        (at / "list").write_text("".join(f"plant-{n}\n" for n in range(LICENSEES)))
        begun, wall = time.process_time(), time.perf_counter()
        fingerprint.mark(at / "m.safetensors", "plant-7", key, at / "c.safetensors")
        marked, wall_marked = time.process_time(), time.perf_counter()
        found = fingerprint.trace(
            at / "c.safetensors", at / "m.safetensors", key, fingerprint.read_licensees(at / "list")
        )
        assert [one.licensee for one in found.traced.named] == ["plant-7"]
        print(f"100 MB: marked in {marked - begun:.2f} s CPU ({wall_marked - wall:.2f} s wall), traced in {time.process_time() - marked:.2f} s CPU "
              f"({time.perf_counter() - wall_marked:.2f} s wall); peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["copies", "coalitions", "adaptive", "innocents", "speed"])
    parser.add_argument("--kind", choices=["mlp", "convnet", "transformer"], default="mlp")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--copies", type=int, default=40)
    parser.add_argument("--tuned", type=int, default=20)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 5, 8, 12])
    parser.add_argument("--strength", type=float, default=STRENGTH)
    parser.add_argument("--innocents", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=300.0, help="of copies: no new one is begun after so long")
    parser.add_argument("--derived", type=int, default=200_000)
    options = parser.parse_args()
    {"copies": copies, "coalitions": coalitions, "adaptive": adaptive, "innocents": innocents, "speed": speed}[
        options.what
    ](options)


if __name__ == "__main__":
    main()
