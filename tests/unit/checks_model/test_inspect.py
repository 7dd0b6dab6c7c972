"""Inspection: every file answered, every check an outcome, and no answer that was not earned."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import sys
from pathlib import Path

import pytest

from countermark.canonical import to_bytes
from countermark.checks.model import _look, inspect
from countermark.checks.model._check import look_from_json
from countermark.checks.model.inspect import CHECKS, inspect_files, inspect_path
from countermark.errors import StatementRefused, Unusable
from countermark.finding import Failed, Found, Passed, Skipped
from countermark.formats.source import Memory
from countermark.sandbox.limits import ChildFailed, Limits


def _load(name):
    path = Path(__file__).parents[3] / "attacks" / "formats" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"attack_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


models = _load("models")
ATTACKS = models.attacks()
GOOD = {
    "model.onnx": models.onnx(models.field(1, models.node("Relu")) + models.field(5, models.tensor())),
    "weights.safetensors": models.safetensors({"a": models.entry(0, 4)}, b"abcd"),
    "mean.npy": models.ARRAY,
    "more.npz": models.zipped({"a.npy": models.ARRAY}, compress=True),
    "README.md": b"# Ein Modell\n",
    "config.json": b'{"classes": 3}',
}


def both(files: dict[str, bytes]):
    """The same files inspected in this process and in a confined child; both must agree."""
    here = inspect_files([(p, Memory(d)) for p, d in files.items()], confined=False)
    there = inspect_files([(p, Memory(d)) for p, d in files.items()])
    assert to_bytes(here.to_json()) == to_bytes(there.to_json())
    assert here.confinement is None
    assert there.confinement is not None
    return there


def test_a_clean_folder_is_proven():
    seen = both(GOOD)
    answers = {answer.path: answer.answer for answer in seen.files}
    assert answers == dict.fromkeys(GOOD, "proven") | {
        "README.md": "not model content", "config.json": "not model content"
    }  # fmt: skip
    assert seen.exit_code == 0
    assert set(seen.checks) == set(CHECKS)
    assert all(isinstance(outcome, Passed) for outcome in seen.checks.values())
    assert seen.checks["model/onnx"].measures[1].value == len(GOOD["model.onnx"])


def test_every_hostile_file_is_named_under_its_rule():
    seen = both({name: attack.data for name, attack in ATTACKS.items()})
    rules = {}
    for finding in seen.findings:
        rules.setdefault(finding.where.path, set()).add(finding.rule)
    by_path = {answer.path: answer for answer in seen.files}
    for name, attack in ATTACKS.items():
        answer = by_path[name]
        if answer.answer == "unproven":
            assert attack.rule.startswith(("limit-", "onnx-unknown", "onnx-external")), name
            assert answer.why
        else:
            assert answer.answer == "refused", name
            assert attack.rule in rules[name], name
    assert seen.exit_code == 1
    assert not any(isinstance(outcome, Failed) for outcome in seen.checks.values())


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_no_hostile_file_alone_is_fine(name):
    seen = inspect_files([(name, Memory(ATTACKS[name].data))], confined=False)
    assert seen.exit_code in (1, 3)


def test_findings_tell_the_byte_the_reason_and_the_mend():
    seen = inspect_files([("m.safetensors", Memory(ATTACKS["gap.safetensors"].data))], confined=False)
    (finding,) = seen.findings
    assert (finding.check, finding.rule, finding.where.path) == (
        "model/safetensors",
        "safetensors-cover",
        "m.safetensors",
    )
    assert finding.where.offset is not None
    assert finding.why
    assert finding.fix
    (pickle,) = inspect_files([("m.pkl", Memory(models.PICKLE))], confined=False).findings
    assert "convert to safetensors" in pickle.fix
    assert pickle.cannot_tell


@pytest.mark.parametrize(
    ("data", "format"),
    [(b"GGUF\x09\0\0\0" + bytes(50), "gguf"), (b"\x89HDF\r\n\x1a\n" + bytes(50), "hdf5"), (bytes(range(99, 255)), "unknown")],
    ids=["gguf", "hdf5", "unknown"],
)  # fmt: skip
def test_an_unread_format_is_unproven_and_never_clean(data, format):
    seen = both({"model.dat": b"\xfe" + data if format == "unknown" else data})
    assert (seen.files[0].format, seen.files[0].answer) == (format, "unproven")
    assert isinstance(seen.checks["model/coverage"], Skipped)
    assert seen.exit_code == 3


def test_nothing_to_prove_is_inconclusive():
    for files in ({}, {"README.md": b"text"}):
        seen = both(files) if files else inspect_files([])
        assert seen.exit_code == 3
        assert "no model file" in seen.checks["model/coverage"].reason


def _outside(**more):
    tensors = models.field(5, models.tensor((4,), None, models.external("w.bin", **more)))
    return models.onnx(models.field(1, models.node("Relu")) + tensors)


def test_external_data_is_proven_where_every_byte_belongs_to_a_tensor():
    weights = bytes(range(200, 216))
    seen = both({"m/model.onnx": _outside(), "m/w.bin": weights})
    assert {a.path: (a.format, a.answer) for a in seen.files} == {
        "m/model.onnx": ("onnx", "proven"), "m/w.bin": ("onnx external data", "proven")
    }  # fmt: skip
    assert seen.exit_code == 0
    padded = both({"model.onnx": _outside(offset="4096", length="16"), "w.bin": bytes(4096) + weights})
    assert padded.exit_code == 0
    hidden = both({"model.onnx": _outside(offset="16"), "w.bin": b"\xfeecret bytes...." + weights})
    assert hidden.exit_code == 3
    assert "bytes 0 to 16 belong to no tensor" in hidden.files[1].why


def test_external_data_that_is_not_there_or_not_enough_refuses_the_model():
    for files, rule in (({}, "missing"), ({"w.bin": b"\xfe" * 15}, "outside"), ({"x/w.bin": b"\xfe" * 16}, "missing")):
        seen = both({"model.onnx": _outside(), **files})
        assert [f.rule for f in seen.findings] == [rule]
        assert next(a for a in seen.files if a.path == "model.onnx").answer == "refused"


def test_external_data_with_a_second_name_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(_outside())
    (tmp_path / "elsewhere").write_bytes(b"\xfe" * 16)
    (tmp_path / "w.bin").hardlink_to(tmp_path / "elsewhere")
    assert "hard-link" in {f.rule for f in inspect_path(tmp_path).findings}


def test_a_folder_is_walked_without_following_anything(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "evil.pkl").write_bytes(models.PICKLE)
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "w.safetensors").write_bytes(GOOD["weights.safetensors"])
    assert inspect_path(folder).exit_code == 0
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "fifo")
    os.close(os.open(os.fsencode(folder) + b"/\xff.npy", os.O_CREAT | os.O_WRONLY))
    seen = inspect_path(folder)
    assert [answer.path for answer in seen.files] == ["sub/w.safetensors"]
    assert isinstance(seen.checks["model/files"], Found)
    assert [f.where.path for f in seen.findings] == ["\\udcff.npy", "fifo", "link"]
    assert seen.exit_code == 1


def test_one_file_a_link_and_nothing(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(GOOD["weights.safetensors"])
    seen = inspect_path(path)
    assert (seen.exit_code, seen.files[0].path) == (0, "w.safetensors")
    assert seen.files[0].sha256 == Memory(GOOD["weights.safetensors"]).sha256
    (tmp_path / "l").symlink_to(path)
    assert inspect_path(tmp_path / "l").exit_code == 1
    with pytest.raises(Unusable):
        inspect_path(tmp_path / "nowhere")


def test_a_crossed_budget_is_unproven_and_named(tmp_path):
    big = models.safetensors({f"t{i}": models.entry(i, i + 1) for i in range(200_000)}, bytes(200_000))
    seen = inspect_files(
        [("big.safetensors", Memory(big)), ("w.safetensors", Memory(GOOD["weights.safetensors"]))],
        limits=Limits(memory_bytes=96 << 20),
    )
    assert [a.answer for a in seen.files] == ["unproven", "proven"]
    assert "memory bytes" in seen.files[0].why
    assert seen.exit_code == 3


def test_a_reader_that_dies_is_a_failure_and_costs_one_file(monkeypatch):
    real = inspect.Child

    class Mortal(real):
        def ask(self, task, request, blobs=(), *, sources=()):
            if request["path"] == "deadly":
                return super().ask("countermark.sandbox._selfcheck:misbehave", {"how": "die"})
            return super().ask(task, request, blobs, sources=sources)

    monkeypatch.setattr(inspect, "Child", Mortal)
    seen = inspect_files([("deadly", Memory(b"x")), ("w.safetensors", Memory(GOOD["weights.safetensors"]))])
    assert [a.answer for a in seen.files] == ["unproven", "proven"]
    assert isinstance(seen.checks["model/coverage"], Failed)
    assert "deadly" in seen.checks["model/coverage"].error
    assert seen.exit_code == 3
    assert issubclass(ChildFailed, Exception)


def test_what_a_child_says_is_not_trusted():
    good = _look.look_at("a.pkl", Memory(models.PICKLE)).to_json()
    assert look_from_json(json.loads(json.dumps(good))).answer == "refused"
    for key, value in (("answer", "clean"), ("why", 5), ("claims", [[1]]), ("counts", [["a", -1]]), ("findings", [{}])):
        with pytest.raises(StatementRefused):
            look_from_json({**good, key: value})


def test_the_same_files_give_the_same_bytes_in_any_order():
    files = [(p, Memory(d)) for p, d in GOOD.items()]
    first, second = inspect_files(files), inspect_files(files[::-1], confined=False)
    assert to_bytes(first.to_json()) == to_bytes(second.to_json())
    entry = first.to_json()["checks"]["model/onnx"]
    assert entry["version"] == 1
    assert len(entry["code"]) == 64


def test_the_hopping_polyglot_is_real_on_both_sides():
    import pickletools

    data = models.second_pickle()
    named = [str(argument) for code, argument, _ in pickletools.genops(data) if code.name == "GLOBAL"]
    assert named == ["posix system"]
    library = pytest.importorskip("safetensors", reason="safetensors is not installed")
    assert [name for name, _ in library.deserialize(data)] == ["b"]


@pytest.mark.parametrize(
    ("path", "data", "answer"),
    [
        ("config.json", b'{"trust_remote_code": false, "auto_map": {}}', "not model content"),
        ("config.json", b'{"a": [{"_target_": "os.system"}]}', "refused"),
        ("config.json", b"not json {", "not model content"),
        ("config.yaml", b"a: 1", "not model content"),
        ("notes.md", b'"auto_map" is a key of some settings', "not model content"),
    ],
)
def test_settings_that_name_code(path, data, answer):
    assert both({path: data}).files[0].answer == answer


def test_real_pickles_of_every_kind_are_recognised():
    joblib = pytest.importorskip("joblib", reason="needs the screen extra")
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        out = io.BytesIO()
        joblib.dump({"weights": list(range(1000))}, out, compress=compress)
        seen = inspect_files([("m.joblib", Memory(out.getvalue()))], confined=False)
        assert [(f.answer, f.format.split()[0]) for f in seen.files] == [("proven", seen.files[0].format.split()[0])], (
            compress
        )


def test_every_check_has_its_file_and_its_page():
    package = Path(inspect.__file__).parent
    pages = Path(__file__).parents[3] / "docs" / "reference" / "checks"
    for check in CHECKS:
        name = check.removeprefix("model/")
        assert (package / f"{name.replace('-', '_')}.py").is_file(), check
        text = (pages / f"{check}.md").read_text()
        assert f"# `{check}`" in text
        assert "**Cannot tell:**" in text


def test_a_report_names_the_lists_that_it_went_by(tmp_path):
    (tmp_path / "a.pkl").write_bytes(models.PICKLE)
    lists = inspect_path(tmp_path).to_json()["lists"]
    folder = Path(inspect.__file__).parent / "names"
    assert lists == {place.name: hashlib.sha256(place.read_bytes()).hexdigest() for place in folder.iterdir()}
