"""ART's poison detectors on one poisoned set, run by `screening_art.py` in ART's own environment; it knows nothing of Countermark.

    python benchmarks/art_peer.py SET.npz        (images uint8 (n, h, w) or (n, h, w, 3), label (n,), seed ()) -> JSON on stdout

A small network is trained on the poisoned rows, as ART's examples do; then SpectralSignatureDefense (as shipped, and on the same
activations less their mean) and ActivationDefence, both with their defaults, look at its last inner layer.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense
from art.estimators.classification import PyTorchClassifier

EPOCHS = 6


def network(channels: int, side: int, classes: int) -> torch.nn.Sequential:
    """Two convolutions, a hidden layer of 128, the classes."""
    flat = 32 * (side // 4) ** 2
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(flat, 128), torch.nn.ReLU(), torch.nn.Linear(128, classes),
    )  # fmt: skip


def main() -> None:
    """Train, detect, print."""
    given = np.load(sys.argv[1])
    torch.manual_seed(int(given["seed"]))
    np.random.seed(int(given["seed"]))
    torch.set_num_threads(1)
    images, label = given["images"].astype(np.float32) / 255, given["label"]
    x = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    classes = int(label.max()) + 1
    net = network(x.shape[1], x.shape[2], classes)
    known = PyTorchClassifier(
        net,
        torch.nn.CrossEntropyLoss(),
        x.shape[1:],
        classes,
        torch.optim.Adam(net.parameters(), 1e-3),
        clip_values=(0, 1),
    )
    y = np.eye(classes, dtype=np.float32)[label]
    known.fit(x, y, batch_size=64, nb_epochs=EPOCHS)
    spectral = SpectralSignatureDefense(known, x, y)
    _, kept = spectral.detect_poison()
    inner = known.get_activations(x, layer=len(known.layer_names) - 2, batch_size=128)
    scores: dict[str, np.ndarray] = {"as shipped": np.zeros(len(x)), "centred": np.zeros(len(x))}
    for c in range(classes):
        rows = np.flatnonzero(label == c)
        for name, values in (("as shipped", inner[rows]), ("centred", inner[rows] - inner[rows].mean(axis=0))):
            found = np.asarray(SpectralSignatureDefense.spectral_signature_scores(values), np.float64).ravel()
            scores[name][rows] = found / max(float(np.median(found)), 1e-12)
    _, clean = ActivationDefence(known, x, y).detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")
    json.dump(
        {
            "accuracy": float((known.predict(x).argmax(axis=1) == label).mean()),
            "scores": {name: np.round(values, 6).tolist() for name, values in scores.items()},
            "flags": {"spectral": [int(not k) for k in kept], "activation": [int(not k) for k in clean]},
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
