"""What a licence may claim: a closed vocabulary, read strictly; what is absent is denied.

Terms after ODRL 2.2 and SPDX in spirit, not in syntax: there is no policy language here, only values with a fixed order.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.document import moment
from countermark.keys.verifier import PublicKey
from countermark.statement.predicates.licence_host import HostBinding

Use = Literal["infer", "evaluate", "fine-tune", "distil", "quantise", "embed", "redistribute", "train-on"]
USES: tuple[Use, ...] = get_args(Use)
Derivatives = Literal["denied", "inherit", "free"]
DERIVATIVES: tuple[Derivatives, ...] = get_args(Derivatives)
OnLapse = Literal["refuse", "advisory"]
ON_LAPSE: tuple[OnLapse, ...] = get_args(OnLapse)
ANY, UNLIMITED, NONE = "*", "unlimited", "none"
MOST_DEPTH, MOST_VALUES, MOST_WINDOW = 7, 64, 10 * 366 * 86_400
LEAST_LEASE = 60
"""Seconds: hosts look for the licensor's word once a minute."""
_USE = re.compile("|".join(USES))
_TAG = re.compile(r"\*|[a-z0-9]+(?:-[a-z0-9]+)*")
_PLACE = re.compile(r"\*|[A-Z]{2}(?:-[A-Z0-9]{1,3})?")
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_FORMS = {
    _USE: f"one of {', '.join(USES)}",
    _TAG: "write a word of a-z, 0-9 and hyphens, such as inspection, or * for any",
    _PLACE: "write an ISO 3166 code, such as DE or US-CA, or * for any",
    _ID: "write the id of a party: a-z, 0-9, hyphens and dots, at most 64",
}
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Licensee:
    """Who is licensed, and the key by which it narrows, returns and, where it is the host's key, proves itself."""

    party: str
    organisation: str
    key: PublicKey

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"party": self.party, "organisation": self.organisation, "key": self.key.to_json()}


@dataclass(frozen=True, slots=True)
class Quota:
    """So many queries in each window.

    Attributes:
        count: queries; one picture of a batch is one query. window: seconds; windows begin at multiples of it since 1970-01-01 UTC.
            0 is the whole life of the licence.
    """

    count: int
    window: int

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"count": self.count, "window": self.window}


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the licence counts without fresh word of its licensor, and what then.

    Attributes:
        max_age, grace: seconds after the newest beacon. on_lapse: after both, ``refuse`` or ``advisory`` (goes on, and says so).
        time_key: signs the beacons, and nothing else: it is not in the trust document.
    """

    max_age: int
    grace: int
    on_lapse: OnLapse
    time_key: PublicKey

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "max_age": self.max_age,
            "grace": self.grace,
            "on_lapse": self.on_lapse,
            "time_key": self.time_key.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Revocation:
    """Where revocation lists are had, and the least epoch that will do."""

    list: str
    epoch: int

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"list": self.list, "epoch": self.epoch}


@dataclass(frozen=True, slots=True)
class Sublicense:
    """How many links may follow, and the uses that these may grant at most."""

    depth: int = 0
    uses: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"depth": self.depth, "uses": sorted(self.uses)}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is licensed: the tree digest, and where it is sealed the root over its ciphertext and its manifest's digest, hex."""

    digest: str
    ciphertext_root: str | None = None
    manifest: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"digest": self.digest, "ciphertext_root": self.ciphertext_root, "manifest": self.manifest}


@dataclass(frozen=True, slots=True)
class Claims:
    """All that a licence says. Every default denies.

    Attributes:
        not_before, not_after: RFC 3339 UTC; it counts from the first until before the second.
        max_loads, max_hosts: None is unlimited, and has to be written. max_queries: None is unlimited.
        host, lease, revocation: None denies; the word ``none`` says that nothing is asked.
        derivatives: ``inherit``: what is made of the subject stands under this licence; ``free``: it is the licensee's own.
        fingerprint: id of the mark in this licensee's copy. text: SHA-256 of the legal text, which prevails.
        co_signers: parties that must have signed beside the licensor.
    """

    licensee: Licensee
    subject: Subject
    not_before: str
    not_after: str
    uses: frozenset[str] = frozenset()
    field_of_use: frozenset[str] = frozenset()
    territory: frozenset[str] = frozenset()
    max_loads: int | None = 0
    max_queries: Quota | None = field(default=Quota(0, 0))
    max_hosts: int | None = 0
    host: HostBinding | None = None
    lease: Lease | Literal["none"] | None = None
    revocation: Revocation | Literal["none"] | None = None
    sublicense: Sublicense = field(default=Sublicense())
    transfer: bool = False
    derivatives: Derivatives = "denied"
    fingerprint: str | None = None
    text: str | None = None
    co_signers: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """JSON object; a claim that denies is left out where it may be."""
        out: dict[str, Any] = {
            "licensee": self.licensee.to_json(), "subject": self.subject.to_json(),
            "not_before": self.not_before, "not_after": self.not_after, "uses": sorted(self.uses),
            "field_of_use": sorted(self.field_of_use), "territory": sorted(self.territory),
            "max_loads": _count_json(self.max_loads), "max_hosts": _count_json(self.max_hosts),
            "max_queries": UNLIMITED if self.max_queries is None else self.max_queries.to_json(),
            "sublicense": self.sublicense.to_json(), "transfer": self.transfer, "derivatives": self.derivatives,
            "co_signers": sorted(self.co_signers),
        }  # fmt: skip
        more = {
            "host": self.host, "lease": self.lease, "revocation": self.revocation,
            "fingerprint": self.fingerprint, "text": self.text,
        }  # fmt: skip
        return out | {n: v if isinstance(v, str) else v.to_json() for n, v in more.items() if v is not None}

    @classmethod
    def from_json(cls, value: Any) -> Claims:
        """Parse strictly; an unknown claim is refused, because it might be the one that denies.

        Raises:
            StatementRefused, SignatureRefused: malformed, out of range, or contradicting itself.
        """
        fields = Fields(value, "licence")
        out = cls(
            _licensee(fields.object("licensee")), _subject(fields.object("subject")),
            fields.text("not_before", most=40), fields.text("not_after", most=40),
            uses=_uses(fields, "uses"),
            field_of_use=_set(fields, "field_of_use", _TAG), territory=_set(fields, "territory", _PLACE),
            max_loads=_count(fields, "max_loads"), max_queries=_quota(fields.optional("max_queries")),
            max_hosts=_count(fields, "max_hosts"), host=_if(fields.optional("host"), HostBinding.from_json),
            lease=_or_none(fields.optional("lease"), _lease),
            revocation=_or_none(fields.optional("revocation"), _revocation),
            sublicense=_if(fields.optional("sublicense"), _sublicense) or Sublicense(),
            transfer=_if(fields.optional("transfer"), lambda _: fields.boolean("transfer")) or False,
            derivatives=_if(fields.optional("derivatives"), _derivatives) or "denied",
            fingerprint=_if(fields.optional("fingerprint"), lambda _: _word(fields, "fingerprint")),
            text=fields.optional_hex("text"), co_signers=_set(fields, "co_signers", _ID),
        )  # fmt: skip
        fields.done()
        out._check()
        return out

    def _check(self) -> None:
        if moment(self.not_before) >= moment(self.not_after):
            raise StatementRefused(
                "licence: not_before is not before not_after",
                why="it would never count",
                mend="let it begin earlier, or end later",
            )
        bound = self.host.hosts() if self.host else None
        if bound is not None and self.max_hosts is not None and bound > self.max_hosts:
            raise StatementRefused(
                f"licence: host names {bound} hosts and max_hosts is {self.max_hosts}", mend="name fewer, or allow more"
            )
        if self.sublicense.depth and not self.sublicense.uses <= self.uses:
            raise StatementRefused("licence: sublicense.uses names a use that the licence itself does not grant",
                                   mend="grant the use as well, or leave it out of the sublicence")  # fmt: skip


def _licensee(value: Any) -> Licensee:
    fields = Fields(value, "licence: licensee")
    out = Licensee(
        _word(fields, "party"), fields.text("organisation", most=200), licence_key(fields.object("key"), "licensee.key")
    )
    fields.done()
    return out


def _subject(value: Any) -> Subject:
    fields = Fields(value, "licence: subject")
    out = Subject(fields.hex("digest"), fields.optional_hex("ciphertext_root"), fields.optional_hex("manifest"))
    fields.done()
    return out


def _lease(value: Any) -> Lease:
    fields = Fields(value, "licence: lease")
    out = Lease(
        _seconds(fields, "max_age", LEAST_LEASE), _seconds(fields, "grace", 0), _one_of(fields, "on_lapse", ON_LAPSE),
        licence_key(fields.object("time_key"), "lease.time_key"),
    )  # fmt: skip
    fields.done()
    return out


def _revocation(value: Any) -> Revocation:
    fields = Fields(value, "licence: revocation")
    out = Revocation(fields.text("list", most=512), fields.integer("epoch"))
    fields.done()
    return out


def _sublicense(value: Any) -> Sublicense:
    fields = Fields(value, "licence: sublicense")
    out = Sublicense(fields.integer("depth"), _uses(fields, "uses"))
    fields.done()
    if out.depth > MOST_DEPTH:
        raise StatementRefused(f"licence: sublicense.depth is {out.depth}, at most {MOST_DEPTH}")
    return out


def _quota(value: Any) -> Quota | None:
    if value is None or value == UNLIMITED:
        return Quota(0, 0) if value is None else None
    fields = Fields(value, "licence: max_queries")
    out = Quota(fields.integer("count"), _seconds(fields, "window", 0))
    fields.done()
    return out


def _derivatives(value: Any) -> Derivatives:
    return _one_of(Fields({"derivatives": value}, "licence"), "derivatives", DERIVATIVES)


def licence_key(value: Any, claim: str) -> PublicKey:
    """A public key of the use ``licence``.

    Raises:
        SignatureRefused: malformed. StatementRefused: of another use.
    """
    # One time key stands in every link of a chain: it is parsed once.
    fields = tuple(sorted(value.items())) if isinstance(value, dict) else ()
    plain = len(fields) == 3 and all(isinstance(field, str) for _, field in fields)
    key = _parsed_key(fields) if plain else PublicKey.from_json(value)
    if key.use != "licence":
        raise StatementRefused(f"licence: {claim} is a {key.use} key", why="every key has one use")
    return key


@functools.lru_cache(64)
def _parsed_key(fields: tuple[tuple[str, str], ...]) -> PublicKey:
    return PublicKey.from_json(dict(fields))


def _one_of(fields: Fields, name: str, words: tuple[_Made, ...]) -> _Made:
    seen = fields.text(name, most=64)
    for word in words:
        if word == seen:
            return word
    raise StatementRefused(f"licence: {name} is {seen!r:.40}", mend=f"one of {', '.join(map(str, words))}")


def _uses(fields: Fields, name: str) -> frozenset[str]:
    return _set(fields, name, _USE)


def _set(fields: Fields, name: str, form: re.Pattern[str]) -> frozenset[str]:
    """A list of distinct words, sorted or not; absent is the empty set, which denies."""
    if fields.optional(name) is None:
        return frozenset()
    values = fields.texts(name)
    if len(values) > MOST_VALUES or len(set(values)) != len(values):
        raise StatementRefused(f"licence: {name} holds a value twice, or more than {MOST_VALUES}")
    for value in values:
        if len(value) > 64 or not form.fullmatch(value):
            raise StatementRefused(
                f"licence: {name} cannot hold {value!r:.80}", why=f"it has the form {form.pattern}", mend=_FORMS[form]
            )
    if ANY in values and len(values) > 1:
        raise StatementRefused(f"licence: {name} holds {ANY!r} beside others", mend="it stands alone")
    return frozenset(values)


def _word(fields: Fields, name: str) -> str:
    value = fields.text(name, most=64)
    if not _ID.fullmatch(value):
        raise StatementRefused(f"licence: {name} is {value!r:.80}", mend="use a-z, 0-9, hyphens and dots, at most 64")
    return value


def _count(fields: Fields, name: str) -> int | None:
    seen = fields.optional(name)
    if seen is None:
        return 0
    return None if seen == UNLIMITED else fields.integer(name)


def _count_json(value: int | None) -> int | str:
    return UNLIMITED if value is None else value


def _seconds(fields: Fields, name: str, least: int) -> int:
    value = fields.integer(name, least=least)
    if value > MOST_WINDOW:
        raise StatementRefused(
            f"licence: {name} is longer than ten years", why=f"{value} s", mend=f"at most {MOST_WINDOW // 86_400}d"
        )
    return value


def _if(value: Any, make: Callable[[Any], _Made]) -> _Made | None:
    return None if value is None else make(value)


def _or_none(value: Any, make: Callable[[Any], _Made]) -> _Made | Literal["none"] | None:
    """Absent, the word ``none``, or an object."""
    if value is None:
        return None
    return "none" if value == NONE else make(value)
