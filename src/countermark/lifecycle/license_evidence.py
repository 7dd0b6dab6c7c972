"""Licences as an assessment looks at them: those for a model that count now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from countermark.errors import Refusal
from countermark.keys.document import moment
from countermark.keys.trust import Trust
from countermark.licence import chain as chains
from countermark.licence.chain import Chain
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.license import read
from countermark.lifecycle.license_kept import granted
from countermark.lifecycle.license_lists import newest_list


def evidence(desk: Desk, model: str, handed: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Licences for a model that count now, as an assessment looks at them: those that were signed here, and those handed in.

    Ended, revoked and not wholly co-signed ones are left out, and one kept here that does not hold any more.

    Args:
        model: tree digest, hex. handed: licence files, each of which must hold.

    Raises:
        Refusal: one that was handed in does not hold. Unusable: something cannot be read.
    """
    trust, now = desk.trust(), desk.now()
    listed = newest_list(desk)
    revoked = listed[1].licences if listed else frozenset[str]()
    out = {}
    for chain in (*_held(desk, trust, now), *(read(desk, file).chain for file in handed)):
        claims, links = chain.claims, [link.digest for link in chain.links]
        counts = moment(claims.not_before) <= now < moment(claims.not_after) and revoked.isdisjoint(links)
        if claims.subject.digest == model and counts:
            out[links[-1]] = {
                "statement": links[-1], "signer": chain.leaf.issuer, "subject": model, "licensee": claims.licensee.party,
                "uses": sorted(claims.uses), "until": claims.not_after, "host": claims.host.kind if claims.host else "denied",
                "sealed": claims.subject.ciphertext_root is not None,
            }  # fmt: skip
    return [out[digest] for digest in sorted(out)]


def _held(desk: Desk, trust: Trust, now: datetime) -> Iterator[Chain]:
    for envelopes, _ in granted(desk):
        with contextlib.suppress(Refusal):  # a recall tells of it; it is no evidence
            yield chains.verify(envelopes, trust, now)
