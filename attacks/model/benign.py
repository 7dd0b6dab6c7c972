"""Well-formed files that ordinary people have: what an inspection must not refuse, and should prove.

Layouts of torch are put together here as `torch.save` writes them; pickles, arrays and estimators are written by the
libraries themselves, where they are installed.
"""

from __future__ import annotations

import bz2
import collections
import datetime
import decimal
import fractions
import gzip
import io
import lzma
import pickle
import struct
import uuid
import warnings
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from carriers import MAGIC, PROTOCOL, SYSTEM, lz4, npy, tarred, tensor, torch_zip, zfile, zipped
from streams import name, text

PLAIN = {
    "numbers": [0, -1, 255, 1 << 40, -(1 << 70), 1.5, float("inf"), True, None], "texts": ["", "ä", "x" * 70_000, "\ud800"],
    "bytes": [b"", b"x" * 300, bytearray(b"abc")], "nested": {"a": [{"b": (1, 2, (3,))}] * 5, "c": {1, 2}, "d": frozenset("ab")},
    "rows": [{"id": i, "score": i / 7, "label": f"part-{i % 9}"} for i in range(3000)], "shared": [[1]] * 100,
    "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=2)), "counter": collections.Counter("abracadabra"),
    "deque": collections.deque([1, 2], 5), "default": collections.defaultdict(list, a=[1]), "complex": [1j, range(5), slice(1, 2)],
    "metadata": {"date": "2026-11-27", "metrics": {"auc": 0.93}, "os": "linux", "eval": "test", "system": "x86", "__import__": "no"},
}  # fmt: skip
STANDARD = {
    "dates": [datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC), datetime.timedelta(3), datetime.date(2026, 1, 1)],
    "paths": [PurePosixPath("a/b"), uuid.UUID(int=5)], "exact": [decimal.Decimal("1.5"), fractions.Fraction(1, 3)],
}  # fmt: skip


def benign() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file that can be made here."""
    yield from _plain()
    yield from _torch()
    yield from _wrapped()
    for made in (_numpy, _joblib, _sklearn):
        try:
            yield from made()
        except ImportError:
            continue


def _plain() -> Iterator[tuple[str, bytes]]:
    for title, value in PLAIN.items():
        for protocol in (0, 2, 4, 5):
            yield f"{title}-{protocol}.pkl", pickle.dumps(value, protocol)
    for title, value in STANDARD.items():
        yield f"{title}.pkl", pickle.dumps(value)
    yield "several.pkl", b"".join(pickle.dumps(value) for value in PLAIN.values())
    yield "from-python-2.pkl", b"(dp0\nS'weights'\np1\n(lp2\nF0.5\naF1.5\nasS'name'\np3\nVm\\xe4\np4\ns."
    yield "class.pkl", pickle.dumps({"kind": collections.OrderedDict, "type": int})


def state(*tensors: tuple[str, bytes]) -> bytes:
    """A state dictionary, without protocol and STOP."""
    items = b"".join(text(key) + value for key, value in tensors)
    return name("collections", "OrderedDict") + b")R(" + items + b"u"


def legacy(body: bytes, keys: list[str], storages: list[tuple[int, bytes]]) -> bytes:
    """As torch.save laid it out before 1.6."""
    listed = b"\x80\x02](" + b"".join(text(key) for key in keys) + b"e."
    return (
        MAGIC
        + PROTOCOL
        + SYSTEM
        + b"\x80\x02"
        + body
        + b"."
        + listed
        + b"".join(struct.pack("<q", n) + raw for n, raw in storages)
    )


def _torch() -> Iterator[tuple[str, bytes]]:
    one, two = tensor(6, (2, 3), (3, 1)), tensor(4, (4,), (1,), key="1")
    body, raw = state(("w", one), ("b", two)), {"0": bytes(24), "1": bytes(16)}
    yield "state.pt", torch_zip(b"\x80\x02" + body + b".", raw)
    yield (
        "view.pt",
        torch_zip(
            b"\x80\x02" + state(("w", tensor(6, (3, 2), (1, 3))), ("v", tensor(6, (2,), (1,), 4))) + b".",
            {"0": bytes(24)},
        ),
    )
    yield "scalar.pt", torch_zip(b"\x80\x02" + tensor(1, (), ()) + b".", {"0": bytes(4)})
    yield "empty.pt", torch_zip(b"\x80\x02" + tensor(0, (0, 5), (5, 1)) + b".", {"0": b""})
    expanded = torch_zip(b"\x80\x02" + tensor(1, (1000, 1000), (0, 0)) + b".", {"0": bytes(4)})
    yield "expanded.pt", expanded
    parameter = (
        name("torch._utils", "_rebuild_parameter") + b"(" + one + b"\x88" + name("collections", "OrderedDict") + b")RtR"
    )
    yield "parameter.pt", torch_zip(b"\x80\x02" + state(("w", parameter)) + b".", {"0": bytes(24)})
    checkpoint = (
        b"}("
        + text("model")
        + body
        + text("epoch")
        + b"K\x05"
        + text("lr")
        + b"G"
        + struct.pack(">d", 0.1)
        + text("dtype")
        + name("torch", "float32")
        + b"u"
    )
    yield "checkpoint.ckpt", torch_zip(b"\x80\x02" + checkpoint + b".", raw)
    module = (
        name("torch.nn.modules.linear", "Linear")
        + b")\x81}("
        + text("training")
        + b"\x88"
        + text("_parameters")
        + state(("weight", parameter))
        + b"ub"
    )
    yield "module.pt", torch_zip(b"\x80\x02" + module + b".", {"0": bytes(24)})
    yield "pickles.bin", torch_zip(b"\x80\x02" + body + b".", raw)
    yield "legacy.pth", legacy(body, ["0", "1"], [(6, bytes(24)), (4, bytes(16))])
    yield "legacy-none.pth", legacy(b"}", [], [])
    code = b"class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n" \
           b"    y = torch.add(torch.relu(x), 1.5, alpha=1)\n    if bool(torch.gt(torch.sum(y), 0)):\n      _0 = torch.mul(y, 2)\n    else:\n      _0 = y\n    return _0\n"  # fmt: skip
    data = b"\x80\x02c__torch__\nM\n)\x81}(" + text("training") + b"\x88ub."
    debug = b"\x80\x02(X\x18\0\0\0FORMAT_WITH_STRING_TABLE)t."
    beside = {"constants.pkl": b"\x80\x02).", "code/__torch__.py": code, "code/__torch__.py.debug_pkl": debug}
    yield "script.pt", torch_zip(data, None, beside)


def _wrapped() -> Iterator[tuple[str, bytes]]:
    value = pickle.dumps(PLAIN["rows"])
    wraps = {
        "gz": lambda d: gzip.compress(d, mtime=0),
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "z": zlib.compress,
        "lz4": lz4,
        "zf": zfile,
    }
    for end, wrap in wraps.items():
        yield f"rows.pkl.{end}", wrap(value)
    yield "models.zip", zipped({"a/rows.pkl": value, "README.md": b"# hello\n"}, compress=True)
    yield "models.tar", tarred(("a/rows.pkl", value, b"0", ""), ("README.md", b"hello", b"0", ""))
    yield "models.tar.gz", gzip.compress(tarred(("a/rows.pkl", value, b"0", "")), mtime=0)
    yield "zip-in.tar", tarred(("a.npz", zipped({"a.npy": npy("'<f4'", bytes(4))}), b"0", ""))
    yield "structured.npy", npy("[('a', '<f4'), ('b', '<i8', (2,))]", bytes(20))
    yield "zip-of-npz.zip", zipped({"x.npz": zipped({"a.npy": npy("'<f4'", bytes(4))})})


def _numpy() -> Iterator[tuple[str, bytes]]:
    import numpy as np

    rng = np.random.default_rng(5)
    arrays = {
        "floats": rng.random((40, 3)), "fortran": np.asfortranarray(rng.random((4, 5))), "integers": np.arange(9, dtype=np.int16), "texts": np.array(["a", "bcd"]),
        "times": np.array(["2026-11-27"], dtype="datetime64[D]"), "objects": np.array(["a", None, 3], dtype=object), "empty": np.zeros((0, 3)),
        "records": np.zeros(3, dtype=[("a", "<f4"), ("b", "U5")]), "mixed": np.zeros(2, dtype=[("a", "<f4"), ("b", "O")]), "scalar": np.float64(3.5),
        "masked": np.ma.masked_array([1, 2], [0, 1]), "bools": np.array([True, False]), "big-endian": np.arange(3, dtype=">f4"),
    }  # fmt: skip
    for title, array in arrays.items():
        for protocol in (2, 5):
            yield f"numpy-{title}-{protocol}.pkl", pickle.dumps({"x": array}, protocol)
        if title not in ("masked",):
            out = io.BytesIO()
            np.save(out, array, allow_pickle=True)
            yield f"{title}.npy", out.getvalue()
    out = io.BytesIO()
    np.savez_compressed(out, **{k: a for k, a in arrays.items() if k not in ("masked",)}, allow_pickle=True)
    yield "arrays.npz", out.getvalue()
    yield "random-states.pkl", pickle.dumps([rng, np.random.RandomState(3)])


def _joblib() -> Iterator[tuple[str, bytes]]:
    import joblib
    import numpy as np

    value = {
        "w": np.arange(3000.0).reshape(30, 100),
        "o": np.array(["a", None], dtype=object),
        "r": np.zeros(3, dtype=[("a", "<f4"), ("b", "i8")]),
        "n": 5,
    }
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 1), ("lzma", 1)):
        out = io.BytesIO()
        joblib.dump(value, out, compress=compress)
        yield f"arrays-{compress if isinstance(compress, int) else compress[0]}.joblib", out.getvalue()


def _sklearn() -> Iterator[tuple[str, bytes]]:
    import joblib
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        IsolationForest,
        RandomForestClassifier,
    )
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(6)
    x, y = rng.random((60, 4)), np.arange(60) % 2
    models = [
        KMeans(2, n_init=1), PCA(2), GradientBoostingClassifier(n_estimators=3), HistGradientBoostingClassifier(max_iter=3), IsolationForest(n_estimators=3),
        RandomForestClassifier(3), SelectKBest(f_classif, k=2), LogisticRegression(), Ridge(), GaussianNB(), KNeighborsClassifier(3), MLPClassifier((4,), max_iter=3),
        make_pipeline(StandardScaler(), SVC()), DecisionTreeClassifier(), GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [0]), (StandardScaler(), [1, 2, 3])),
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in models:
            model.fit(x, y)
    models.append(TfidfVectorizer().fit(["a few words", "and more words"]))
    for number, model in enumerate(models):
        title = f"{number:02}-{type(model).__name__}"
        yield f"{title}.pkl", pickle.dumps(model, 2 + number % 4)
        out = io.BytesIO()
        joblib.dump(model, out, compress=number % 2 * 3)
        yield f"{title}.joblib", out.getvalue()
