"""Sealed fields: opened to those named, committed to for all, and equal digests prove what did not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from countermark import canonical, dsse
from countermark.errors import (
    CountermarkError,
    FormatRefused,
    SignatureRefused,
    StatementRefused,
    TrustRefused,
    Unusable,
)
from countermark.keys.signer import generate
from countermark.lifecycle import seal, seal_recipe
from countermark.seal import field_sealing, fields, hpke
from countermark.seal.fields import Document, Field, Opening
from countermark.seal.manifest import by_keys

RECIPE = {
    "train": {"learning_rate": 0.01, "epochs": 3, "note": ""},
    "data": {"augment": ["flip", "blur"], "size": [224, 224]},
    "nothing": {},
    "seed": 6,
}
SEALER = "5e" * 32
ISSUED = "2026-11-27T00:00:00Z"
OWNER, AUDITOR, TRAINER = hpke.generate(), hpke.generate(hpke.P256), hpke.generate()
OWNER_TO, AUDITOR_TO, TRAINER_TO = (
    hpke.HpkeRecipient(name, key.public) for name, key in (("owner", OWNER), ("auditor", AUDITOR), ("trainer", TRAINER))
)
CHOSEN = {("train", "learning_rate"): (OWNER_TO, TRAINER_TO), ("data",): (AUDITOR_TO, OWNER_TO)}


def made(value: dict[str, object] | None = None, before: tuple[Opening, ...] = ()) -> Document:
    return field_sealing.seal(
        value or RECIPE, CHOSEN, name="recipe.toml", sealer=SEALER, project="", issued=ISSUED, before=before
    )


def paths(openings: tuple[Opening, ...]) -> set[str]:
    return {".".join(one.path) for one in openings}


def test_each_party_opens_its_own_fields() -> None:
    document = Document.from_bytes(made().to_bytes())
    open_to_all = {"train.epochs", "train.note", "nothing", "seed"}
    assert paths(fields.opened(document, OWNER)) == open_to_all | {"train.learning_rate", "data.augment", "data.size"}
    assert paths(fields.opened(document, AUDITOR)) == open_to_all | {"data.augment", "data.size"}
    assert paths(fields.opened(document, TRAINER)) == open_to_all | {"train.learning_rate"}
    assert paths(fields.opened(document, hpke.generate())) == open_to_all
    assert fields.joined(fields.opened(document, OWNER)) == RECIPE


def test_no_sealed_value_shows() -> None:
    text = made().to_bytes()
    assert b"0.01" not in text and b"flip" not in text and b'"epochs"' in text
    one, two = made(), made()
    assert one.same(two)[0] == ()  # salts are fresh: equal values are not seen to be equal by themselves


def test_what_did_not_change_is_proven_to_all() -> None:
    before = made()
    later = {**RECIPE, "train": {**RECIPE["train"], "epochs": 5}}  # type: ignore[dict-item]
    after = made(later, fields.opened(before, OWNER))
    same, others = after.same(before)
    assert ("train", "learning_rate") in same and ("data", "augment") in same
    assert others == (("train", "epochs"),)
    changed = made({**RECIPE, "train": {**RECIPE["train"], "learning_rate": 0.1}}, fields.opened(before, OWNER))  # type: ignore[dict-item]
    assert changed.same(before)[1] == (("train", "learning_rate"),)


def test_one_field_is_shown_to_somebody_without_a_key() -> None:
    document = made()
    shown = next(one for one in document.fields if one.path == ("train", "learning_rate"))
    told = next(one for one in fields.opened(document, OWNER) if one.path == shown.path)
    read = Opening.from_json(canonical.from_bytes(told.to_bytes()))
    fields.check(shown, read, SEALER)
    for lie in (
        dataclasses.replace(read, value=0.02), dataclasses.replace(read, salt=bytes(32)),
        dataclasses.replace(read, path=("train", "epochs")), None,
    ):  # fmt: skip
        with pytest.raises(FormatRefused, match="committed"):
            fields.check(shown, lie, SEALER)


def test_a_signer_cannot_show_two_values(tmp_path: Path) -> None:
    """An open value beside another digest, a sealed one beside another digest, fields exchanged: each refused."""
    del tmp_path
    document = made()
    (seed,) = (one for one in document.fields if one.path == ("seed",))
    said = canonical.from_bytes(document.to_bytes())
    for one in said["fields"]:
        if one["path"] == ["seed"]:
            one["value"] = 7
    with pytest.raises(FormatRefused):
        Document.from_bytes(canonical.to_bytes(said))
    held = [one for one in document.fields if one.opening is None and one.group == 0]
    rest = [one for one in document.fields if one not in held]
    assert len(held) == 2 and seed in rest
    swapped = (
        Field(held[0].path, held[0].digest, None, 0, held[1].sealed), Field(held[1].path, held[1].digest, None, 0, held[0].sealed)
    )  # fmt: skip
    bad = dataclasses.replace(document, fields=tuple(sorted((*rest, *swapped), key=lambda one: one.path)))
    with pytest.raises(FormatRefused, match="does not open"):
        fields.opened(bad, OWNER)
    renamed = (dataclasses.replace(held[0], digest="ab" * 32), held[1])
    bad = dataclasses.replace(document, fields=tuple(sorted((*rest, *renamed), key=lambda one: one.path)))
    with pytest.raises(FormatRefused, match="does not open"):
        fields.opened(bad, OWNER)


@pytest.mark.parametrize("change", [
    {"format": 2}, {"fields": []}, {"groups": []}, {"name": "x" * 256}, {"more": 1},
    {"fields": [{"path": [], "digest": "00" * 32, "value": 1, "salt": "00" * 32}]},
    {"fields": [{"path": ["a"] * 17, "digest": "00" * 32, "value": 1, "salt": "00" * 32}]},
])  # fmt: skip
def test_parsing_is_strict(change: dict[str, object]) -> None:
    said = canonical.from_bytes(made().to_bytes())
    with pytest.raises((StatementRefused, FormatRefused)):
        Document.from_bytes(canonical.to_bytes({**said, **change}))


def test_fields_do_not_lie_inside_each_other_or_stand_twice() -> None:
    document = made()
    one = Opening(("seed", "x"), 1, bytes(32))
    two = Opening(("seed",), 6, bytes(32))
    for extra in (one, two):
        more = tuple(sorted((*document.fields, Field(extra.path, extra.digest(SEALER), extra)), key=lambda f: f.path))
        with pytest.raises(StatementRefused):
            dataclasses.replace(document, fields=more)


def test_every_changed_byte_of_a_signed_file_is_refused(tmp_path: Path) -> None:
    signer = generate("statement")
    reader = seal.Reader(by_keys([signer.public]))
    source, target = tmp_path / "r.toml", tmp_path / "r.toml.cmfields"
    source.write_text("[train]\nlearning_rate = 0.01\nepochs = 3\n")
    seal_recipe.seal(source, target, {"train.learning_rate": [OWNER_TO]}, seal.Sealer([signer], "", ISSUED))
    good = target.read_bytes()
    assert fields.joined(seal_recipe.opened(target, reader, OWNER)[1]) == {
        "train": {"learning_rate": 0.01, "epochs": 3}
    }
    for at in range(0, len(good), 7):
        target.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            assert seal_recipe.verified(target, reader)[0].to_bytes() == dsse.Envelope.from_bytes(good).payload
        except CountermarkError:
            continue
    target.write_bytes(good)
    with pytest.raises(SignatureRefused):
        seal_recipe.verified(target, seal.Reader(by_keys([generate("statement").public])))
    with pytest.raises(TrustRefused, match="another project"):
        seal_recipe.verified(target, dataclasses.replace(reader, project="ab" * 32))
    with pytest.raises(Unusable, match="exists"):
        seal_recipe.seal(source, target, {"train": [OWNER_TO]}, seal.Sealer([signer], "", ISSUED))


@pytest.mark.parametrize(("name", "text", "value"), [
    ("a.toml", "[a]\nb = 1.5\nc = [1, 2]\n", {"a": {"b": 1.5, "c": [1, 2]}}),
    ("a.yaml", "a:\n  b: 1.5\n  c: [1, 2]\n  d: yes\n", {"a": {"b": 1.5, "c": [1, 2], "d": True}}),
    ("a.json", '{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
])  # fmt: skip
def test_files_are_read(tmp_path: Path, name: str, text: str, value: object) -> None:
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    assert seal_recipe.parse(tmp_path / name) == value


@pytest.mark.parametrize(("name", "text"), [
    ("a.toml", "x = 2026-11-27\n"), ("a.toml", "x = nan\n"), ("a.toml", "x ="), ("a.toml", ""), ("a.toml", "x = 99999999999999999999\n"),
    ("a.yaml", "a: &x [1]\nb: *x\n"), ("a.yaml", "a: !!python/object:os.system {}\n"), ("a.yaml", "a: 1\na: 2\n"),
    ("a.yaml", "a: 2026-11-27\n"), ("a.yaml", "- 1\n"), ("a.yaml", "a: [\n"), ("a.yaml", "a: 1\n---\nb: 2\n"), ("a.yaml", "? [1, 2]\n: 3\n"),
    ("a.json", '{"a": 1, "a": 2}'), ("a.json", "[1]"), ("a.txt", "a"), ("a.yaml", "a: " + "[" * 3000),
])  # fmt: skip
def test_files_that_mean_two_things_or_too_much_are_refused(tmp_path: Path, name: str, text: str) -> None:
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    with pytest.raises((FormatRefused, StatementRefused)):
        seal_recipe.parse(tmp_path / name)


def test_a_path_that_names_nothing_is_refused() -> None:
    with pytest.raises(StatementRefused, match="names no field"):
        field_sealing.seal(RECIPE, {("train", "lr"): (OWNER_TO,)}, name="r", sealer=SEALER, project="", issued=ISSUED)


def test_depth_and_number_are_bounded() -> None:
    deep: dict[str, object] = {"x": 1}
    for _ in range(20):
        deep = {"x": deep}
    for value in (deep, {str(n): n for n in range(fields.MOST_FIELDS + 1)}):
        with pytest.raises(StatementRefused):
            field_sealing.seal(value, {}, name="r", sealer=SEALER, project="", issued=ISSUED)
