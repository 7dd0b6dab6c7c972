"""What a licensor and a licensee are told when something is refused: the claim, what was expected and seen, and the next step."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "attacks" / "licence"))
from licence_world import key

TERMS = ("--to plant --use infer --field inspection --territory DE --days 365 --max-loads unlimited --max-queries 1000/1d --max-hosts 1 "
         "--host software-key --sublicense 1 --sublicense-use infer")  # fmt: skip
LINE = "--to-key ../line.pem --name line-3"
ASK = "--use infer --field inspection"
SAID = (
    ("plant", f"explain ../plant.licence {ASK}", 1, "territory: expected DE, seen nothing named", "(--territory)"),
    ("plant", f"explain ../plant.licence {ASK} --territory FR", 1, "territory: expected DE, seen FR", "a licence that grants FR"),
    ("plant", "explain ../plant.licence --use distil", 1, "uses: expected infer, seen distil", "a licence that grants distil"),
    ("plant", "explain ../trust.jsonl", 1, "trust.jsonl holds no licence", "`countermark license grant`"),
    ("plant", "explain plant.enrol.json", 1, "plant.enrol.json holds no licence", "`countermark license grant`"),
    ("plant", f"narrow ../plant.licence {LINE} --max-queries 2000/1d --out x", 1, "max_queries: expected at most 1000 in 1 d, seen 2000 in 1 d", "grant fewer"),
    ("plant", f"narrow ../plant.licence {LINE} --max-queries 9/90s --out x", 1, "seen 9 in 90 s", "windows have to nest"),
    ("plant", f"narrow ../plant.licence {LINE} --host none --out x", 1, "host: expected software-key", "hosts of the licence above"),
    ("plant", f"narrow ../plant.licence {LINE} --sublicense 1 --out x", 1, "sublicense: expected less than depth 1: infer, seen depth 1", "--sublicense N"),
    ("plant", "narrow ../plant.licence --to-key ../trust.jsonl --name line-3 --out x", 2, "trust.jsonl is no public key", "openssl"),
    ("manufacturer", f"narrow ../plant.licence {LINE} --out x", 1, "licensee: expected plant, key", "plant narrows it"),
    ("manufacturer", f"grant model {TERMS} --co-signer acme --field Wide! --out x", 1, "field_of_use cannot hold 'Wide!'", "such as inspection"),
    ("manufacturer", f"grant model {TERMS} --territory Germany --out x", 1, "territory cannot hold 'Germany'", "ISO 3166"),
    ("manufacturer", f"grant model {TERMS} --lease 30s --out x", 2, "--lease is 30s", "60s or longer"),
    ("manufacturer", f"grant model {TERMS} --host ../trust.jsonl --out x", 1, "trust.jsonl names no host", "license host"),
    ("manufacturer", f"grant model {TERMS} --meter ../line.pem --out x", 1, "line.pem is no broker's key", ".vkey"),
    ("plant", f"grant {'a' * 64} {TERMS} --out x", 1, "expected infer granted by a model-owner, seen plant: licensee", "have a model-owner grant it"),
    ("plant", "explain ../co.licence", 1, "co_signers: expected engineering", "engineering signs it"),
    ("plant", "sign ../co.licence", 1, "co_signers: expected engineering, seen plant", "only those sign"),
    ("plant", "revoke ../plant.licence --out x", 1, "plant did not grant plant.licence", "manufacturer revokes it"),
    ("manufacturer", "revoke --out x", 2, "which licences are revoked", "--renew"),
    ("manufacturer", "revoke ../plant.licence --renew --out x", 2, "--renew adds no licence", "alone"),
    ("manufacturer", "beacon --since yesterday --out x", 2, "--since is 'yesterday'", "2026-"),
    ("manufacturer", "beacon --answer xyz --out x", 2, "--answer is 'xyz'", "as the host's refusal shows it"),
    ("plant", "take ../plant.licence ../plant.beacon", 1, "this beacon is not signed by the time key that the licence names", "licensor"),
    ("plant", "take ../plant.licence ../plant.licence", 1, "holds no word of a licensor", "beacons"),
    ("plant", "take ../plant.licence plant.enrol.json", 1, "holds no word of a licensor", "beacons"),
    ("manufacturer", "move ../plant.licence --out x", 1, "licensee: expected plant, key", "plant gives it back"),
    ("manufacturer", "move ../plant.licence --receipt ../plant.beacon --out x", 1, "this return receipt is not signed by plant", "license move"),
)  # fmt: skip


def test_each_refusal_names_what_was_expected_and_seen_and_the_next_step(project) -> None:
    (project.here / "manufacturer" / "model").mkdir()
    (project.here / "manufacturer" / "model" / "weights.bin").write_bytes(b"weights")
    (project.here / "line.pem").write_bytes(key("line").public.pem())
    enrolled(project)
    typed(project, "manufacturer", f"grant model {TERMS} --out ../plant.licence")
    typed(project, "manufacturer", f"grant model {TERMS} --co-signer engineering --out ../co.licence")
    typed(project, "plant", "beacon --out ../plant.beacon")
    wrong = []
    for at, words, code, what, fix in SAID:
        said = project.ends("license", *words.split(), at=at)
        told = " ".join(said.err.split())
        if (
            said.exit != code
            or what not in told
            or fix not in told.partition("fix: ")[2]
            or (project.here / at / "x").exists()
        ):
            wrong.append((at, words, said.exit, said.err))
    assert wrong == []


def enrolled(project) -> None:
    """Licence keys for licensor and licensee, in the next version of the trust document."""
    for name in ("manufacturer", "plant"):
        project("key", "new", "licence", at=name)
    project("party", "add", "../plant/plant.enrol.json", "--role", "licensee", at="manufacturer")
    project(
        "party", "add", "manufacturer.enrol.json", "--role", "data-owner", "--role", "model-owner", at="manufacturer"
    )
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    fingerprint = project("trust", "export", "../next.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", fingerprint, "--trust", "../next.jsonl", at="plant")


def typed(project, at: str, words: str) -> None:
    project("license", *words.split(), at=at)
