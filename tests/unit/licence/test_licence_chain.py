"""Chains: who may grant, who may narrow, and what is refused claim by claim."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from core_world import OWNER, SECOND
from licence_world import BEGIN, DAY, MODEL, Licensors, Quota, Revocation, claims, key, lease, stamp

from countermark import dsse
from countermark.errors import CountermarkError, SignatureRefused, StatementRefused, TrustRefused
from countermark.keys.signer import add_signature
from countermark.ledger.note import NoteKey
from countermark.licence import chain as chains
from countermark.licence import word
from countermark.licence.chain import Chain
from countermark.licence.claim_words import CLAIMS
from countermark.licence.clock import Reading
from countermark.licence.decide import Request, decide
from countermark.licence.describe import delays, denied, here, protection, rows
from countermark.licence.host import ProvenHost
from countermark.licence.lattice import ORDERS
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence import LICENCE, Licence
from countermark.statement.predicates.licence_claims import Claims, Subject, Sublicense
from countermark.statement.predicates.licence_host import HostBinding

NOW = Reading(BEGIN + DAY, BEGIN, "the system clock")


def verify(licensors: Licensors, *envelopes: dsse.Envelope) -> Chain:
    return chains.verify(envelopes, licensors.trust, licensors.world.clock.now)


def request(use: str = "infer", **more: Any) -> Request:
    return Request(use, **{"subject": Subject(MODEL), "host": ProvenHost("none"), **more})


def narrower(**more: Any) -> Claims:
    return claims("line", sublicense=Sublicense(1, frozenset({"infer"})), **{"uses": frozenset({"infer"}), **more})


def test_five_links_verify_and_decide(licensors: Licensors) -> None:
    names = ("plant", "hall", "line", "cell", "robot")
    said = [claims(n, sublicense=Sublicense(7 - at, frozenset({"infer", "evaluate"}) if at else claims().uses))
            for at, n in enumerate(names)]  # fmt: skip
    said = [said[0], *(replace(one, uses=frozenset({"infer", "evaluate"})) for one in said[1:])]
    verified = verify(licensors, *licensors.chain(*said))
    assert [link.issuer for link in verified.links] == [SECOND, "plant", "hall", "line", "cell"]
    assert decide(request(), verified, NOW).until == BEGIN + 3650 * DAY
    with pytest.raises(LicenceRefused) as caught:
        decide(request("distil"), verified, NOW)
    assert caught.value.claim == "uses" and "evaluate or infer" in caught.value.what


@pytest.mark.parametrize(("claim", "more", "asked"), [
    ("subject", {}, {"subject": Subject("6" * 64)}),
    ("subject", {"subject": Subject(MODEL, "7" * 64)}, {}),
    ("uses", {"uses": frozenset()}, {}),
    ("not_before", {"not_before": stamp(BEGIN + 2 * DAY)}, {}),
    ("not_after", {"not_after": stamp(BEGIN + DAY)}, {}),
    ("field_of_use", {"field_of_use": frozenset({"inspection"})}, {"field_of_use": "sorting"}),
    ("field_of_use", {"field_of_use": frozenset({"inspection"})}, {}),
    ("territory", {"territory": frozenset({"DE"})}, {"territory": "FR"}),
    ("territory", {"territory": frozenset()}, {"territory": "FR"}),
    ("host", {"host": None}, {}),
    ("host", {"host": HostBinding("software-key", keys=(key("a").public,))}, {}),
    ("host", {"host": HostBinding("software-key", keys=(key("a").public,))}, {"host": ProvenHost("software-key", key("b").public.id)}),
    ("max_loads", {"max_loads": 0}, {}),
    ("max_queries", {"max_queries": Quota(0, 60)}, {}),
    ("max_hosts", {"max_hosts": 0}, {}),
    ("revocation", {"revocation": None}, {}),
    ("revocation", {"revocation": Revocation("https://x.invalid/list", 1)}, {}),
    ("lease", {"lease": None}, {}),
])  # fmt: skip
def test_each_claim_refuses_by_its_name(
    licensors: Licensors, claim: str, more: dict[str, Any], asked: dict[str, Any]
) -> None:
    verified = verify(licensors, licensors.grant(claims(**{"sublicense": Sublicense(), **more})))
    with pytest.raises(LicenceRefused) as caught:
        decide(request(**asked), verified, NOW)
    assert caught.value.claim == claim and caught.value.expected and caught.value.seen and caught.value.mend


def test_absent_means_denied(licensors: Licensors) -> None:
    bare = claims().to_json()
    kept = {n: bare[n] for n in ("licensee", "subject", "not_before", "not_after")}
    said = Claims.from_json(kept)
    verified = verify(licensors, licensors.grant(said))
    for use in ("infer", "evaluate", "train-on"):
        with pytest.raises(LicenceRefused):
            decide(request(use), verified, NOW)
    for name in (
        "uses",
        "field_of_use",
        "territory",
        "host",
        "max_loads",
        "max_queries",
        "max_hosts",
        "lease",
        "revocation",
    ):
        less = Claims.from_json({n: v for n, v in bare.items() if n not in (name, "sublicense")})
        with pytest.raises(LicenceRefused) as caught:
            decide(request(), verify(licensors, licensors.grant(less)), NOW)
        assert caught.value.claim == name


@pytest.mark.parametrize(("claim", "above", "below"), [
    ("subject", {}, {"subject": Subject("6" * 64)}),
    ("subject", {"subject": Subject(MODEL, "7" * 64)}, {"subject": Subject(MODEL)}),
    ("uses", {"uses": frozenset({"infer"})}, {"uses": frozenset({"infer", "distil"})}),
    ("field_of_use", {"field_of_use": frozenset({"inspection"})}, {"field_of_use": frozenset({"*"})}),
    ("territory", {"territory": frozenset({"DE"})}, {"territory": frozenset({"DE", "FR"})}),
    ("not_before", {}, {"not_before": stamp(BEGIN - 1)}),
    ("not_after", {}, {"not_after": stamp(BEGIN + 3651 * DAY)}),
    ("max_loads", {"max_loads": 3}, {"max_loads": None}),
    ("max_queries", {"max_queries": Quota(10, 60)}, {"max_queries": Quota(10, 59)}),
    ("max_queries", {"max_queries": Quota(10, 60)}, {"max_queries": Quota(10, 90)}),
    ("max_queries", {"max_queries": Quota(10, 0)}, {"max_queries": Quota(10, 86_400)}),
    ("max_hosts", {"max_hosts": 1}, {"max_hosts": 2}),
    ("host", {"host": HostBinding("software-key", keys=(key("a").public,))}, {"host": HostBinding("none")}),
    ("host", {"host": HostBinding("tpm", ek="1" * 64, ak="2" * 68, pcrs=((7, "3" * 64),))},
     {"host": HostBinding("tpm", ek="1" * 64, ak="2" * 68, pcrs=((8, "3" * 64),))}),
    ("host", {"host": HostBinding("tee", measurements=frozenset({"tdx-mrtd:" + "1" * 96}))},
     {"host": HostBinding("tee", measurements=frozenset({"tdx-mrtd:" + "1" * 96, "tdx-mrtd:" + "2" * 96}))}),
    ("lease", {"lease": lease(30)}, {"lease": "none"}),
    ("lease", {"lease": lease(30)}, {"lease": lease(31)}),
    ("lease", {"lease": lease(30, 7)}, {"lease": lease(30, 8)}),
    ("lease", {"lease": lease(30)}, {"lease": lease(30, 7, "advisory")}),
    ("lease", {"lease": lease(30)}, {"lease": replace(lease(30), time_key=key("own time").public)}),
    ("lease", {"lease": None}, {"lease": "none"}),
    ("revocation", {"revocation": Revocation("a", 2)}, {"revocation": "none"}),
    ("revocation", {"revocation": Revocation("a", 2)}, {"revocation": Revocation("a", 1)}),
    ("revocation", {"revocation": Revocation("a", 2)}, {"revocation": Revocation("b", 2)}),
    ("sublicense", {}, {"sublicense": Sublicense(7)}),
    ("sublicense", {"sublicense": Sublicense()}, {"sublicense": Sublicense()}),
    ("transfer", {"transfer": False}, {"transfer": True}),
    ("derivatives", {"derivatives": "inherit"}, {"derivatives": "free"}),
    ("fingerprint", {"fingerprint": "mark-1"}, {"fingerprint": None}),
    ("text", {"text": "1" * 64}, {"text": "2" * 64}),
    ("co_signers", {"co_signers": frozenset({OWNER})}, {"co_signers": frozenset()}),
])  # fmt: skip
def test_no_claim_widens(licensors: Licensors, claim: str, above: dict[str, Any], below: dict[str, Any]) -> None:
    by = (SECOND, OWNER) if "co_signers" in above else (SECOND,)
    uses = frozenset({"infer", "distil"}) & above.get("uses", frozenset({"infer", "distil"}))
    parent = claims(**{"sublicense": Sublicense(3, uses), **above})
    first = licensors.grant(parent, by=by)
    honest = replace(parent, licensee=narrower().licensee, uses=uses, sublicense=Sublicense(0))
    if parent.sublicense.depth and "co_signers" not in above:
        verify(licensors, first, licensors.grant(honest, by=("plant",), parent=first.digest))
    wider = replace(honest, **below)
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, first, licensors.grant(wider, by=("plant",), parent=first.digest))
    assert caught.value.claim == claim


def test_every_claim_has_an_order() -> None:
    assert set(ORDERS) == set(Claims.__dataclass_fields__) - {"licensee"}


def test_who_may_sign(licensors: Licensors) -> None:
    with pytest.raises(SignatureRefused):
        verify(licensors, licensors.grant(claims(), by=("plant",)))
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, licensors.grant(claims(), by=(OWNER,)))
    assert caught.value.claim == "uses", "a data owner grants no inference"
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, licensors.grant(claims(), by=(OWNER, SECOND)))
    assert caught.value.claim == "signature", "who signs unasked makes it unclear who grants"
    data = claims(uses=frozenset({"train-on"}), sublicense=Sublicense())
    assert verify(licensors, licensors.grant(data, by=(OWNER,))).root.issuer == OWNER
    first = licensors.grant(claims())
    for thief in ("line", SECOND):
        with pytest.raises(SignatureRefused):
            verify(licensors, first, licensors.grant(narrower(), by=(thief,), parent=first.digest))


def test_co_signers_must_have_signed(licensors: Licensors) -> None:
    said = claims(co_signers=frozenset({OWNER}))
    alone = licensors.grant(said)
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, alone)
    assert caught.value.claim == "co_signers"
    both = add_signature(alone, key(OWNER))
    assert verify(licensors, both).root.issuer == SECOND
    below = narrower(co_signers=frozenset({OWNER}))
    with pytest.raises(CountermarkError):
        verify(licensors, both, licensors.grant(below, by=("plant",), parent=both.digest))
    assert verify(licensors, both, licensors.grant(below, by=("plant", OWNER), parent=both.digest))


def test_links_cannot_be_moved(licensors: Licensors) -> None:
    first, other = licensors.grant(claims()), licensors.grant(claims(max_loads=3))
    link = licensors.grant(narrower(), by=("plant",), parent=first.digest)
    assert verify(licensors, first, link)
    for wrong in ((other, link), (link,), (first, link, link), (first,) * 2, ()):
        with pytest.raises(CountermarkError):
            verify(licensors, *wrong)
    deep = licensors.chain(*[claims(sublicense=Sublicense(7 - at, claims().uses)) for at in range(8)])
    assert len(verify(licensors, *deep).links) == 8
    with pytest.raises(StatementRefused):
        verify(licensors, *deep, deep[-1])


def test_another_project_or_kind_is_refused(licensors: Licensors) -> None:
    said = claims()
    context = replace(licensors.context(), project="f" * 64)
    foreign = licensors.sign("l", MODEL, LICENCE, Licence(context, None, said).to_json(), SECOND)
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, foreign)
    assert caught.value.claim == "project"
    right = Licence(licensors.context(), None, said).to_json()
    for name, digest, kind in (("l", "6" * 64, LICENCE), ("l", MODEL, "urn:countermark:predicate:beacon:v1")):
        with pytest.raises(StatementRefused):
            verify(licensors, licensors.sign(name, digest, kind, right, SECOND))


@pytest.mark.parametrize("whose", [SECOND, "plant"])
def test_a_time_key_is_nothing_else(licensors: Licensors, whose: str) -> None:
    with pytest.raises(LicenceRefused) as caught:
        verify(licensors, licensors.grant(claims(lease=replace(lease(), time_key=key(whose).public))))
    assert caught.value.claim == "lease"


def test_a_time_key_cannot_grant(licensors: Licensors) -> None:
    with pytest.raises(SignatureRefused):
        verify(licensors, licensors.grant(claims(lease=lease()), by=("time",)))


def test_revocation_reaches_down_and_only_by_who_granted(licensors: Licensors) -> None:
    said = (claims(revocation=Revocation("list", 1)), narrower(revocation=Revocation("list", 1)))
    envelopes = licensors.chain(*said)
    verified = verify(licensors, *envelopes)

    def lists(*data: bytes) -> list[word.Listed]:
        return [
            word.revoked(dsse.Envelope.from_bytes(d.strip()), verified, licensors.trust, licensors.world.clock.now)
            for d in data
        ]

    assert decide(request(), verified, NOW, lists(licensors.revocations(1)))
    for gone in envelopes:
        with pytest.raises(LicenceRefused) as caught:
            decide(request(), verified, NOW, lists(licensors.revocations(2, gone.digest)))
        assert caught.value.claim == "revocation"
    with pytest.raises(LicenceRefused):
        decide(
            request(),
            verified,
            NOW,
            lists(licensors.revocations(1), licensors.revocations(1, envelopes[1].digest, by="plant")),
        )
    own = lists(licensors.revocations(1), licensors.revocations(1, envelopes[0].digest, by="plant"))
    assert decide(request(), verified, NOW, own), "a licensee cannot revoke what it was granted"
    with pytest.raises(LicenceRefused, match="epoch 3"):
        decide(request(), verified, NOW, lists(licensors.revocations(2)), epoch=3)
    with pytest.raises(LicenceRefused, match="renewed"):
        decide(request(), verified, replace(NOW, now=BEGIN + 31 * DAY), lists(licensors.revocations(1)))
    with pytest.raises((TrustRefused, SignatureRefused)):
        lists(licensors.revocations(2, by=OWNER))


def test_explained(licensors: Licensors) -> None:
    bound = claims(
        lease=lease(30, 7), host=HostBinding("pkcs11-key", keys=(key("a").public,)), subject=Subject(MODEL, "7" * 64)
    )
    verified = verify(licensors, licensors.grant(bound))
    assert dict(rows(verified)).keys() >= set(Claims.__dataclass_fields__)
    said = dict(delays(bound))
    assert said["broker"].startswith("no part: this licence names no broker")
    assert said["TPM"] == "no part: this licence is not bound to one"
    assert said["software"].startswith(
        "not bounded against the host's owner; 37 d after the last beacon; this licence asks for no list"
    )
    kinds = {"none": "at rest", "software-key": "until first load", "pkcs11-key": "host-bound", "tee": "attested"}
    assert [protection(replace(bound, host=HostBinding(kind))) for kind in kinds] == list(kinds.values())  # type: ignore[arg-type]
    assert protection(replace(bound, subject=Subject(MODEL))).startswith("none")
    assert "never stops by itself" in dict(delays(replace(bound, lease=lease(30, 7, "advisory"))))["software"]


def test_every_claim_has_words_and_an_order() -> None:
    named = {one.name for one in fields(Claims)} - {"licensee"}
    assert set(CLAIMS) == set(ORDERS) == named


def test_what_denies_is_named() -> None:
    empty = Claims(claims().licensee, Subject(MODEL), stamp(BEGIN), stamp(BEGIN + DAY))
    everything = set(denied(empty))
    assert {"uses", "host", "lease", "revocation", "max_loads", "sublicense", "derivatives"} < everything
    assert set(denied(replace(empty, sublicense=Sublicense(0, frozenset({"infer"}))))) == everything, "of depth 0"
    granted = replace(empty, max_loads=None, host=HostBinding("none"), transfer=True, sublicense=Sublicense(1))
    assert everything - set(denied(granted)) == {"max_loads", "host", "transfer", "sublicense"}


def test_a_sublicence_by_another_key_names_whose_is_due(licensors: Licensors) -> None:
    grant, below = licensors.chain(claims(), narrower())
    forged = add_signature(replace(below, signatures=()), key("thief"))
    with pytest.raises(SignatureRefused, match="not signed by plant") as caught:
        verify(licensors, grant, forged)
    assert key("plant").public.id[:16] in caught.value.why and key("thief").public.id[:16] in caught.value.why


BROKER = NoteKey("countermark.broker/vault", bytes(32)).vkey()
TPM = HostBinding("tpm", ek="1" * 64, ak="2" * 68, pcrs=((7, "3" * 64),))
KEYED = HostBinding("software-key", keys=(key("a").public,))


@pytest.mark.parametrize(("host", "broker", "tpm", "software", "here_"), [
    (KEYED, "no part", "no part", "not bounded against the host's owner; 37 d where its clock and files are left alone", "as by software"),
    (replace(KEYED, broker=BROKER), "1 min of wall time", "no part", "no part", "as by broker"),
    (TPM, "no part", "not bounded against the host's owner: the licence names no counter", "no part: nothing is loaded here without", "as by TPM"),
    (replace(TPM, counter=(0x01800010, 5)), "no part", "37 d of powered-on time", "no part", "as by TPM"),
])  # fmt: skip
def test_the_delay_that_is_told_is_that_of_what_takes_part(
    host: HostBinding, broker: str, tpm: str, software: str, here_: str
) -> None:
    said = claims(lease=lease(30, 7), revocation=Revocation("x", 1), host=host)
    told = dict([*delays(said), here(said, None)])
    assert [
        told[name].startswith(text)
        for name, text in (("broker", broker), ("TPM", tpm), ("software", software), ("here", here_))
    ] == [True] * 4, told
    assert ("powered-on" in str(told)) == (host.counter is not None), told
