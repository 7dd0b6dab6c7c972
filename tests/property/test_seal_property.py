"""Parsers of sealed files: anything is refused by name or read to the same bytes; sealing and opening are inverse."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import canonical
from countermark.errors import CountermarkError
from countermark.keys.signer import generate
from countermark.lifecycle import seal
from countermark.seal import field_sealing, fields, hpke, keyfile, writer
from countermark.seal.header import unpacked
from countermark.seal.manifest import Manifest, by_keys
from countermark.seal.prelude import BYTES, MAGIC, Prelude
from countermark.seal.recipients import Recipients
from countermark.seal.stanza import Binding, Stanza

OWNER, MINE = generate("statement"), hpke.generate()
READER = seal.Reader(by_keys([OWNER.public]))
SEALER = seal.Sealer([OWNER], "", "2026-11-27T00:00:00Z")
NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20) | st.binary(max_size=40).map(bytes.hex),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4), max_leaves=12,
)  # fmt: skip
PARTS = st.fixed_dictionaries({}, optional=dict.fromkeys(("format", "kind", "sealer", "prelude", "size", "hash", "root", "tree", "project", "issued", "asset", "commit", "version", "previous", "recipients", "name", "public", "fields", "groups", "recipient", "key", "wrapped", "licence", "parameters"), JSON))  # fmt: skip


@given(st.binary(max_size=BYTES + 2) | st.binary(min_size=BYTES - 8, max_size=BYTES - 8).map(lambda rest: MAGIC + rest))
def test_a_prelude_is_refused_or_comes_back(data: bytes) -> None:
    try:
        assert Prelude.from_bytes(data).to_bytes() == data
    except CountermarkError:
        return


@given(PARTS | JSON)
@settings(max_examples=300)
def test_documents_are_refused_or_come_back(value: object) -> None:
    try:
        data = canonical.to_bytes(value)
    except CountermarkError:
        return  # half a surrogate pair has no canonical form
    for parse in (
        Manifest.from_bytes,
        Recipients.from_bytes,
        fields.Document.from_bytes,
        keyfile.PublicHalf.from_bytes,
    ):
        try:
            assert parse(data).to_bytes() == data
        except CountermarkError:
            continue
    try:
        Stanza.from_json(value)
    except CountermarkError:
        return


@given(
    st.binary(min_size=4, max_size=5000)
    | st.binary(max_size=200).map(lambda b: len(b).to_bytes(4, "big") + b + bytes(300))
)
def test_secret_headers_are_refused_by_name(data: bytes) -> None:
    try:
        unpacked(memoryview(data))
    except CountermarkError:
        return


@given(st.tuples(st.binary(min_size=32, max_size=32), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
                 st.binary(min_size=32, max_size=32)), st.tuples(
    st.binary(min_size=32, max_size=32), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True), st.binary(min_size=32, max_size=32)))  # fmt: skip
def test_two_bindings_have_two_infos(one: tuple[bytes, str, bytes], two: tuple[bytes, str, bytes]) -> None:
    first, second = (Binding(a, bytes(32), n, d.hex()).info(b"label") for a, n, d in (one, two))
    assert (first == second) == (one == two)


@given(st.dictionaries(NAMES, st.binary(max_size=9000), min_size=1, max_size=4), st.sampled_from([4096, 8192]), st.sampled_from([1, 2]),
       st.sampled_from(["blake3", "sha256"]), st.data())  # fmt: skip
@settings(max_examples=40)
def test_what_was_sealed_is_opened(
    files: dict[str, bytes], chunk: int, suite: int, hashing: str, data: st.DataObject
) -> None:
    folders = {path.partition("/")[0] for path in files if "/" in path}
    files = {path: content for path, content in files.items() if path not in folders}
    if not files:
        return
    with tempfile.TemporaryDirectory() as place:
        asset, target = Path(place) / "a", Path(place) / "a.cmsealed"
        for path, content in files.items():
            (asset / path).parent.mkdir(parents=True, exist_ok=True)
            (asset / path).write_bytes(content)
        form = writer.Form(suite, chunk, hashing)
        seal.seal(asset, target, [hpke.HpkeRecipient("me", MINE.public)], SEALER, kind="other", form=form)
        with seal.opened(target, READER, MINE) as opened:
            assert {path: opened.content(path) for path in opened.paths} == files
            path = data.draw(st.sampled_from(sorted(files)))
            start = data.draw(st.integers(0, len(files[path])))
            stop = data.draw(st.integers(start, len(files[path])))
            assert bytes(opened.read(path, start, stop)) == files[path][start:stop]
            seal.extract(opened, Path(place) / "out")
        assert {p: (Path(place) / "out" / p).read_bytes() for p in files} == files


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6), JSON, min_size=1, max_size=5),
       st.data())  # fmt: skip
@settings(max_examples=60)
def test_fields_come_back(value: dict[str, object], data: st.DataObject) -> None:
    try:
        paths = [path for path, _ in field_sealing.leaves(value)]
        canonical.to_bytes(value)
    except CountermarkError:
        return
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True, max_size=3))
    try:
        made = field_sealing.seal(
            value,
            {path: [hpke.HpkeRecipient("me", MINE.public)] for path in chosen},
            name="r",
            sealer=OWNER.public.id,
            project="",
            issued="2026-11-27T00:00:00Z",
        )
        back = fields.Document.from_bytes(made.to_bytes())
    except CountermarkError:
        return  # a key that no path may hold
    assert fields.joined(fields.opened(back, MINE)) == value
    hidden = {one.path for one in back.fields if one.opening is None}
    assert hidden == set(chosen)
