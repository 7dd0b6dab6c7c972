"""Both sides of each attack: what it does to a sealed file's parts alone, and that the whole refuses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import gcm_forgery
import nonce_again
import pytest
import seal_world
import sealed_mutations
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from seal_world import World

from countermark import dsse
from countermark.errors import (
    CountermarkError,
    FormatRefused,
    NothingToVerify,
    SignatureRefused,
    StatementRefused,
    TrustRefused,
    Unusable,
)
from countermark.keys.signer import generate
from countermark.lifecycle import seal
from countermark.seal import hpke, recipients
from countermark.seal.container import Container
from countermark.seal.header import Header
from countermark.seal.opened import Opened
from countermark.seal.prelude import derive, new_content_key, new_prelude
from countermark.seal.recipients import Recipients

Mutations = Callable[[World], Iterator[tuple[str, bytes]]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return seal_world.make(tmp_path_factory.mktemp("seal") / "world")


@pytest.fixture
def copy(world: World, tmp_path: Path) -> World:
    return world.copy(tmp_path / "copy")


def test_the_world_opens(world: World) -> None:
    assert world.read() == seal_world.FILES
    assert len(sealed_mutations.extents(world)) == 5


@pytest.mark.parametrize(
    "mutations", [sealed_mutations.prelude_bits, sealed_mutations.edges, sealed_mutations.swaps, sealed_mutations.cuts],
    ids=lambda m: m.__name__,
)  # fmt: skip
def test_no_change_of_the_data_is_taken(mutations: Mutations, world: World, copy: World) -> None:
    tried = 0
    for what, data in mutations(world):
        copy.sealed.write_bytes(data)
        assert not copy.taken(), what
        tried += 1
    assert tried >= {"prelude_bits": 960, "edges": 1600, "swaps": 25, "cuts": 30}[mutations.__name__]


@pytest.mark.parametrize("suffix", [seal.MANIFEST, seal.RECIPIENTS])
def test_no_bit_of_manifest_and_stanzas_may_change(suffix: str, world: World) -> None:
    good = {end: world.part(end).read_bytes() for end in (seal.MANIFEST, seal.RECIPIENTS)}
    reader = world.reader

    def taken(data: bytes) -> bool:
        tried = {**good, suffix: data}
        try:
            seal.verified_bytes(tried[seal.MANIFEST], tried[seal.RECIPIENTS], reader)
        except CountermarkError:
            return False
        return True

    whole = good[suffix]
    assert taken(whole)
    assert [what for what, data in sealed_mutations.bits(world.part(suffix), 0, len(whole)) if taken(data)] == []
    for at in range(len(whole)):
        assert not taken(whole[:at] + whole[at + 1 :]) and not taken(whole[:at] + b" " + whole[at:]), at


def test_tags_alone_refuse_swaps_cuts_and_splices_too(world: World, copy: World) -> None:
    """The chunks' own authentication, as if the owner had signed what an attacker without the key made."""
    for what, data in [*sealed_mutations.swaps(world)]:
        sealed_mutations.retold(copy, data, owner=True)
        assert not copy.taken(), what


def test_a_stranger_signs_in_vain(world: World, copy: World) -> None:
    sealed_mutations.retold(copy, world.sealed.read_bytes(), owner=False)
    with pytest.raises(SignatureRefused):
        copy.read()


def test_a_key_holder_forges_a_chunk_for_gcm_and_not_for_the_manifest(world: World, copy: World) -> None:
    said = sealed_mutations.manifest(world)
    key, _ = derive(world.key(), said.prelude.asset, said.prelude.suite, said.prelude.sealer)
    whole = world.sealed.read_bytes()
    begin, end = said.prelude.extent(2, said.size)
    delta = bytes.fromhex("ff" * 16)
    bad = gcm_forgery.forged(bytes(key), whole[begin:end], 3, delta)
    before = AESGCM(bytes(key)).decrypt(said.prelude.nonce(2), whole[begin:end], said.prelude.aad())
    after = AESGCM(bytes(key)).decrypt(said.prelude.nonce(2), bad, said.prelude.aad())  # the tag holds: it is a forgery
    assert bytes(a ^ b for a, b in zip(before, after, strict=True))[48:64] == delta and before != after
    copy.sealed.write_bytes(whole[:begin] + bad + whole[end:])
    with pytest.raises(FormatRefused, match=r"chunk 2 of .* is not the signed one"):
        copy.read()
    sealed_mutations.retold(copy, whole[:begin] + bad + whole[end:], owner=False)
    with pytest.raises(SignatureRefused):
        copy.read()


def test_one_chunk_under_two_keys_is_real_and_the_commitment_refuses_it() -> None:
    one, two = new_content_key(), new_content_key()
    prelude = new_prelude(one, 2, "5e" * 32, chunk=4096)
    keys = tuple(bytes(derive(key, prelude.asset, prelude.suite, prelude.sealer)[0]) for key in (one, two))
    chunk = gcm_forgery.salamander((keys[0], keys[1]), prelude.nonce(1), prelude.aad(), 4096)
    texts = [AESGCM(key).decrypt(prelude.nonce(1), chunk, prelude.aad()) for key in keys]  # both tags hold
    assert texts[0] != texts[1]
    assert prelude.cipher(one)
    with pytest.raises(FormatRefused, match="commits to"):
        prelude.cipher(two)
    mine = hpke.generate()
    stanza = hpke.HpkeRecipient("b", mine.public).wrap(
        two,
        Recipients(
            prelude.asset,
            prelude.commit,
            1,
            None,
            (hpke.HpkeRecipient("b", mine.public).wrap(two, recipients.binding(prelude, "b")),),
        )
        .stanzas[0]
        .bound(prelude),
    )
    listed = Recipients(prelude.asset, prelude.commit, 1, None, (stanza,))
    with pytest.raises(FormatRefused, match="commits to"):
        recipients.content_key(listed, prelude, mine)


def test_rewriting_chunk_0_would_tell_a_header_and_is_refused(world: World, copy: World) -> None:
    said = sealed_mutations.manifest(world)
    before = world.sealed.read_bytes()
    public = b"a header that was published"
    after = nonce_again.rewritten(before, said.prelude, world.key(), public)
    told = nonce_again.told_by_two(before, after, said.prelude, public)
    assert b'"kind":"model"' in told and b"weights.bin" in told  # the old header, read by who has no key
    copy.sealed.write_bytes(after)
    with pytest.raises(FormatRefused, match="chunk 0"):
        copy.read()


def test_no_container_is_ever_written_to_again(world: World, tmp_path: Path) -> None:
    source = world.sealed.parent / "model"
    with pytest.raises(Unusable, match="exists"):
        seal.seal(source, world.sealed, [hpke.HpkeRecipient("a", world.plant.public)], world.sealer, kind="model")
    again = seal_world.make(tmp_path / "again", owner=world.owner)
    one, two = sealed_mutations.manifest(world).prelude, sealed_mutations.manifest(again).prelude
    assert one.asset != two.asset and one.commit != two.commit and world.key() != again.key()


def test_a_chunk_of_another_asset_is_refused(world: World, tmp_path: Path, copy: World) -> None:
    """Same owner, same recipients, same plaintext: chunk 0 (the header) and the others, with and without a fitting table."""
    other = seal_world.make(tmp_path / "other", owner=world.owner)
    mine, theirs = world.sealed.read_bytes(), other.sealed.read_bytes()
    for begin, end in sealed_mutations.extents(world):
        spliced = mine[:begin] + theirs[begin:end] + mine[end:]
        copy.sealed.write_bytes(spliced)
        assert not copy.taken()
        sealed_mutations.retold(copy, spliced, owner=True)
        assert not copy.taken()


def test_no_file_of_another_asset_fits(world: World, tmp_path: Path) -> None:
    other = seal_world.make(tmp_path / "other", owner=world.owner)
    for number, suffix in enumerate(("", seal.MANIFEST, seal.RECIPIENTS)):
        copy = world.copy(tmp_path / f"mixed{number}")
        copy.part(suffix).write_bytes(other.part(suffix).read_bytes())
        assert not copy.taken(), suffix


def test_a_stanza_of_another_asset_does_not_open(world: World, tmp_path: Path) -> None:
    other = seal_world.make(tmp_path / "other", owner=world.owner)
    handle, foreign = (seal.verified(w.sealed, w.reader) for w in (world, other))
    prelude = handle.manifest.prelude
    stanza = foreign.recipients.stanzas[0]
    spliced = dataclasses.replace(handle.recipients, stanzas=(stanza,))
    with pytest.raises((TrustRefused, FormatRefused)):
        recipients.content_key(spliced, prelude, other.plant)


@pytest.mark.parametrize("plain", [b"\x08\0\0\0\0\0\0\0{}      ", b"", b"cmsealed"])
def test_a_plain_file_in_its_place_is_refused(plain: bytes, copy: World) -> None:
    copy.sealed.write_bytes(plain)
    with pytest.raises(FormatRefused):
        copy.read()


def test_without_its_manifest_nothing_is_opened(copy: World) -> None:
    copy.part(seal.MANIFEST).unlink()
    with pytest.raises(NothingToVerify):
        copy.read()


def test_an_old_list_of_the_owner_still_opens_and_that_is_said(copy: World) -> None:
    """No list revokes: whoever keeps an old one opens with it. The words say so."""
    old = copy.part(seal.RECIPIENTS).read_bytes()
    seal.remove(copy.sealed, "plant-7", copy.reader, copy.sealer)
    assert not copy.taken()
    copy.part(seal.RECIPIENTS).write_bytes(old)
    assert copy.taken()
    assert recipients.NOT_REVOKED == "does not revoke what was already held: re-seal for that"


def test_a_swap_between_hash_and_decryption_changes_nothing(world: World, copy: World) -> None:
    said = sealed_mutations.manifest(world)
    key = world.key()
    raw, _ = derive(key, said.prelude.asset, said.prelude.suite, said.prelude.sealer)
    whole = world.sealed.read_bytes()
    begin, end = said.prelude.extent(1, said.size)
    bad = gcm_forgery.forged(bytes(raw), whole[begin:end], 0, b"\xff" * 16)
    leaf = said.hashing().leaf(whole[begin:end])
    swapping = nonce_again.SwappingHash(said.hashing(), copy.sealed, begin, bad)
    caught = nonce_again.careless_load(copy.sealed, said.prelude, key, said.size, swapping, leaf)
    assert caught[:16] != seal_world.FILES["config.json"].ljust(16)[:14] + seal_world.FILES["weights.bin"][:2]
    copy.sealed.write_bytes(whole)
    with Container(copy.sealed, said) as container, Opened(container, key) as files:
        container._hashing = nonce_again.SwappingHash(said.hashing(), copy.sealed, begin, bad)  # type: ignore[assignment]
        assert files.content("config.json") == seal_world.FILES["config.json"]
        assert copy.sealed.read_bytes() != whole
        with pytest.raises(FormatRefused, match="chunk 1"):
            files.content("config.json")


def test_a_failure_leaves_no_plaintext(world: World, copy: World) -> None:
    said = sealed_mutations.manifest(world)
    whole = bytearray(world.sealed.read_bytes())
    whole[said.prelude.at(3) + 5] ^= 1
    copy.sealed.write_bytes(whole)
    with Container(copy.sealed, said) as container, Opened(container, world.key(), threads=1) as files:
        target = bytearray(b"x" * files.size("weights.bin"))
        with pytest.raises(FormatRefused):
            files.read_into("weights.bin", 0, len(target), memoryview(target))
        assert not any(target)
    sealed_mutations.retold(copy, bytes(whole), owner=True)
    with seal.opened(copy.sealed, copy.reader, copy.plant) as files:
        target = bytearray(b"x" * files.size("weights.bin"))
        with pytest.raises(FormatRefused, match="does not open"):
            files.read_into("weights.bin", 0, len(target), memoryview(target))
        assert not any(target)


def test_keys_of_other_uses_and_parties_do_not_count(world: World, copy: World) -> None:
    listed = Recipients.from_bytes(dsse.Envelope.from_bytes(copy.part(seal.RECIPIENTS).read_bytes()).payload)
    stranger = generate("statement")
    copy.part(seal.RECIPIENTS).write_bytes(listed.signed([stranger]).to_bytes())
    with pytest.raises(SignatureRefused):
        copy.read()
    both = seal.Reader(seal.manifests.by_keys([world.owner.public, stranger.public]))
    with pytest.raises(TrustRefused, match="one owner signs both"):
        seal.verified(copy.sealed, both)
    with pytest.raises(SignatureRefused, match="use"):
        seal.manifests.by_keys([generate("oms", "ecdsa-p256").public])


@pytest.mark.parametrize("issued", ["2026-1-1T0:0:0Z", "2026-11-27T00:00:00Z\n", "٢٠٢٦-11-27T00:00:00Z"])
def test_a_manifest_has_its_time_in_one_form(world: World, issued: str) -> None:
    manifest = seal.verified(world.sealed, world.reader).manifest
    with pytest.raises(StatementRefused):
        dataclasses.replace(manifest, issued=issued)


def test_a_header_does_not_show_the_salt_that_hides_its_tree(world: World) -> None:
    header = Header("model", "m", True, "0" * 64, b"\xab" * 32, 1, 1)
    assert repr(header.salt)[2:-1] not in repr(header) and header.salt.hex() not in repr(header)
