"""Sealed deliveries at the door: admitted as plain ones are, and refused where seal and delivery are not one supplier's word."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from core_world import OTHER, OWNER, STRANGER, SUPPLIER, World

from countermark.artefact.folder import read_folder
from countermark.errors import SignatureRefused, TrustRefused, Unusable
from countermark.lifecycle import receive_sealed, seal
from countermark.lifecycle.deliveries import DATA, received
from countermark.passport.slip import verify
from countermark.seal import hpke, writer
from countermark.seal.prelude import BYTES, LEAST_CHUNK, TAG

MINE = hpke.generate()


def sealed(world: World, source: Path, folder: Path, by: str = SUPPLIER) -> Path:
    """A folder sealed for the owner, as if it were the delivered `folder`."""
    target = folder.with_name(folder.name + seal.SUFFIX)
    sealer = seal.sealer_of(world[by])
    if by == STRANGER:
        sealer = replace(sealer, project=world.fingerprint)
    to = [hpke.HpkeRecipient(OWNER, MINE.public)]
    seal.seal(source, target, to, sealer, kind="dataset", form=writer.Form(chunk=LEAST_CHUNK))
    return target


def delivered(world: World, by: str = SUPPLIER) -> Path:
    """A signed delivery whose folder stayed at home."""
    folder, _ = world.delivered()
    target = sealed(world, folder, folder, by)
    shutil.rmtree(folder)
    return target


def refused(world: World, target: Path, what: str) -> None:
    answer = receive_sealed.receive(world[OWNER], target, MINE)
    assert answer.state == "refused" and any(what in reason for reason in answer.reasons), answer.reasons
    assert answer.answer is not None
    verify(answer.answer, world[SUPPLIER].trust(), world.clock())


def test_a_sealed_delivery_is_admitted_and_kept_as_a_plain_one(world: World) -> None:
    target, seen = delivered(world), []
    one = receive_sealed.receive(world[OWNER], target, MINE, progress=lambda files, size: seen.append((files, size)))
    assert (one.state, one.reasons, one.rows, one.supplier) == ("admitted", (), 4, SUPPLIER)
    assert one.folder is not None and one.parcel is not None and one.answer is not None
    assert read_folder(one.folder / DATA).digest == one.parcel.tree.digest and seen[-1] == (
        4,
        one.parcel.tree.total_bytes,
    )
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (one.folder / DATA).rglob("*.png"))
    assert not receive_sealed.folder_of(target).exists()
    assert receive_sealed.receive(world[OWNER], target, MINE) == one  # and again: the first answer
    verify(one.answer, world[SUPPLIER].trust(), world.clock())


def test_another_partys_seal_around_a_delivery_is_refused(world: World) -> None:
    refused(world, delivered(world, OTHER), f"{OTHER} sealed what {SUPPLIER} delivers")


def test_other_files_than_were_signed_are_refused(world: World) -> None:
    folder, _ = world.delivered()
    (folder / "screw/0.png").write_bytes(b"another picture")
    (folder / "nut/9.png").write_bytes(b"one more")
    target = sealed(world, folder, folder)
    answer = receive_sealed.receive(world[OWNER], target, MINE)
    assert answer.state == "refused" and {"screw/0.png" in r or "nut/9.png" in r for r in answer.reasons} == {True}
    assert len(answer.reasons) == 2


def test_a_changed_chunk_is_refused_by_name(world: World) -> None:
    target = delivered(world)
    whole = bytearray(target.read_bytes())
    whole[BYTES + LEAST_CHUNK + TAG + 7] ^= 1
    target.write_bytes(whole)
    refused(world, target, "chunk 1 of parts.cmsealed is not the signed one")
    assert not any(path.suffix == ".png" for path in world[OWNER].space.home.rglob("*"))


def test_what_does_not_open_gets_no_answer(world: World) -> None:
    target = delivered(world)
    with pytest.raises(TrustRefused, match="nobody sealed this file for that key"):
        receive_sealed.receive(world[OWNER], target, hpke.generate())
    with pytest.raises(Unusable, match="not called as a sealed delivery"):
        receive_sealed.folder_of(target.with_name("parts"))
    assert received(world[OWNER]) == []


def test_a_strangers_seal_is_not_opened(world: World) -> None:
    with pytest.raises(SignatureRefused):
        receive_sealed.receive(world[OWNER], delivered(world, STRANGER), MINE)
    assert received(world[OWNER]) == []
