"""Quorums of nobody but the operator, or of one party: refused before an owner signs them; honest ones are not."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import sham_quorum
from both_sides import show
from core_world import OTHER, OWNER, SUPPLIER, World, private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import StatementRefused, TrustRefused
from countermark.keys import quorum
from countermark.keys.document import TrustDocument
from countermark.keys.lookalikes import mixed, plain, skeleton
from countermark.ledger.note import NoteKey
from countermark.lifecycle import enrol, trust_draft


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "world")


def test_a_sham_quorum_is_refused(tmp_path: Path) -> None:
    attacks = sham_quorum.attacks(tmp_path)
    assert len(attacks) == len(sham_quorum.DISGUISES) + 3
    for attack in attacks:
        shown = show(attack)
        assert isinstance(shown.refusal, StatementRefused), f"{attack.name}: Countermark took it"
        assert shown.naive == "took it: 'enough: True, of others: True'", shown.naive


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("quorum acme0", {SUPPLIER: 1}),
        ("group any-of-acme any acme0 acme1\nquorum any-of-acme", {SUPPLIER: 2}),
        ("group a any acme0 acme1\ngroup both all a bolts0\nquorum both", {SUPPLIER: 2, OTHER: 1}),
        ("group most 2 acme0 bolts0 manufacturer0\nquorum most", {SUPPLIER: 1, OTHER: 1, OWNER: 1}),
        ("quorum none", {SUPPLIER: 2}),
    ],
)
def test_an_honest_quorum_is_taken(world: World, rule: str, keys: dict[str, int]) -> None:
    sham_quorum.drafted(world, rule, keys).check()


def test_a_policy_that_names_logs_names_the_projects_ledger(world: World) -> None:
    document = sham_quorum.drafted(world, f"quorum {SUPPLIER}0", {SUPPLIER: 1})
    own = NoteKey(document.ledger_origin, private_key(OWNER, "ledger").public.raw())
    other = NoteKey("another.invalid/log", bytes(range(32)))
    lines = f"log {other.vkey()}\nlog {own.vkey()} https://log.invalid/\n"
    replace(document, quorum=lines + document.quorum).check()
    moved = NoteKey("another.invalid/origin", own.public).vkey()
    with pytest.raises(StatementRefused, match="other logs"):
        replace(document, quorum=f"log {moved}\n{document.quorum}").check()
    with pytest.raises(TrustRefused, match="a log key twice"):
        quorum.parse(f"log {moved}\nlog {own.vkey()}\nquorum none")


@pytest.mark.parametrize(
    "vkey", ["a", "a+b", "a+00000000+", "+00000000+AQE=", "a+0000000g+AQE=", "a+00000000+AQF=", "a+0+AQE="]
)
def test_a_malformed_log_key_is_refused(vkey: str) -> None:
    with pytest.raises(TrustRefused, match="a log key is not"):
        quorum.parse(f"log {vkey}\nquorum none")


def test_names_of_different_organisations_stay_different() -> None:
    names = ["Acme Ltd", "Acme Inc", "Bolts Ltd", "Česká", "Ceska", "株式会社", "有限会社"]
    assert len(set(map(skeleton, names))) == len(names)
    assert plain("Cafe\N{COMBINING ACUTE ACCENT}") == plain("CAFÉ")


@pytest.mark.parametrize("change", [{"name": "n" * 201}, {"organisation": "o" * 201}])
def test_an_enrolment_that_no_trust_document_could_hold_is_refused_at_once(
    world: World, change: dict[str, str]
) -> None:
    """It was drafted once, and the draft then could not be read again, by anybody."""
    enrolment = replace(enrol.enrolment(world[SUPPLIER]), **change)
    with pytest.raises(StatementRefused, match="201 characters"):
        enrol.Enrolment.from_bytes(enrolment.to_bytes())


@pytest.mark.parametrize("moment", ["tomorrow", "2027-01-01", ""])
def test_a_key_that_ends_at_no_time_is_not_enrolled(world: World, moment: str) -> None:
    enrolment = enrol.enrolment(world[SUPPLIER])
    ends = replace(enrolment, keys=tuple(replace(k, not_after=moment or "never") for k in enrolment.keys))
    with pytest.raises(StatementRefused, match="time"):
        enrol.Enrolment.from_bytes(ends.to_bytes())
    party = ends.party(("supplier",), ("screw",))
    with pytest.raises(StatementRefused, match="time"):
        type(trust_draft.draft(world[OWNER])).from_bytes(trust_draft.draft(world[OWNER]).with_party(party).to_bytes())


NAMED = {
    "Acme Ltd": "\N{CYRILLIC CAPITAL LETTER A}cme Ltd", "Parts & Co": "Parts & C\N{GREEK SMALL LETTER OMICRON}",
    "COCO": "\N{CYRILLIC CAPITAL LETTER ES}\N{CYRILLIC CAPITAL LETTER O}" * 2, "HOSE": "\N{ARMENIAN CAPITAL LETTER SEH}OSE",
    "scopa": "".join(map(unicodedata.lookup, (f"CYRILLIC SMALL LETTER {n}" for n in ("DZE", "ES", "O", "ER", "A")))),
    "PLUM": "\N{CHEROKEE LETTER TLV}\N{CHEROKEE LETTER TLE}U\N{CHEROKEE LETTER LU}",
}  # fmt: skip


@pytest.mark.parametrize(("latin", "other"), NAMED.items())
@pytest.mark.parametrize("field", ["name", "organisation"])
def test_a_name_in_letters_that_only_look_right_is_refused(world: World, latin: str, other: str, field: str) -> None:
    draft = trust_draft.draft(world[OWNER])
    one, two = draft.party(OTHER), draft.party(SUPPLIER)
    fine = draft.with_party(replace(one, **{field: latin}))
    fine.check()
    with pytest.raises(StatementRefused, match=r"alphabets in one word|look alike"):
        fine.with_party(replace(two, **{field: other})).check()
    with pytest.raises(StatementRefused):  # and at every owner who is asked to sign, whoever drafted it
        TrustDocument.from_bytes(fine.with_party(replace(two, **{field: other})).to_bytes())


@pytest.mark.parametrize(
    "name",
    ["Завод имени Лихачёва", "ООО Север 2", "Ελληνική Βιομηχανία", "株式会社アクメ工業", "삼성 Parts", "Müller & Söhne", "Łódź Śruby",
     "Завод ABC", "\N{MICRO SIGN}-Technik", "Acme (Ереван)", "", "42"],
)  # fmt: skip
def test_honest_names_in_any_script_are_taken(world: World, name: str) -> None:
    assert mixed(name) == ""
    draft = trust_draft.draft(world[OWNER])
    draft.with_party(replace(draft.party(SUPPLIER), organisation=name, name=name)).check()


@pytest.mark.parametrize(
    "pair", [("Corn Ltd", "Com Ltd"), ("ILL", "lLL"), ("B0LT", "BOLT"), ("Acme", "Acmé"), ("Bolts", "Bolts Inc")]
)
def test_what_is_not_caught_is_known(pair: tuple[str, str]) -> None:
    """As the page says: within one script, accents, and words that mean the same."""
    one, other = pair
    assert mixed(other) == "" and (skeleton(one) != skeleton(other) or plain(one) == plain(other))


@settings(max_examples=300)
@given(st.text(max_size=40))
def test_no_name_crashes_the_comparison(name: str) -> None:
    assert mixed(name) in unicodedata.normalize("NFKC", name) and skeleton(name) == skeleton(f" {name}.")
