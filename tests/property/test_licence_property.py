"""Licences by property: no chain widens, no bytes break a parser, and the decision of a child never exceeds its parent's.

The suite tries 2,000 chains; ``CHAINS=100000 pytest tests/property/test_licence_property.py`` is how the full number was run.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "attacks" / "licence"))
from licence_world import BEGIN, DAY, MODEL, claims, key, stamp

from countermark import canonical
from countermark.errors import CountermarkError, Refusal
from countermark.ledger.note import NoteKey
from countermark.licence import chain as chains
from countermark.licence import state, word
from countermark.licence.clock import Reading
from countermark.licence.decide import Request, permits
from countermark.licence.host import ProvenHost
from countermark.licence.lattice import refuse_widening
from countermark.licence.meter import window
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.beacon import Beacon, Reset
from countermark.statement.predicates.licence import Licence, ReturnReceipt, RevokedLicences
from countermark.statement.predicates.licence_claims import (
    DERIVATIVES,
    ON_LAPSE,
    USES,
    Claims,
    Lease,
    Quota,
    Revocation,
    Subject,
    Sublicense,
)
from countermark.statement.predicates.licence_host import HostBinding

CHAINS = int(os.environ.get("CHAINS", "2000"))
KEYS = tuple(key(name).public for name in "abc")
TIME_KEYS = tuple(key(name).public for name in ("time", "other time"))
TEE = tuple(f"tdx-mrtd:{n * 96}" for n in "123")
BROKERS = tuple(NoteKey(f"countermark.broker/{name}", bytes([at] * 32)).vkey() for at, name in enumerate("ab"))
FIELDS, PLACES = ("inspection", "sorting", "medicine"), ("DE", "FR", "US-CA")


def some(dice: random.Random, values: tuple[Any, ...]) -> frozenset[Any]:
    return frozenset(dice.sample(values, dice.randint(0, len(values))))


def binding(dice: random.Random) -> HostBinding | None:
    kind = dice.choice((None, "none", "none", "software-key", "pkcs11-key", "tpm", "tee"))
    if kind is None or kind == "none":
        return kind and HostBinding("none")
    if kind == "tpm":
        return HostBinding(
            "tpm",
            ek=dice.choice("12") * 64,
            ak="2" * 68,
            pcrs=tuple((n, "3" * 64) for n in sorted(some(dice, (0, 7, 16)))) or ((7, "3" * 64),),
            counter=dice.choice((None, (0x01800010, 1), (0x01800010, 2))),
        )
    if kind == "tee":
        return HostBinding("tee", measurements=some(dice, TEE) or frozenset(TEE[:1]))
    return HostBinding(kind, keys=tuple(dice.sample(KEYS, dice.randint(1, 3))), broker=dice.choice(("", *BROKERS)))


def value(claim: str, dice: random.Random) -> Any:
    """A random value of a claim, the edges often."""
    made: dict[str, Any] = {
        "subject": lambda: Subject(
            dice.choice((MODEL, MODEL, "6" * 64)), dice.choice((None, None, "7" * 64)), dice.choice((None, "8" * 64))
        ),
        "not_before": lambda: stamp(BEGIN + dice.randint(0, 5) * DAY),
        "not_after": lambda: stamp(BEGIN + dice.randint(6, 12) * DAY),
        "uses": lambda: some(dice, USES),
        "field_of_use": lambda: dice.choice((frozenset({"*"}), some(dice, FIELDS))),
        "territory": lambda: dice.choice((frozenset({"*"}), some(dice, PLACES))),
        "max_loads": lambda: dice.choice((None, 0, 1, 5)),
        "max_hosts": lambda: dice.choice((None, 0, 3, 5)),
        "max_queries": lambda: dice.choice((None, Quota(dice.randint(0, 4), dice.choice((0, 60, 90, 120, 180))))),
        "host": lambda: binding(dice),
        "lease": lambda: dice.choice(
            (
                None,
                "none",
                Lease(dice.randint(60, 63), dice.randint(0, 2), dice.choice(ON_LAPSE), dice.choice(TIME_KEYS)),
            )
        ),
        "revocation": lambda: dice.choice((None, "none", Revocation(dice.choice("ab"), dice.randint(0, 2)))),
        "sublicense": lambda: Sublicense(dice.randint(0, 7), some(dice, USES)),
        "transfer": lambda: dice.random() < 0.5,
        "derivatives": lambda: dice.choice(DERIVATIVES),
        "fingerprint": lambda: dice.choice((None, "m1", "m2")),
        "text": lambda: dice.choice((None, "1" * 64, "2" * 64)),
        "co_signers": lambda: some(dice, ("x", "y")),
    }
    return made[claim]()


CLAIMS = tuple(f.name for f in fields(Claims) if f.name != "licensee")


def root(dice: random.Random) -> Claims:
    """A rich grant, so that there is something to widen."""
    out = claims()
    for claim in dice.sample(CLAIMS, dice.randint(0, 6)):
        out = replace(out, **{claim: value(claim, dice)})
    return out


def child(parent: Claims, dice: random.Random) -> Claims:
    """The parent with a few claims thrown anew: some narrower, some wider, some neither."""
    depth = max(0, parent.sublicense.depth - 1)
    out = replace(parent, uses=parent.uses & parent.sublicense.uses, sublicense=replace(parent.sublicense, depth=depth))
    for claim in dice.sample(CLAIMS, dice.choice((0, 1, 1, 2, 3))):
        out = replace(out, **{claim: value(claim, dice)})
    return out


def asked(about: Claims, dice: random.Random) -> tuple[Request, int]:
    """A request that lies near what a licence allows."""
    host = about.host
    name = dice.choice(host.keys).id if host and host.keys else ""
    proven = ProvenHost(host.kind if host else "none", name)
    field = dice.choice((*about.field_of_use - {"*"}, *FIELDS))
    place = dice.choice((*about.territory - {"*"}, *PLACES))
    use = dice.choice((*about.uses, *USES))
    return Request(use, about.subject, proven, field, place), BEGIN + dice.randint(0, 12) * DAY


@dataclass(frozen=True)
class Host:
    """A host that stands before a licence: its kind, its key, its TPM's identity and registers, its enclave, what counts for it."""

    kind: str
    key: Any = None
    ek: str = ""
    pcrs: frozenset[tuple[int, str]] = frozenset()
    counter: Any = None
    measurement: str = ""
    broker: str = ""


def hosts(about: HostBinding | None, dice: random.Random) -> list[Host]:
    """Hosts near what a binding asks for: as it says, and with one thing other or missing."""
    if about is None or about.kind == "none":
        return [Host("none"), Host("software-key", dice.choice(KEYS))]
    as_said = Host(
        about.kind,
        dice.choice(about.keys) if about.keys else None,
        about.ek,
        frozenset(about.pcrs),
        about.counter,
        dice.choice(sorted(about.measurements)) if about.measurements else "",
        about.broker,
    )
    return [
        as_said,
        replace(as_said, broker=""),
        replace(as_said, counter=None),
        replace(as_said, key=dice.choice(KEYS)),
    ]


def serves(binding: HostBinding | None, host: Host) -> bool:
    """Oracle: whether a licence of this binding is used on that host."""
    if binding is None or binding.kind == "none":
        return binding is not None
    return (
        binding.kind == host.kind
        and (not binding.keys or host.key in binding.keys)
        and binding.broker in ("", host.broker)
        and binding.ek == host.ek
        and set(binding.pcrs) <= host.pcrs
        and binding.counter in (None, host.counter)
        and (not binding.measurements or host.measurement in binding.measurements)
    )


def allows(about: Claims, request: Request, now: int) -> bool:
    try:
        permits(about, request, now)
    except LicenceRefused:
        return False
    return True


def queries(quota: Quota | None, times: list[int]) -> bool:
    """Oracle: whether a quota allows queries at these times, counted one by one."""
    if quota is None:
        return True
    counts: dict[int, int] = {}
    for at in times:
        number, _ = window(quota, at)
        counts[number] = counts.get(number, 0) + 1
    return all(n <= quota.count for n in counts.values())


def lasts(lease: Any, age: int) -> bool:
    """Oracle: whether a lease allows word of that age without saying that it lapsed."""
    return lease == "none" or (isinstance(lease, Lease) and age < lease.max_age + lease.grace)


def never_stops(lease: Any) -> bool:
    return lease == "none" or (isinstance(lease, Lease) and lease.on_lapse == "advisory")


def widens(below: Claims, above: Claims, dice: random.Random) -> str:
    """What a child allows and its parent does not, found by trying; "" where nothing is."""
    for _ in range(12):
        request, now = asked(dice.choice((below, below, above)), dice)
        if allows(below, request, now) and not allows(above, request, now):
            return f"{request} at {now}"
        times = [BEGIN + dice.randint(0, 240) for _ in range(dice.randint(1, 5))]
        if queries(below.max_queries, times) and not queries(above.max_queries, times):
            return f"queries at {times}"
    for host in hosts(below.host, dice):
        if serves(below.host, host) and not serves(above.host, host):
            return f"{host}"
    for age in range(58, 68):
        if lasts(below.lease, age) and not lasts(above.lease, age):
            return f"a lease of age {age}"
    if never_stops(below.lease) and not never_stops(above.lease):
        return "a lease that never stops"
    for claim in ("max_loads", "max_hosts"):
        mine, most = getattr(below, claim), getattr(above, claim)
        if most is not None and (mine is None or mine > most):
            return claim
    later = below.transfer > above.transfer or DERIVATIVES.index(below.derivatives) > DERIVATIVES.index(
        above.derivatives
    )
    if later or not below.uses <= above.uses or below.sublicense.depth >= above.sublicense.depth:
        return "transfer, derivatives, uses or depth"
    if (
        isinstance(above.revocation, Revocation)
        and below.revocation is not None
        and below.revocation
        != replace(above.revocation, epoch=max(above.revocation.epoch, getattr(below.revocation, "epoch", -1)))
    ):
        return "revocation"
    return ""


def test_no_chain_widens() -> None:
    dice = random.Random(20261127)
    found, accepted, refused = [], 0, 0
    for _ in range(CHAINS):
        links = [root(dice)]
        for _ in range(dice.randint(1, 4)):
            below = child(links[-1], dice)
            try:
                refuse_widening(below, links[-1])
            except LicenceRefused as error:
                refused += 1
                assert error.mend and not set("{}<>") & set(error.what), "told in people's words, with the next step"
                continue
            accepted += 1
            links.append(below)
        for at, below in enumerate(links[1:], 1):
            found += [how for above in links[:at] if (how := widens(below, above, dice))]
    print(f"{CHAINS} chains, {accepted} links accepted, {refused} refused, {len(found)} widenings")
    assert found == []
    assert accepted > CHAINS / 2 and refused > CHAINS / 2, "both sides were tried"


def test_the_oracle_notices_a_lattice_with_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order that is left open is found by the same tries: the test above is not blind."""
    from countermark.licence import lattice

    seen = {"subject", "uses", "field_of_use", "territory", "not_before", "not_after", "max_loads", "max_queries", "max_hosts", "host",
            "lease", "revocation", "sublicense", "transfer", "derivatives"}  # fmt: skip
    for claim in sorted(seen):
        monkeypatch.setitem(lattice.ORDERS, claim, lambda _child, _parent: True)
        dice, hit = random.Random(7), False
        for _ in range(6000):
            above = root(dice)
            below = child(above, dice)
            try:
                refuse_widening(below, above)
            except LicenceRefused:
                continue
            if hit := bool(widens(below, above, dice)):
                break
        assert hit, f"a hole in the order of {claim} goes unnoticed"
        monkeypatch.undo()


@pytest.mark.parametrize(
    "left_open", [{"broker": ""}, {"counter": None}, {"keys": ()}, {"measurements": frozenset()}, {"pcrs": ()}, {"ek": ""}], ids=lambda n: next(iter(n))
)  # fmt: skip
def test_the_oracle_notices_a_binding_with_a_hole(left_open: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a binding asks for is tried thing by thing: an order that forgets the broker, say, is found too."""
    from countermark.licence import lattice

    order = lattice.ORDERS["host"]

    def forgetful(child: HostBinding | None, parent: HostBinding | None) -> bool:
        return order(child and replace(child, **left_open), parent and replace(parent, **left_open))

    monkeypatch.setitem(lattice.ORDERS, "host", forgetful)
    dice = random.Random(7)
    for _ in range(6000):
        above = root(dice)
        above = replace(above, host=binding(dice))
        below = replace(child(above, dice), host=binding(dice))
        try:
            refuse_widening(below, above)
        except LicenceRefused:
            continue
        if any(serves(below.host, host) and not serves(above.host, host) for host in hosts(below.host, dice)):
            return
    pytest.fail(f"an order that forgets {left_open} goes unnoticed")


def test_every_claim_comes_back_as_it_was_written() -> None:
    dice = random.Random(3)
    for _ in range(500):
        said = root(dice)
        try:
            back = Claims.from_json(canonical.from_bytes(canonical.to_bytes(said.to_json())))
        except Refusal:
            continue  # claims that contradict each other are not taken
        assert back == replace(said, host=back.host) and (
            back.host == said.host or (back.host and said.host and set(back.host.keys) == set(said.host.keys))
        )


PARSERS = (
    Claims.from_json, Licence.from_json, RevokedLicences.from_json, ReturnReceipt.from_json, Beacon.from_json, Reset.from_json,
    HostBinding.from_json,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=8), c, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CLAIMS), JSON, st.randoms(use_true_random=False))
def test_a_claim_of_any_shape_is_taken_or_refused(claim: str, thrown: Any, dice: random.Random) -> None:
    whole = root(dice).to_json() | {claim: thrown}
    for parse in PARSERS:
        try:
            parse(whole)
        except Refusal:
            continue


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_taken_or_refused(data: bytes) -> None:
    for read in (chains.from_file, word.lines, state.parse):
        try:
            read(data)
        except CountermarkError:
            continue


def test_flipped_states_are_refused_or_another_state() -> None:
    from countermark.licence.clock import Memory

    entry = state.State("a" * 64, "b" * 32, Memory(BEGIN), 1, usage={"c" * 64: state.Usage(1, 2, 3, ("d",))}).entry()
    data = canonical.to_bytes({"previous": "0" * 64, "entry": canonical.from_bytes(entry)})
    _, _, head = state.parse(data)
    for at in range(len(data)):
        for bit in (1, 4):
            flipped = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            try:
                assert state.parse(flipped)[2] != head
            except CountermarkError:
                continue
    assert Reading(1, 1, "").now == 1
