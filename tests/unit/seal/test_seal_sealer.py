"""Who sealed it: bound to the ciphertext, so that nobody else passes it off as his; both sides of each attack."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import another_sealer
import pytest
import seal_world
from core_world import OWNER, SUPPLIER
from core_world import World as Project
from seal_world import World

from countermark import dsse
from countermark.errors import CountermarkError, FormatRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys import held
from countermark.keys.document import EnrolledKey, TrustDocument, enrolment_bytes
from countermark.keys.signer import FileSigner, add_signature, generate
from countermark.lifecycle import seal, seal_recipe
from countermark.seal import fields, hpke
from countermark.seal.fields import Document
from countermark.seal.manifest import by_keys, tree_commitment
from countermark.seal.opened import Opened

STRANGER = generate("statement")
RECIPE = "[train]\nlearning_rate = 0.01\nepochs = 3\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return seal_world.make(tmp_path_factory.mktemp("seal") / "world")


@pytest.fixture
def copy(world: World, tmp_path: Path) -> World:
    return world.copy(tmp_path / "copy")


def both(world: World, *others: FileSigner) -> seal.Reader:
    """A reader who trusts the stranger as well: no refusal here is for want of trust in whoever signed."""
    return seal.Reader(by_keys([world.owner.public, *(one.public for one in others or (STRANGER,))]))


def opened(world: World, reader: seal.Reader) -> str:
    """Who sealed it, as whoever opens it is told."""
    with seal.opened(world.sealed, reader, world.plant) as files:
        assert files.content("config.json") == seal_world.FILES["config.json"]
        return files.signed_by


def test_whoever_opens_it_is_told_its_sealer(world: World) -> None:
    manifest = seal.verified(world.sealed, world.reader).manifest
    assert opened(world, world.reader) == manifest.sealer == world.owner.public.id
    assert world.sealed.read_bytes()[88:120].hex() == world.owner.public.id


def test_a_stranger_who_signs_anew_is_not_the_sealer(world: World, copy: World) -> None:
    another_sealer.signed_anew(copy, STRANGER)
    for use in (seal.verified, seal.check):
        with pytest.raises(TrustRefused, match="did not sign it"):
            use(copy.sealed, both(world))
    with pytest.raises(TrustRefused, match="did not sign it"):
        opened(copy, seal.Reader(by_keys([STRANGER.public])))


def test_nor_where_the_manifest_names_him(world: World, copy: World) -> None:
    another_sealer.named_in_the_manifest(copy, STRANGER)
    with pytest.raises(StatementRefused, match="another sealer than the file's prelude"):
        seal.verified(copy.sealed, both(world))


def test_nor_where_manifest_and_file_do(world: World, copy: World) -> None:
    """Without a key nobody can tell: noise is noise. No recipient opens it, and no broker, whose copy of the key is one of the list."""
    another_sealer.named_everywhere(copy, STRANGER)
    assert seal.check(copy.sealed, both(world)).signed_by == STRANGER.public.id
    with pytest.raises(FormatRefused, match="commits to") as told:
        opened(copy, both(world))
    assert "put his own key into the prelude" in str(told.value.why)
    handle, key = seal.verified(copy.sealed, both(world)), world.key()
    with (
        seal.Container(copy.sealed, handle.manifest) as container,
        pytest.raises(FormatRefused, match="content key is not the one"),
    ):
        Opened(container, key)
    with pytest.raises(FormatRefused, match="commits to"):
        seal.add(copy.sealed, hpke.HpkeRecipient("me", hpke.generate().public), copy.plant, both(world),
                 seal.Sealer([STRANGER], "", seal_world.ISSUED))  # fmt: skip


def test_a_recipient_seals_anew_under_his_own_name_alone(world: World, copy: World, tmp_path: Path) -> None:
    another_sealer.sealed_by_a_recipient(copy, STRANGER, world.owner.public.id)
    with pytest.raises(TrustRefused, match="did not sign it"):
        opened(copy, both(world))
    for suffix in (seal.MANIFEST, seal.RECIPIENTS):  # nor under what the owner signed for his own
        copy.part(suffix).write_bytes(world.part(suffix).read_bytes())
    with pytest.raises(FormatRefused):
        opened(copy, both(world))
    own = world.copy(tmp_path / "own")
    another_sealer.sealed_by_a_recipient(own, STRANGER, STRANGER.public.id)
    assert (
        opened(own, both(world)) == STRANGER.public.id
    )  # he has the plaintext: what he seals says that it is he who did


def test_a_commitment_is_replayed_in_vain(world: World, tmp_path: Path) -> None:
    mine = seal_world.make(tmp_path / "mine", owner=STRANGER)
    with seal.opened(world.sealed, world.reader, world.plant) as files:
        salt, digest = files.salt, files.digest
    another_sealer.commitment_replayed(mine, world, STRANGER)
    said, theirs = (seal.verified(one.sealed, both(world)).manifest for one in (mine, world))
    assert said.tree == theirs.tree == tree_commitment(salt, theirs.sealer, digest)
    assert said.tree != tree_commitment(salt, said.sealer, digest)  # whoever is told the salt compares
    with pytest.raises(FormatRefused, match="secret header"):
        opened(mine, both(world))


def test_others_sign_beside_the_sealer(world: World, copy: World) -> None:
    for suffix in (seal.MANIFEST, seal.RECIPIENTS):
        envelope = dsse.Envelope.from_bytes(copy.part(suffix).read_bytes())
        copy.part(suffix).write_bytes(add_signature(envelope, STRANGER).to_bytes())
    assert opened(copy, both(world)) == opened(copy, world.reader) == world.owner.public.id
    with pytest.raises(TrustRefused, match="did not sign it, or is not known"):
        opened(copy, seal.Reader(by_keys([STRANGER.public])))
    again = seal_world.make(copy.sealed.parent / "two")
    seal.seal(copy.sealed.parent / "two" / "model", again.part("2"), [again.for_plant],
              seal.Sealer([again.owner, STRANGER], "", seal_world.ISSUED), kind="model")  # fmt: skip
    assert seal.verified(again.part("2"), both(again)).signed_by == again.owner.public.id


def test_only_the_sealer_changes_the_list(world: World, copy: World) -> None:
    """A recipient can wrap the key for somebody else; the list that says so is not the sealer's, and nobody takes it."""
    new = hpke.HpkeRecipient("new", hpke.generate().public)
    with pytest.raises(Unusable, match="who sealed this file"):
        seal.add(copy.sealed, new, copy.plant, both(world), seal.Sealer([STRANGER], "", seal_world.ISSUED))
    seal.add(copy.sealed, new, copy.plant, world.reader, world.sealer)
    assert seal.verified(copy.sealed, world.reader).recipients.names[-1] == "new"
    assert copy.sealed.read_bytes() == world.sealed.read_bytes()


def test_another_key_of_the_sealers_party_changes_the_list_and_nothing_else(world: World, copy: World) -> None:
    """In a project keys belong to parties: a list outlives a change of keys; what was sealed does not change its sealer."""
    by_key = both(world)
    party = seal.Reader(lambda envelope: dict.fromkeys(by_key.authority(envelope), "acme"))
    second = seal.Sealer([STRANGER], "", seal_world.ISSUED)
    seal.add(copy.sealed, hpke.HpkeRecipient("new", hpke.generate().public), copy.plant, party, second)
    assert seal.verified(copy.sealed, party).signed_by == "acme" and opened(copy, party) == "acme"
    with pytest.raises(TrustRefused, match="one owner signs both"):  # as two owners' keys they do not go together
        seal.verified(copy.sealed, by_key)
    another_sealer.signed_anew(copy, STRANGER)
    with pytest.raises(TrustRefused, match="did not sign it"):
        seal.verified(copy.sealed, party)


def test_a_party_with_two_kinds_of_keys_seals_with_both(tmp_path: Path) -> None:
    """The asset is bound to the classical key; the trust document asks for the other one, too."""
    project, second = Project.make(tmp_path / "project"), generate("statement", "ml-dsa-65")
    second.save(project[SUPPLIER].space.folder("keys") / f"statement{held.SECOND}")
    proven = EnrolledKey(second.public, second.sign(enrolment_bytes(SUPPLIER, second.public)))

    def with_both(document: TrustDocument) -> TrustDocument:
        parties = (
            dataclasses.replace(p, keys=(*p.keys, proven), both=0) if p.id == SUPPLIER else p for p in document.parties
        )
        return dataclasses.replace(document, parties=tuple(parties))

    project.amend(with_both)
    mine, target = hpke.generate(), tmp_path / "parts.cmsealed"
    seal.seal(
        project.parts(),
        target,
        [hpke.HpkeRecipient("me", mine.public)],
        seal.sealer_of(project[SUPPLIER]),
        kind="dataset",
    )
    reader = seal.reader_of(project[OWNER])
    with seal.opened(target, reader, mine) as files:
        assert files.signed_by == SUPPLIER
    assert seal.verified(target, reader).manifest.sealer == project[SUPPLIER].signer("statement").public.id
    whole = dsse.Envelope.from_bytes(seal.beside(target, seal.MANIFEST).read_bytes())
    assert len(whole.signatures) == 2
    for kept in whole.signatures:
        seal.beside(target, seal.MANIFEST).write_bytes(dataclasses.replace(whole, signatures=(kept,)).to_bytes())
        with pytest.raises(TrustRefused, match="one of the two is missing"):
            seal.verified(target, reader)


def test_fields_are_bound_to_their_sealer_too(world: World, tmp_path: Path) -> None:
    source, target = tmp_path / "r.toml", tmp_path / "r.cmfields"
    source.write_text(RECIPE)
    document = seal_recipe.seal(source, target, {"train.learning_rate": [world.for_plant]}, world.sealer)
    target.write_bytes(another_sealer.fields_signed_anew(document, STRANGER).to_bytes())
    with pytest.raises(TrustRefused, match="did not sign it"):
        seal_recipe.verified(target, both(world))
    said = {**dsse.canonical.from_bytes(document.to_bytes()), "sealer": STRANGER.public.id}
    with pytest.raises(CountermarkError):  # what is open has a digest by somebody else
        Document.from_bytes(dsse.canonical.to_bytes(said))
    with pytest.raises(StatementRefused, match="another key than the document"):
        dataclasses.replace(document, sealer=STRANGER.public.id)
    taken = Document.from_bytes(another_sealer.fields_named(document, STRANGER).to_bytes())
    target.write_bytes(another_sealer.fields_signed_anew(taken, STRANGER).to_bytes())
    assert seal_recipe.verified(target, both(world))[1] == STRANGER.public.id  # without a key, as above
    assert taken.same(document)[0] == ()  # his word that the values are the same proves nothing
    with pytest.raises(FormatRefused, match="commits to"):
        seal_recipe.opened(target, both(world), world.plant)
    hidden = next(one for one in document.fields if one.opening is None)
    told = next(one for one in fields.opened(document, world.plant) if one.path == hidden.path)
    fields.check(hidden, told, document.sealer)
    with pytest.raises(FormatRefused, match="committed"):
        fields.check(next(one for one in taken.fields if one.path == hidden.path), told, taken.sealer)
