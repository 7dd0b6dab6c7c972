"""The facts that matrix and cheat sheet share, each from the statements that could show it."""

from __future__ import annotations

from typing import Any

from countermark.assess.look import Fact, Look, fact, interval, share
from countermark.policy.gates import out_of_the_data
from countermark.policy.shape import table, tables, text

ROBUST, WEAK = 0.5, 0.9
"""Robust accuracy whose interval lies below `ROBUST`, and a copy above `WEAK`, count as not shown."""
SQUARE, EXTRACTION = "evasion/square", "stealing/extraction"


def origin(look: Look) -> Fact:
    """Every admitted delivery is signed by its supplier."""
    admitted = look.admitted()
    suppliers = len({text(d.get("supplier")) for d in admitted})
    if admitted and look.holds("signed/deliveries", "deliveries-in-scope"):
        told = f"{len(admitted)} deliveries of {suppliers} suppliers are signed by a party in whose scope they lie"
        return fact("shown", told, *look.delivered())
    return fact("not shown", "not every admitted delivery is signed by a party in whose scope it lies")


def unchanged(look: Look) -> Fact:
    """What arrived is what was signed, and what did not match was refused."""
    refused = sum(d.get("state") == "refused" for d in look.many("deliveries")) + len(look.many("refused_before"))
    if look.admitted() and look.holds("signed/deliveries"):
        told = f"the files admitted are the files that were signed; {refused} {'delivery was' if refused == 1 else 'deliveries were'} refused at the door"
        return fact("shown", told, *look.delivered())
    return fact("not shown", "no signature binds what arrived to what was sent")


def poisoning(look: Look) -> Fact:
    """All rows were screened, and what was found is out; never more than partly: checks see what they look for."""
    data = [c for c in table(look.one("screening").get("checks")) if c.startswith("data/")]
    named = [text(n.get("supplier")) for n in tables(look.one("screening").get("named"))]
    aside = len(out_of_the_data(look.evidence))
    if not data or not look.holds("signed/screening", "screening-complete"):
        return fact("not shown", "no screening covers all admitted rows")
    if not look.holds(*data):
        return fact(
            "not shown", "a check did not look, or what it found is still in the data", look.digest("screening")
        )
    told = (
        f"{len(data)} checks looked at {look.one('screening').get('rows')} rows; named: {', '.join(named) or 'nobody'}; "
        f"{aside} rows set aside; poison of a kind that no check looks for would pass"
    )
    return fact("partly", told, look.digest("screening"), *(text(q.get("statement")) for q in look.many("quarantines")))


def scaling(look: Look) -> Fact:
    """Pictures that turn into others when they are made small."""
    word = look.outcome("data/image-scaling")
    if word == "passed" or (word == "found" and look.holds("data/image-scaling")):
        return fact(
            "shown", "no picture left in the data turns into another when it is scaled", look.digest("screening")
        )
    return fact("not shown", f"the check of image scaling: {word}")


def counts(look: Look) -> Fact:
    """Rows per supplier and class against the contract."""
    if look.outcome("data/contract") == "passed":
        return fact(
            "shown", "every supplier delivered what its contract says, class by class", look.digest("screening")
        )
    return fact("not shown", f"the check against the contract: {look.outcome('data/contract')}")


def exact_data(look: Look) -> Fact:
    """Trained from the admitted rows and no others."""
    if look.holds("trained-from-admitted-rows", "signed/training"):
        told = "the training statement names exactly the dataset that was admitted and not set aside"
        return fact("shown", told, look.digest("training"), look.digest("screening"))
    return fact("not shown", "no training statement names exactly the admitted rows")


def recipe(look: Look) -> Fact:
    """Code, parameters and environment have digests; how sure it is that nothing else took part."""
    training = look.one("training")
    level = text(table(training.get("hermetic")).get("level"))
    if not look.holds("signed/training") or not training.get("recipe"):
        return fact("not shown", "no training statement names the recipe")
    if level in ("reproduced", "attested") and look.holds("training/hermetic"):
        return fact(
            "shown", f"recipe, code and environment are named by digest; hermetic: {level}", look.digest("training")
        )
    told = (
        f"recipe, code and environment are named by digest; hermetic: {level or 'unknown'}, by the trainer's own word"
    )
    return fact("partly", told, look.digest("training"))


def environment(look: Look) -> Fact:
    """The software that trained, by digest, and whether anybody but the trainer vouches for it."""
    training = look.one("training")
    if not look.holds("signed/training") or not training.get("environment"):
        return fact("not shown", "no training statement names the software that trained")
    state = table(training.get("hermetic")).get("level") == "attested"
    told = "interpreter and libraries are named by digest" + (
        "; hardware attests to them" if state else "; nobody attests to them"
    )
    return fact("shown" if state else "partly", told, look.digest("training"))


def same_model(look: Look) -> Fact:
    """The file judged is the file trained, and somebody else approved it."""
    approvals = [text(a.get("statement")) for a in look.many("approvals")]
    if look.holds("trained-from-admitted-rows", "approved-by-reviewer", "signed/training"):
        told = "the model is the output of the training statement, and a reviewer approved that very file"
        return fact("shown", told, look.digest("training"), *approvals)
    return fact("not shown", "training and approval do not name this very file")


def safe_file(look: Look) -> Fact:
    """Every byte of the model files was accounted for."""
    files = [f for f in tables(look.one("inspection").get("files")) if f.get("answer") == "proven"]
    if files and look.holds("signed/inspection", "model/coverage", "model/files"):
        told = f"model files proven to their last byte: {len(files)}; loading them runs no code"
        return fact("shown", told, look.digest("inspection"))
    return fact("not shown", "no inspection proves the model files")


def quality(look: Look) -> Fact:
    """Whether the model still does its work: measured by the trainer, and at a trial by somebody else."""
    clean = look.measures(SQUARE).get("clean accuracy", {})
    if interval(clean) is None or not look.holds("signed/trials"):
        return fact("not shown", "nobody but the trainer measured how well the model works")
    told = f"{share(clean)} of test pictures are right, measured by a party that did not train it"
    return fact("partly", told, text(look.trial(SQUARE).get("statement")))


def evasion(look: Look) -> Fact:
    """How the model stands an attack on its input; never more than partly: one black-box attack tells nothing of better ones."""
    robust = look.measures(SQUARE).get("robust accuracy", {})
    got = interval(robust)
    if got is None or not look.holds("signed/trials"):
        return fact("not shown", "no evasion trial ran to its end")
    told = f"square attack: {share(robust)} of test pictures stay right"
    digest = text(look.trial(SQUARE).get("statement"))
    if got[2] < ROBUST:
        return Fact("not shown", f"{told}: whoever can change pixels can change the answer", (digest,))
    return fact("partly", f"{told}; no white-box attack was tried", digest)


def tested(look: Look) -> Fact:
    """Whether attacks on the input were tried at all, whatever came out."""
    trial = look.trial(SQUARE)
    if trial and look.holds("signed/trials"):
        robust = share(look.measures(SQUARE).get("robust accuracy", {}))
        told = (
            f"one black-box attack, run to its end: {robust} of test pictures stay right; no white-box attack was tried"
        )
        return fact("partly", told, text(trial.get("statement")))
    return fact("not shown", "no evasion trial ran to its end")


def extraction(look: Look) -> Fact:
    """How faithful a copy the model's answers allow."""
    fidelity = [m for name, m in look.measures(EXTRACTION).items() if name.startswith("fidelity") and interval(m)]
    if not fidelity or not look.holds("signed/trials"):
        return fact("not shown", "no extraction trial ran to its end")
    best = max(fidelity, key=lambda m: (interval(m) or (0.0,))[0])
    told = f"the best copy agrees on {share(best)} ({text(best.get('name')).removeprefix('fidelity, ')}); copying the file is another matter"
    digest = text(look.trial(EXTRACTION).get("statement"))
    high = (interval(best) or (1.0, 1.0, 1.0))[2]
    return fact("partly", told, digest) if high <= WEAK else Fact("not shown", told, (digest,))


def apart(look: Look) -> Fact:
    """Training, reviewing and lifting rules are different parties' work."""
    approvals = look.many("approvals")
    if look.holds("approved-by-reviewer", "signed/training"):
        told = "trainer and approver are different parties; a waiver by either would not count"
        return fact("shown", told, look.digest("training"), *(text(a.get("statement")) for a in approvals))
    return fact("not shown", "no approval by another party than the trainer")


def parties(look: Look) -> Fact:
    """Everybody who signed is named in a signed, versioned trust document."""
    project = look.one("project")
    named = {text(p.get("id")) for p in tables(project.get("parties"))}
    stages = [
        *look.admitted(),
        *(look.one(s) for s in ("screening", "training", "inspection")),
        *look.many("approvals"),
    ]
    signers = {text(s.get("signer")) for s in stages if s}
    if named and signers and signers <= named:
        told = f"{len(named)} parties with roles and keys of their own, version {project.get('trust_version')} of the trust document"
        return fact("shown", told, text(project.get("fingerprint")))
    return fact("not shown", "a signer is not named in the trust document")


def written_policy(look: Look) -> Fact:
    """The rules of release stand in a file whose digest is known."""
    policy = table(look.verdict.get("policy"))
    rules = len(tables(look.verdict.get("rules")))
    return fact(
        "shown" if rules else "not shown",
        f"policy {policy.get('name')!r}: {rules} rules, deny by default",
        text(policy.get("digest")),
    )


def exceptions(look: Look) -> Fact:
    """What was waived, by whom, until when."""
    waived = [table(r.get("waived")) for r in tables(look.verdict.get("rules")) if r.get("waived")]
    policy = text(table(look.verdict.get("policy")).get("digest"))
    if not waived:
        return fact(
            "shown", "no rule was waived; a waiver takes a named role, an end and a place in the ledger", policy
        )
    told = "; ".join(f"waived by {w.get('party')} until {w.get('until')}" for w in waived)
    return fact("shown", told, *(text(w.get("statement")) for w in waived))


def witnessed(look: Look) -> Fact:
    """Somebody outside has seen the history."""
    ledger = look.one("ledger")
    if ledger.get("witnessed") is True and look.holds("ledger/quorum"):
        return fact("shown", "a quorum of witnesses cosigned the ledger's head", text(ledger.get("root")))
    return fact("not shown", "unwitnessed: the operator could rewrite this history")


def revocable(look: Look) -> Fact:
    """Fresh word of what no longer counts."""
    until = text(look.one("revocations").get("next_update"))
    if until:
        told = f"the owners signed a revocation snapshot; the next is due {until}"
        return fact("shown", told, look.digest("revocations"))
    return fact("not shown", "freshness: not shown, the owners signed no revocation snapshot")


def receipts(look: Look) -> Fact:
    """Row to supplier, without trust in network or storage."""
    if look.admitted() and look.holds("signed/deliveries", "signed/screening", "signed/training"):
        told = "each row belongs to a signed delivery that stands in the ledger; screening and training name them by digest"
        return fact("shown", told, *look.delivered())
    return fact("not shown", "a statement lacks a signature or a receipt")


def guarded(look: Look) -> Fact:
    """A guard key is delegated for this model."""
    delegations = [d for d in look.many("delegations") if d.get("subject") == look.one("subject").get("digest")]
    if delegations:
        told = f"{len(delegations)} guard keys are delegated for this model; each answer is signed with one of them"
        return fact("partly", told, *(text(d.get("statement")) for d in delegations))
    return fact("not shown", "no delegation of a guard key for this model is among the evidence")


BOUND = ("pkcs11-key", "tpm", "tee")
"""Host bindings whose key does not leave the host."""
NO_LICENCE = "no licence for this model is among the evidence"


def licensed(look: Look) -> Fact:
    """What stands against use outside the licence; never more than partly: a guard holds to it where its operator leaves it alone."""
    found = _licences(look)
    told = f"licences of {_licensees(found)}: a guard that serves under one refuses what it does not grant; whoever has the plain files is only forbidden"
    return fact("partly", told, *(text(one.get("statement")) for one in found)) if found else nothing(NO_LICENCE)


def prevented(look: Look) -> Fact:
    """Whether use outside the licence is prevented, not only forbidden: the weakest licence decides."""
    found = _licences(look)
    if not found:
        return nothing(NO_LICENCE)
    digests = tuple(text(one.get("statement")) for one in found)
    weak = [one for one in found if one.get("sealed") is not True or one.get("host") not in BOUND]
    if weak:
        why = f"forbidden, not prevented: the licence of {_licensees(weak)} names no sealed model, or no key that cannot leave the host"
        return Fact("not shown", why, digests)
    told = f"licences of {_licensees(found)} name the sealed model, and a key that does not leave its host; who runs that host can still read its memory"
    return fact("partly", told, *digests)


def _licences(look: Look) -> list[dict[str, Any]]:
    """Those for this very model."""
    return [
        one
        for one in look.many("licences")
        if one.get("subject") == look.one("subject").get("digest") and one.get("statement")
    ]


def _licensees(found: list[dict[str, Any]]) -> str:
    names = sorted({text(one.get("licensee")) for one in found})
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def nothing(because: str) -> Fact:
    """A question that no statement known today could answer."""
    return Fact("not shown", because)
