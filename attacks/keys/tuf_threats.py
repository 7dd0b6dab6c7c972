"""The threats that TUF lists, by name, against the trust document and the passport.

    python attacks/keys/tuf_threats.py

Source: The Update Framework 1.0.33, section 1.5.2 "Goals to protect against specific attacks", and Samuel et al.,
"Survivable Key Compromise in Software Update Systems" (CCS 2010). The ordinary side believes what a file says of itself
and checks signatures under the keys that came with it. Exit code 0 when Countermark refused every one.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import small_release
from both_sides import Attack, report
from core_world import OWNER, SECOND, STRANGER, SUPPLIER, World, make_desk, private_key

from countermark import dsse
from countermark.errors import TrustRefused
from countermark.keys.document import PAYLOAD_TYPE, EnrolledKey, TrustDocument, enrolment_bytes
from countermark.keys.signer import sign_envelope
from countermark.keys.verifier import Use
from countermark.ledger import asking
from countermark.lifecycle import acts, book, enrol, own_keys, trust_draft, trust_pin, verify
from countermark.lifecycle.desk import Desk, chain_bytes, read_chain
from countermark.lifecycle.verify import pin_snapshot, pinned, verify_model
from countermark.passport.passport import Passport, unpacked
from countermark.passport.verify import Verified
from countermark.workspace.place import Workspace


def believes_itself(papers: Path) -> str:
    """Ordinary code: the newest version in the file names the keys that the file is checked with."""
    newest = json.loads(unpacked(papers.read_bytes()))["trust"][-1]
    document = json.loads(base64.b64decode(newest["payload"]))
    return f"version {document['version']} of {document['project']}, {len(newest['signatures'])} signatures"


def reader_opens(desk: Desk, model: Path, papers: Path) -> Verified:
    """A relying party verifies a model as `countermark verify` does, and remembers what it saw."""
    done = verify_model(model, papers, pinned(desk), desk.now())
    verify.remember(desk, done)
    return done


def must_be_fresh(done: Verified) -> Verified:
    """What a gate asks for.

    Raises:
        TrustRefused: freshness is not shown.
    """
    if done.fresh_until is None:
        raise TrustRefused(done.freshness, mend="ask the owner for the newest revocation snapshot")
    return done


def changed(papers: Path, to: Path, **parts: object) -> Path:
    to.write_bytes(replace(Passport.from_bytes(papers.read_bytes()), **parts).to_bytes())  # type: ignore[arg-type]
    return to


def arbitrary_installation(world: World) -> Attack:
    """A stranger makes a project of the same name with keys of his own, and releases his model in it."""
    model, papers = small_release.model(world, "wanted")
    evil = small_release.make(world.root / "evil-project")
    theirs, forged = small_release.model(evil, "wanted", b"evil weights")
    document = evil[OWNER].trust().document
    again = replace(document, version=1, previous=None, issued=evil[OWNER].stamp())
    own = sign_envelope(PAYLOAD_TYPE, again.to_bytes(), [private_key(n, "root") for n in (OWNER, SECOND)])
    forged = changed(forged, world.root / "forged.cmpass", trust=(own,))
    reader_opens(world[SUPPLIER], model, papers)
    return Attack("arbitrary installation", lambda: believes_itself(forged),
                  lambda: reader_opens(world[SUPPLIER], theirs, forged))  # fmt: skip


def endless_data(world: World) -> Attack:
    """Papers that never end."""

    def ordinary() -> int:
        with open("/dev/zero", "rb") as file:
            return sum(len(chunk) for chunk in iter(lambda: file.read(1 << 16), b""))

    model, _ = small_release.model(world, "wanted")
    return Attack("endless data", ordinary, lambda: reader_opens(world[SUPPLIER], model, Path("/dev/zero")))


def extraneous_dependencies(world: World) -> Attack:
    """A module beside the weights that whoever loads the model would import."""
    model, papers = small_release.model(world, "wanted")
    (model / "preprocess.py").write_text("print('owned')")
    return Attack("extraneous dependencies", lambda: believes_itself(papers),
                  lambda: reader_opens(world[SUPPLIER], model, papers))  # fmt: skip


def fast_forward_of_trust(world: World) -> Attack:
    """Both owners' root keys sign a version so high that nothing real would ever follow it."""
    newest = world[OWNER].trust()
    far = replace(newest.document, version=2**53 - 1, previous=newest.envelopes[-1].digest)
    signed = sign_envelope(PAYLOAD_TYPE, far.to_bytes(), [private_key(n, "root") for n in (OWNER, SECOND)])
    file = world.root / "far.jsonl"
    file.write_bytes(chain_bytes((*newest.envelopes, signed)))
    return Attack("fast-forward, trust version", lambda: TrustDocument.from_bytes(signed.payload).version,
                  lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, file))  # fmt: skip


def stolen_ledger(world: World, papers: Path, more: int = 1000) -> Path:
    """Whoever has the ledger's key and a copy of the ledger adds entries, and packs the papers anew: a far longer ledger."""
    home = world.root / "thief"
    shutil.copytree(world[OWNER].space.home, home / ".countermark")
    thief = replace(world[OWNER], space=Workspace(home))
    trust, passport = thief.trust(), Passport.from_bytes(papers.read_bytes())
    with book.ledger(thief, trust) as log:
        log.append([bytes(33)] * more)
        head = log.checkpoint
        indices = [d.to_json()["receipt"].split("index ")[1].split()[0] for d in passport.commitments]
        deliveries = tuple(
            replace(d, receipt=log.reader.receipt(int(i), head).to_bytes())
            for d, i in zip(passport.commitments, indices, strict=True)
        )
        grown = {size: tuple(log.reader.consistency(size, head)) for size in range(1, head.size - more + 1)}
    (verdict, *statements), _ = book.refreshed(thief, trust, [passport.verdict, *passport.statements])
    return changed(papers, world.root / "far.cmpass", verdict=verdict, statements=tuple(statements),
                   commitments=deliveries, consistency=grown)  # fmt: skip


def fast_forward_of_the_ledger(world: World) -> Attack:
    """A stolen ledger key makes a reader remember a ledger that the real one will not reach for years.

    The reader takes it, as the key counts. Once the owners replaced the key, the same papers are refused, and
    `recovered` shows that the real ones count again.
    """
    model, papers = small_release.model(world, "wanted")
    reader = world[SUPPLIER]
    far = stolen_ledger(world, papers)
    reader_opens(reader, model, far)
    replace_ledger_key(world)
    trust_pin.pin(reader, world.fingerprint, world.chain)
    return Attack("fast-forward, ledger", lambda: believes_itself(far), lambda: reader_opens(reader, model, far))


def fast_forward_of_revocations(world: World) -> Attack:
    """Stolen statement and ledger keys of an owner make a revocation snapshot a thousand entries ahead of all real ones.

    The reader keeps it, as the keys count. Once the owners replaced them it is refused, and must not stand in the way.
    """
    small_release.model(world, "wanted")
    far, reader = far_snapshot(world), world[SUPPLIER]
    pin_snapshot(reader, far)
    replace_key(world, "ledger")
    replace_key(world, "statement")
    trust_pin.pin(reader, world.fingerprint, world.chain)
    return Attack("fast-forward, revocations", lambda: json.loads(far.read_bytes())["receipt"].split("\n")[1],
                  lambda: pin_snapshot(reader, far))  # fmt: skip


def far_snapshot(world: World, more: int = 1000) -> Path:
    """Made by a thief from a copy of the owner's workspace."""
    home = world.root / "snapshot-thief"
    shutil.copytree(world[OWNER].space.home, home / ".countermark")
    thief = replace(world[OWNER], space=Workspace(home))
    with book.ledger(thief, thief.trust()) as log:
        log.append([bytes(33)] * more)
    file = world.root / "far-revocations.json"
    file.write_bytes(acts.snapshot(thief).to_bytes())
    return file


def replace_ledger_key(world: World) -> None:
    """The owners replace the ledger's key, as docs/how-to/rotate-the-ledger-key.md tells."""
    replace_key(world, "ledger")


def replace_key(world: World, use: Use) -> None:
    """The owners replace a key of the one who keeps the ledger; what it signed beyond the real ledger is disowned."""
    desk = world[OWNER]
    old = desk.signer(use).public
    with book.ledger(desk, desk.trust()) as log:
        size = log.checkpoint.size
    trust_draft.revoke(desk, OWNER, key_id=old.id, reason="stolen", from_leaf=size)
    fresh = own_keys.new_key(desk.space, use, "ed25519", None)
    key = EnrolledKey(fresh.public, fresh.sign(enrolment_bytes(OWNER, fresh.public)))
    party = trust_draft.draft(desk).party(OWNER)
    trust_draft.save_draft(desk, trust_draft.draft(desk).with_party(replace(party, keys=(*party.keys, key))))
    world.publish()


def indefinite_freeze(world: World) -> Attack:
    """Somebody between keeps handing out yesterday's papers and yesterday's trust document, for ever."""
    model, papers = small_release.model(world, "wanted")
    world.clock.move(days=400)
    return Attack("indefinite freeze", lambda: believes_itself(papers),
                  lambda: reader_opens(world[SUPPLIER], model, papers))  # fmt: skip


def freeze_of_revocations(world: World) -> Attack:
    """The same with the revocation snapshot alone: trust has not ended, what was revoked meanwhile is not shown."""
    model, papers = small_release.model(world, "wanted")
    snapshot = world.root / "revocations.json"
    snapshot.write_bytes(acts.snapshot(world[OWNER], days=7).to_bytes())
    pin_snapshot(world[SUPPLIER], snapshot)
    must_be_fresh(verify_model(model, papers, pinned(world[SUPPLIER]), world.clock()))
    world.clock.move(days=8)
    return Attack("indefinite freeze, revocations", lambda: believes_itself(papers),
                  lambda: must_be_fresh(verify_model(model, papers, pinned(world[SUPPLIER]), world.clock())))  # fmt: skip


def malicious_mirror(world: World) -> Attack:
    """A mirror hands out other weights with the real papers. What it hands out leaves no trace in the reader's memory."""
    model, papers = small_release.model(world, "wanted")
    served = world.root / "mirror"
    shutil.copytree(model, served)
    (served / "weights.bin").write_bytes(b"weightz")
    return Attack("malicious mirror", lambda: believes_itself(papers),
                  lambda: reader_opens(world[SUPPLIER], served, papers))  # fmt: skip


def old_papers_after_a_revocation(world: World) -> Attack:
    """Papers of before a revocation, at a machine that never saw any; a newer ledger head is carried there on a stick."""
    model, papers = small_release.model(world, "vulnerable")
    acts.snapshot(world[OWNER], revoke=[Passport.from_bytes(papers.read_bytes()).slips()[-1].index()])
    head = book.show_head(world[OWNER], world[OWNER].trust()).note
    pin = replace(pinned(world[SUPPLIER]), least=head)
    return Attack("old papers after a revocation", lambda: believes_itself(papers),
                  lambda: verify_model(model, papers, pin, world.clock()))  # fmt: skip


def mix_and_match(world: World) -> Attack:
    """The verdict of one release with the deliveries as another showed them: parts that never stood together."""
    model, papers = small_release.model(world, "wanted")
    _, later = small_release.model(world, "later", b"later")
    mixed = changed(
        papers, world.root / "mixed.cmpass", commitments=Passport.from_bytes(later.read_bytes()).commitments
    )
    return Attack("mix-and-match", lambda: believes_itself(mixed), lambda: reader_opens(world[SUPPLIER], model, mixed))


def rollback_of_trust(world: World) -> Attack:
    """The trust document before last, in which a stolen key still counts."""
    old = world.root / "old.jsonl"
    old.write_bytes(chain_bytes(read_chain(world.chain)[:-1]))
    return Attack("rollback, trust", lambda: len(read_chain(old)),
                  lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, old))  # fmt: skip


def rollback_of_a_model(world: World) -> Attack:
    """The release before last, its papers whole and signed, to a reader who saw the newer one."""
    vulnerable, old = small_release.model(world, "vulnerable")
    mended, new = small_release.model(world, "mended", b"mended")
    reader_opens(world[SUPPLIER], mended, new)
    return Attack("rollback, model", lambda: believes_itself(old),
                  lambda: reader_opens(world[SUPPLIER], vulnerable, old))  # fmt: skip


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends one byte of its answer every tenth of a second, and has very much to say."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.1):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        server.close()


def slow_retrieval(_world: World) -> Attack:
    """A witness that answers for ever, a byte at a time, so that no release would ever come to an end.

    Papers come as plain files and pipes are refused; asking witnesses is the only thing here that waits for others.
    """

    def ordinary() -> bytes:
        with dripping() as url, socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 0.5) as peer:
            return b"".join(iter(lambda: peer.recv(1), b""))  # the timeout of 0.5 s begins anew with every byte

    def ours() -> object:
        with dripping() as url:
            return asking.exchange(url, 0.5)(b"old 0\n\n")

    return Attack("slow retrieval", ordinary, ours)


def wrong_software(world: World) -> Attack:
    """A model that the same owner released for something else, handed over as the one that was asked for."""
    model, _ = small_release.model(world, "brakes")
    other, papers = small_release.model(world, "wipers", b"wipers")
    shutil.rmtree(model)
    other.rename(model)
    return Attack("wrong software", lambda: believes_itself(papers), lambda: verify_model(
        model, papers, replace(pinned(world[SUPPLIER]), model="brakes"), world.clock()))  # fmt: skip


def next_version(world: World, signers: tuple[str, ...], change: dict[str, object] | None = None) -> Path:
    """The newest chain with one version more, signed by the root keys of `signers`."""
    chain = read_chain(world.chain)
    document = replace(trust_draft.draft(world[OWNER]), **(change or {}))  # type: ignore[arg-type]
    signed = sign_envelope(PAYLOAD_TYPE, document.to_bytes(), [private_key(n, "root") for n in signers])
    file = world.root / f"next-by-{'-'.join(signers)}.jsonl"
    file.write_bytes(chain_bytes((*chain, signed)))
    return file


def key_compromise_below_threshold(world: World) -> Attack:
    """One of two root keys is stolen; the thief lowers the threshold and signs alone."""
    file = next_version(world, (OWNER,), {"threshold": 1})
    return Attack("key compromise below the threshold", lambda: _signatures(file),
                  lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, file))  # fmt: skip


def rotation_by_new_keys_alone(world: World) -> Attack:
    """A version in which strangers are the owners, signed by as many of them as it asks for itself."""
    thief = make_desk(world.root / "stranger", STRANGER, world.clock)
    own_keys.new_key(thief.space, "root", "ed25519", None)
    party = enrol.enrolment(thief).party(("data-owner",), ("*",))
    document = replace(trust_draft.draft(world[OWNER]), threshold=1, parties=(party,), ledger_operator=STRANGER)
    signed = sign_envelope(PAYLOAD_TYPE, document.to_bytes(), [thief.signer("root")])
    file = world.root / "usurped.jsonl"
    file.write_bytes(chain_bytes((*read_chain(world.chain), signed)))
    return Attack("rotation by the new keys alone", lambda: _signatures(file),
                  lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, file))  # fmt: skip


def rotation_by_old_keys_alone(world: World) -> Attack:
    """A version with a third owner whom three must sign, signed by the two old ones: the new key was never shown to work."""
    third = make_desk(world.root / "stranger", STRANGER, world.clock)
    own_keys.new_key(third.space, "root", "ed25519", None)
    party = enrol.enrolment(third).party(("data-owner",), ("*",))
    others = tuple(p for p in trust_draft.draft(world[OWNER]).parties)
    file = next_version(world, (OWNER, SECOND), {"threshold": 3, "parties": (*others, party)})
    return Attack("rotation by the old keys alone", lambda: _signatures(file),
                  lambda: trust_pin.pin(world[SUPPLIER], world.fingerprint, file))  # fmt: skip


def _signatures(file: Path) -> str:
    newest = dsse.Envelope.from_bytes(file.read_bytes().splitlines()[-1])
    return f"version {TrustDocument.from_bytes(newest.payload).version}, {len(newest.signatures)} good signatures"


THREATS = (
    old_papers_after_a_revocation, arbitrary_installation, endless_data, extraneous_dependencies, fast_forward_of_trust, fast_forward_of_the_ledger,
    fast_forward_of_revocations,
    indefinite_freeze, freeze_of_revocations, malicious_mirror, mix_and_match, rollback_of_trust, rollback_of_a_model,
    slow_retrieval, wrong_software, key_compromise_below_threshold, rotation_by_new_keys_alone,
    rotation_by_old_keys_alone,
)  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(report([threat(small_release.make(Path(folder) / threat.__name__)) for threat in THREATS]))
