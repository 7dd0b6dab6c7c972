"""A key is released on evidence, to one key, once; everything else is refused and leaves no trace in the log."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from broker_world import BEGIN, END, NOW, World

from countermark import canonical
from countermark.broker import prove
from countermark.broker.challenges import SWEPT_FROM
from countermark.broker.evidence import DOMAIN
from countermark.broker.log import Record
from countermark.broker.request import Answer, Evidence, Request
from countermark.broker.service import NOT_GRANTED
from countermark.errors import (
    CountermarkError,
    FormatRefused,
    LedgerRefused,
    PolicyRefused,
    Refusal,
    SignatureRefused,
    StatementRefused,
    TrustRefused,
    Unusable,
)
from countermark.keys import signer
from countermark.ledger.note import NoteKey
from countermark.seal import hpke

RECIPE, OTHER = "ab" * 32, "cd" * 32


def asking(world: World, broker, asset=None, by=None, mine=None) -> tuple[bytes, hpke.HpkeIdentity]:
    mine = mine or prove.ephemeral()
    prover = prove.by_key(by or world.host)
    return prove.request(asset or world.asset(), broker.challenge(), mine, prover).to_bytes(), mine


def test_the_key_comes_to_the_ephemeral_key_and_the_release_is_proven(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, mine = asking(world, broker)
        answer = broker.release(asked)
        assert bytes(world.key) not in answer and bytes(world.key).hex().encode() not in answer
        assert prove.content_key(world.asset(), answer, mine, log.key) == world.key
        (entry,) = log.records()
        assert (entry.owner, entry.host, entry.to) == ("acme", world.host.public.id, mine.public.id)
        with pytest.raises(LedgerRefused, match="to: asked"):  # whoever reads the answer on its way
            prove.content_key(world.asset(), answer, prove.ephemeral(), None)
        for other in (world.asset(recipient="plant-8"), world.asset(licence=RECIPE)):
            with pytest.raises(LedgerRefused, match="of another release"):
                prove.content_key(other, answer, mine, None)
        with pytest.raises(LedgerRefused):
            prove.content_key(
                world.asset(), answer, mine, NoteKey("broker.test", signer.generate("ledger").public.raw())
            )


def test_a_replay_is_refused_and_not_released_again(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
        broker.release(asked)
        for again in (asked, asked):
            with pytest.raises(TrustRefused, match="used before"):
                broker.release(again)
        assert len(list(log.records())) == 1


def test_a_challenge_is_spent_even_by_what_was_refused(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        challenge, mine = broker.challenge(), prove.ephemeral()
        for by, match in ((signer.generate("host"), "not enrolled"), (world.host, "used before")):
            with pytest.raises(Refusal, match=match):
                broker.release(prove.request(world.asset(), challenge, mine, prove.by_key(by)).to_bytes())


def test_stale_and_foreign_challenges_are_refused(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
        world.clock.now += 60
        with pytest.raises(TrustRefused, match="has expired"):
            broker.release(asked)
        world.clock.now = NOW
        for bent in range(0, 56 * 8, 5):
            whole = bytearray(broker.challenge())
            whole[bent // 8] ^= 1 << bent % 8
            with pytest.raises(TrustRefused):
                broker.release(
                    prove.request(world.asset(), bytes(whole), prove.ephemeral(), prove.by_key(world.host)).to_bytes()
                )
        restarted = world.broker(log, secret=b"t" * 32)
        with pytest.raises(TrustRefused, match="did not make"):
            restarted.release(asking(world, broker)[0])
        assert not list(log.records())


def test_evidence_covers_every_part_of_the_request(world: World) -> None:
    """The attack: a request on its way is given another key, asset, name or claim."""
    rules = [world.rule(), world.rule(recipient="plant-8"), world.rule(claims={"recipe": RECIPE})]
    changes = [{"key": hpke.generate().public}, {"recipient": "plant-8"}, {"claims": {"recipe": RECIPE}}]
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, *rules)
        for change in changes:
            asked = Request.from_bytes(asking(world, broker)[0])
            with pytest.raises(SignatureRefused):
                broker.release(dataclasses.replace(asked, **change).to_bytes())
        asked = Request.from_bytes(asking(world, broker)[0])
        with pytest.raises(SignatureRefused):  # evidence of one request on the challenge of another
            broker.release(dataclasses.replace(asked, challenge=broker.challenge()).to_bytes())
        assert not list(log.records())


def test_what_no_rule_names_is_denied_in_the_words_that_a_stranger_hears(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(claims={"recipe": RECIPE}))
        assets = [
            world.asset(), world.asset(claims={"recipe": OTHER}), world.asset(claims={"recipe": RECIPE, "policy": OTHER}),
            world.asset(claims={"recipe": RECIPE}, recipient="plant-8"), world.asset(claims={"recipe": RECIPE}, licence=OTHER),
            world.asset(owner="nobody"), world.asset(prelude=dataclasses.replace(world.prelude, asset=bytes(32))),
        ]  # fmt: skip
        heard = set()
        for asset in assets:
            with pytest.raises(PolicyRefused, match=NOT_GRANTED) as caught:
                broker.release(asking(world, broker, asset)[0])
            heard.add(str(caught.value))
        assert len(heard) == 1
        agreed = world.asset(claims={"recipe": RECIPE})
        asked, mine = asking(world, broker, agreed)
        assert prove.content_key(agreed, broker.release(asked), mine, None) == world.key


def test_a_tenant_neither_reads_nor_changes_what_another_deposited(world: World) -> None:
    other = World(world.home, owner=signer.generate("statement"), host=signer.generate("host"), root=world.root)
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        broker._deposits.enrol("rival", [other.owner.public])
        with pytest.raises(SignatureRefused):  # a policy for the other's asset, in his name
            broker.accept(
                "acme",
                *world.envelopes([world.rule(keys=frozenset({other.host.public.id}))], sequence=2, by=other.owner),
            )
        mine = [world.rule(keys=frozenset({other.host.public.id}))]
        manifest, listed, _ = world.envelopes(mine)
        _, _, policy = world.envelopes(mine, owner="rival", by=other.owner)
        with pytest.raises(SignatureRefused):  # or in his own, with the other's container
            broker.accept("rival", manifest, listed, policy)
        for asset in (world.asset(), world.asset(owner="rival")):
            with pytest.raises(Refusal):
                broker.release(asking(world, broker, asset, by=other.host)[0])
        broker.accept("rival", *other.envelopes([other.rule()], owner="rival"))
        asked, key = asking(other, broker, other.asset(owner="rival"), by=other.host)
        assert prove.content_key(other.asset(owner="rival"), broker.release(asked), key, None) == other.key
        assert [entry.owner for entry, _ in log.of("rival")] == ["rival"] and not list(log.of("acme"))


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("sealer", "why"), [(False, "did not sign it"), (True, "commits to")])
def test_a_tenant_who_signs_anothers_papers_as_his_own_gets_no_key(
    world: World, sealer: bool, why: str, early: bool
) -> None:
    """What a sealer signs is public, the broker's copy of the key included; the key itself commits to its sealer."""
    rival, host = signer.generate("statement"), signer.generate("host")
    papers = world.resigned(rival, "rival", [world.rule(keys=frozenset({host.public.id}))], sealer=sealer)
    with world.log() as log:
        broker = world.broker(log)
        world.deposits().enrol("rival", [rival.public])
        if not early:
            world.stocked(broker)
        with pytest.raises(
            (TrustRefused, FormatRefused, PolicyRefused), match=why if early or not sealer else "another owner"
        ):
            broker.accept("rival", *papers)
        with pytest.raises(PolicyRefused, match=NOT_GRANTED):
            broker.release(asking(world, broker, world.asset(owner="rival"), by=host)[0])
        assert not list(log.records())
        if early:  # who tried first kept nobody out
            world.stocked(broker)
        asked, mine = asking(world, broker)  # and whose it is still has it released
        assert prove.content_key(world.asset(), broker.release(asked), mine, None) == world.key


def test_what_was_written_behind_the_brokers_back_releases_nothing(world: World) -> None:
    """The same papers put on its disk: the key is compared with its sealer again before it is re-wrapped."""
    rival, host = signer.generate("statement"), signer.generate("host")
    papers = world.resigned(rival, "rival", [world.rule(keys=frozenset({host.public.id}))], sealer=True)
    with world.log() as log:
        broker = world.broker(log)
        world.deposits().enrol("rival", [rival.public])
        world.deposits().put("rival", *papers)
        with pytest.raises(FormatRefused, match="commits to"):
            broker.release(asking(world, broker, world.asset(owner="rival"), by=host)[0])
        assert not list(log.records())


def test_the_sealer_alone_says_who_has_the_key(world: World) -> None:
    """A tenant who got another's public key enrolled beside his own: the other's asset, by rules of his own."""
    rival = signer.generate("statement")
    manifest, listed, _ = world.envelopes([world.rule()])
    _, _, policy = world.envelopes([world.rule()], owner="rival", by=rival)
    with world.log() as log:
        broker = world.broker(log)
        world.deposits().enrol("rival", [rival.public, world.owner.public])
        with pytest.raises(TrustRefused, match="did not sign it"):
            broker.accept("rival", manifest, listed, policy)


def test_an_owner_whose_keys_changed_seals_and_deposits_anew(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        before, world.owner = world.owner, signer.generate("statement")
        world.deposits().enrol("acme", [world.owner.public])
        with pytest.raises(PolicyRefused, match=NOT_GRANTED):
            broker.release(asking(world, broker)[0])
        with pytest.raises(SignatureRefused):
            broker.accept("acme", *world.envelopes([world.rule()], sequence=3, by=before))
        with pytest.raises(TrustRefused, match="did not sign it"):
            broker.accept("acme", *world.envelopes([world.rule()], sequence=2))
        world.seal_anew()
        broker.accept("acme", *world.envelopes([world.rule()]))
        broker.release(asking(world, broker)[0])


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_gives_no_used_challenge_new_life(world: World, restarted: bool) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
        broker.release(asked)
        world.clock.now += 61
        broker = world.broker(log) if restarted else broker
        for _ in range(0 if restarted else SWEPT_FROM):  # so many that the oldest are forgotten
            broker._challenges.spend(
                broker._challenges.check(broker.challenge(), int(world.clock.now)), int(world.clock.now)
            )
        world.clock.now = NOW + 1
        with pytest.raises(TrustRefused):
            broker.release(asked)
        broker.release(asking(world, broker)[0])
        assert len(list(log.records())) == 2


@pytest.mark.parametrize(
    "point", ["00" * 32, "01" + "00" * 31, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"]
)
def test_nothing_is_released_to_a_point_of_small_order(world: World, point: str) -> None:
    """The attack: an ephemeral key with which anybody on the way agrees on the same secret, or that stops the broker."""
    weak = hpke.SealingKey(hpke.XWING, hpke.generate().public.raw[:1184] + bytes.fromhex(point))
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=1))
        asked = Request.from_bytes(asking(world, broker)[0])
        bare = dataclasses.replace(asked, key=weak)
        bent = dataclasses.replace(bare, evidence=prove.by_key(world.host)(bare.binding()))
        with pytest.raises(FormatRefused, match="nothing can be sealed"):
            broker.release(bent.to_bytes())
        broker.release(asking(world, broker)[0])  # and the rule's one release is not used up
        assert len(list(log.records())) == 1


def test_rules_are_counted_across_restarts_and_a_raised_number_goes_on_counting(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=2))
        for _ in range(2):
            broker.release(asking(world, broker)[0])
        with pytest.raises(PolicyRefused, match="no release left"):
            broker.release(asking(world, broker)[0])
    with world.log() as log:
        again = world.broker(log)
        with pytest.raises(PolicyRefused, match="no release left"):
            again.release(asking(world, again)[0])
        again.accept("acme", *world.envelopes([world.rule(releases=3)], sequence=2))
        again.release(asking(world, again)[0])
        with pytest.raises(PolicyRefused, match="no release left"):
            again.release(asking(world, again)[0])
        assert len(list(log.records())) == 3


def test_a_rule_that_asks_otherwise_goes_on_counting(world: World) -> None:
    """A new policy with another key or claim is another rule; it was counted from nought."""
    other = signer.generate("host")
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=2))
        for _ in range(2):
            broker.release(asking(world, broker)[0])
        both = frozenset({world.host.public.id, other.public.id})
        broker.accept("acme", *world.envelopes([world.rule(releases=2, keys=both)], sequence=2))
        with pytest.raises(PolicyRefused, match="no release left"):
            broker.release(asking(world, broker)[0])
    with world.log() as log:
        again = world.broker(log)
        with pytest.raises(PolicyRefused, match="no release left"):
            again.release(asking(world, again, by=other)[0])
        again.accept(
            "acme",
            *world.envelopes(
                [world.rule(releases=3, keys=both), world.rule(releases=9, recipient="plant-8")], sequence=3
            ),
        )
        again.release(asking(world, again, by=other)[0])
        with pytest.raises(PolicyRefused, match="no release left"):
            again.release(asking(world, again)[0])
        again.release(
            asking(world, again, world.asset(recipient="plant-8"))[0]
        )  # another recipient has a count of its own


def test_a_second_owner_of_an_asset_put_there_by_hand_ends_its_releases(world: World) -> None:
    """The attack: another tenant's deposit written past `accept`."""
    rival, host = signer.generate("statement"), signer.generate("host")
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=9))
        world.deposits().enrol("rival", [rival.public])
        (mine,) = (world.home / "deposits" / "acme").iterdir()
        parts = world.resigned(rival, "rival", [world.rule(keys=frozenset({host.public.id}))], sealer=True)
        names = ("manifest", "recipients", "policy")
        forged = {name: canonical.object_from_bytes(part) for name, part in zip(names, parts, strict=True)}
        (world.home / "deposits" / "rival").mkdir()
        (world.home / "deposits" / "rival" / mine.name).write_bytes(canonical.to_bytes({"format": 1, **forged}))
        with pytest.raises(PolicyRefused, match="another owner deposited"):
            broker.release(asking(world, broker, world.asset(owner="rival"), by=host)[0])
        assert not list(log.records())


@pytest.mark.parametrize(("field", "value"), [
    ("owner", "rival"), ("recipient", "plant-9"), ("licence", "a" * 64), ("claims", {"recipe": "b" * 64}), ("to", "0" * 64),
    ("challenge", "0" * 32), ("asset", "0" * 64),
])  # fmt: skip
@pytest.mark.parametrize("pinned", [True, False])
def test_a_broker_that_logged_another_release_is_told_on(world: World, field: str, value: object, pinned: bool) -> None:
    """The attack: it answers one request and logs what nobody asked for, with a receipt that holds."""
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        challenge, mine = broker.challenge(), prove.ephemeral()
        asked = prove.request(world.asset(), challenge, mine, prove.by_key(world.host))
        said = Answer.from_bytes(broker.release(asked.to_bytes()))
        other = dataclasses.replace(Record.from_bytes(said.record), **{field: value})
        answer = Answer(said.released, other.to_bytes(), log.append(other).receipt.to_bytes()).to_bytes()
        with pytest.raises(LedgerRefused, match="of another release"):
            prove.content_key(world.asset(), answer, mine, log.key if pinned else None, challenge)


def test_threads_get_exactly_what_the_rule_allows(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=7))
        asked = [asking(world, broker)[0] for _ in range(24)]

        def one(data: bytes) -> str:
            try:
                broker.release(data)
            except PolicyRefused as error:
                return error.what
            return "released"

        with ThreadPoolExecutor(8) as pool:
            seen = Counter(pool.map(one, asked))
        assert seen == {"released": 7, "the owner's rule has no release left": 17}
        assert len(list(log.records())) == 7
        with ThreadPoolExecutor(8) as pool:
            same = asking(world, broker)[0]
            broker.accept("acme", *world.envelopes([world.rule(releases=100)], sequence=2))
            results = list(pool.map(lambda _: _released(broker, same), range(8)))
        assert results.count(True) == 1


def _released(broker, data: bytes) -> bool:
    try:
        broker.release(data)
    except TrustRefused:
        return False
    return True


def test_used_challenges_are_read_back_from_the_log(world: World) -> None:
    """Exchanges by file keep one secret: the log alone says what was answered, also after a crash."""
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
        broker.release(asked)
    with world.log() as log, pytest.raises(TrustRefused, match="used before"):
        world.broker(log).release(asked)


def test_an_owners_policy_has_its_time_and_its_order(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, sequence=5)
        for sequence in (4, 5):
            with pytest.raises(PolicyRefused, match="at least as new"):
                broker.accept("acme", *world.envelopes([world.rule()], sequence=sequence))
        for begin, end in ((BEGIN - timedelta(days=9), BEGIN), (END, END + timedelta(days=9))):
            broker.accept(
                "acme", *world.envelopes([world.rule()], sequence=int(begin.timestamp()), begin=begin, end=end)
            )
            with pytest.raises(PolicyRefused, match="does not count now"):
                broker.release(asking(world, broker)[0])


def test_a_deposit_that_was_changed_on_the_brokers_disk_grants_nothing(world: World) -> None:
    """The attack: whoever can write there names his own key in the owner's policy."""
    mallory = signer.generate("host")
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        broker.release(asking(world, broker)[0])
        (path,) = (world.home / "deposits" / "acme").iterdir()
        deposit = canonical.object_from_bytes(path.read_bytes())
        _, _, forged = world.envelopes(
            [world.rule(keys=frozenset({mallory.public.id}))], by=signer.generate("statement")
        )
        path.write_bytes(canonical.to_bytes({**deposit, "policy": canonical.object_from_bytes(forged)}))
        for by in (mallory, world.host):
            with pytest.raises(PolicyRefused, match=NOT_GRANTED):
                broker.release(asking(world, broker, by=by)[0])
        path.write_bytes(b"{}")
        with pytest.raises(PolicyRefused, match=NOT_GRANTED):
            broker.release(asking(world, broker)[0])


def test_an_older_policy_that_is_put_back_on_the_disk_grants_nothing(world: World) -> None:
    """The attack: the broker's operator restores the deposit of before the owner took a host out."""
    gone = signer.generate("host")
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(keys=frozenset({gone.public.id, world.host.public.id})))
        (path,) = (world.home / "deposits" / "acme").iterdir()
        older = path.read_bytes()
        broker.release(asking(world, broker, by=gone)[0])
        broker.accept("acme", *world.envelopes([world.rule()], sequence=2))
        broker.release(asking(world, broker)[0])
        path.write_bytes(older)
        with pytest.raises(PolicyRefused, match="newer policy"):
            broker.release(asking(world, broker, by=gone)[0])
    with world.log() as log:  # and after a restart too: the log tells
        again = world.broker(log)
        with pytest.raises(PolicyRefused, match="newer policy"):
            again.release(asking(world, again, by=gone)[0])


def test_an_owners_key_that_is_taken_out_ends_his_deposits(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        broker.release(asking(world, broker)[0])
        broker._deposits.enrol("acme", [signer.generate("statement").public])
        with pytest.raises(PolicyRefused, match=NOT_GRANTED):
            broker.release(asking(world, broker)[0])


def test_a_deposit_that_this_broker_cannot_open_is_not_kept(world: World) -> None:
    elsewhere = World(world.home, owner=world.owner)
    with world.log() as log:
        broker = world.broker(log)
        broker._deposits.enrol("acme", [world.owner.public])
        with pytest.raises(TrustRefused, match="nobody sealed this file for that key"):
            broker.accept("acme", *elsewhere.envelopes([world.rule()]))
        assert not (world.home / "deposits").exists()


def test_a_log_that_cannot_be_written_releases_nothing(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
    with pytest.raises(Unusable):  # the log is closed
        broker.release(asked)
    with world.log() as log:
        assert not list(log.records())


@pytest.mark.parametrize("kind", ["pkcs11", "tpm-quote", "sgx", "tdx"])
def test_evidence_of_one_kind_is_not_another(world: World, kind: str) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        parts = {"pkcs11": ("key", "signature"), "tpm-quote": ("area", "attested", "signature")}.get(kind, ("quote",))
        bare = Request.from_bytes(asking(world, broker)[0])
        forged = dataclasses.replace(bare, evidence=Evidence(kind, dict.fromkeys(parts, b"x")))
        with pytest.raises(PolicyRefused, match=NOT_GRANTED):
            broker.release(forged.to_bytes())


def test_a_signature_for_something_else_is_no_evidence(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        bare = Request.from_bytes(asking(world, broker)[0])
        for message in (bare.binding(), b"", DOMAIN, DOMAIN + bytes(32)):
            fresh = dataclasses.replace(bare, challenge=broker.challenge())
            signature = world.host.sign(message)
            shown = Evidence("software", {"key": world.host.public.spki, "signature": signature})
            with pytest.raises(SignatureRefused):
                broker.release(dataclasses.replace(fresh, evidence=shown).to_bytes())


def test_every_changed_byte_of_a_request_is_refused(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, _ = asking(world, broker)
        for at in range(0, len(asked), 3):
            bent = bytearray(asked)
            bent[at] ^= 1
            with pytest.raises(CountermarkError):
                broker.release(bytes(bent))
        assert not list(log.records())


def test_records_and_answers_are_read_strictly(world: World) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker)
        asked, mine = asking(world, broker)
        answer = broker.release(asked)
    said = Answer.from_bytes(answer)
    assert Record.from_bytes(said.record).to_bytes() == said.record
    other = dataclasses.replace(Record.from_bytes(said.record), to="0" * 64)
    with pytest.raises(LedgerRefused):
        prove.content_key(world.asset(), dataclasses.replace(said, record=other.to_bytes()).to_bytes(), mine, log.key)
    for bad in (b"", b"{}", answer[:-1], answer.replace(b'"format":1', b'"format":2'), b"[" * 99):
        with pytest.raises((StatementRefused, FormatRefused)):
            Answer.from_bytes(bad)
    with pytest.raises(StatementRefused):
        Record.from_bytes(said.record.replace(b'"version":1', b'"version":2'))


def test_two_processes_do_not_share_a_log(world: World, tmp_path: Path) -> None:
    with world.log(), pytest.raises(Unusable):
        world.log()


def test_what_was_spent_is_forgotten_once_it_has_expired() -> None:
    from countermark.broker.challenges import SWEPT_FROM, Challenges

    made = Challenges(b"s" * 32, 60)
    first = made.check(made.issue(NOW), NOW)
    made.spend(first, NOW)
    for _ in range(SWEPT_FROM):
        made.spend(made.check(made.issue(NOW), NOW), NOW)
    with pytest.raises(TrustRefused, match="used before"):
        made.spend(first, NOW)
    late = made.issue(NOW + 61)
    made.spend(made.check(late, NOW + 61), NOW + 61)
    assert len(made._spent) == 1
    with pytest.raises(TrustRefused, match="used before"):
        made.spend(made.check(late, NOW + 62), NOW + 62)
