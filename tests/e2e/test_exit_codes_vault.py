"""The page of exit codes, for what is sealed, licensed, released by a broker, traced and disputed: each way out that costs little is tried."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from test_exit_codes import CODES, PAGE, TRIED, leaf_of, wrong_ends
from test_license_refusals import enrolled, key

from countermark import compose
from countermark.keys.signer import load
from countermark.lifecycle import review
from countermark.lifecycle.deliveries import admitted_trees
from countermark.statement.predicates.rows import LETTER, Letter
from countermark.statement.statement import Statement

RULES = """owner = "manufacturer"
sequence = 1
days = 30
[[rule]]
evidence = "software"
recipient = "plant"
releases = 1
keys = ["{key}"]
"""
TERMS = ("--to plant --use infer --field inspection --territory DE --days 9 --max-loads 9 --max-queries 9/1d --max-hosts 1 "
         "--host software-key --sublicense 1 --sublicense-use infer")  # fmt: skip
ASKED = "--use infer --field inspection --territory DE"
MINE = "--key manufacturer.sealkey"
TWO = "--for manufacturer.sealpub --for ../plant/plant.sealpub"

SEALED = (
    ("plant", "recipients new plant --signed", 0), ("acme", "recipients new acme", 0), ("manufacturer", "recipients new manufacturer", 0),
    ("manufacturer", "recipients new Not/A/Name", 1), ("manufacturer", f"seal model --kind model {TWO}", 0),
    ("manufacturer", f"seal model --kind model {TWO} --for manufacturer.sealpub --out twice", 1),
    ("manufacturer", "seal recipe.toml --kind recipe --field train --for manufacturer.sealpub", 0),
    ("manufacturer", "seal recipe.toml --kind recipe --field nothing --for manufacturer.sealpub --out x", 1),
    ("manufacturer", "open model.cmsealed --check", 0), ("plant", "open ../manufacturer/model.cmsealed --key plant.sealkey --out model", 0),
    ("acme", "open ../manufacturer/model.cmsealed --key acme.sealkey --out x", 1), ("manufacturer", "open model --check", 3),
    ("manufacturer", f"open recipe.toml.cmfields {MINE}", 0), ("manufacturer", "recipients list model.cmsealed", 0),
    ("manufacturer", "recipients list model", 3), ("manufacturer", f"recipients add model.cmsealed --for ../acme/acme.sealpub {MINE}", 0),
    ("manufacturer", f"recipients add model.cmsealed --for ../acme/acme.sealpub {MINE}", 1),
    ("manufacturer", "recipients remove model.cmsealed acme", 0), ("manufacturer", "recipients remove model.cmsealed acme", 1),
    ("manufacturer", f"recipients reseal model.cmsealed {MINE} --for manufacturer.sealpub --out again.cmsealed", 0),
    ("manufacturer", "recipients reseal model.cmsealed --key ../acme/acme.sealkey --for manufacturer.sealpub --out x", 1),
)  # fmt: skip
LICENSED = (
    ("manufacturer", f"license grant model --asset model.cmsealed {TERMS} --out ../plant.licence", 0),
    ("manufacturer", f"license grant model --asset model {TERMS} --out x", 2), ("plant", f"license grant {'a' * 64} {TERMS} --out x", 1),
    ("manufacturer", f"license grant model {TERMS} --asset torn.cmsealed --out x", 3),
    ("manufacturer", f"license grant model {TERMS} --co-signer manufacturer --out x", 1),
    ("manufacturer", f"license grant model {TERMS} --co-signer plant --out ../co.licence", 0), ("plant", "license sign ../co.licence", 0),
    ("manufacturer", "license sign ../co.licence", 1), ("plant", f"license explain ../plant.licence {ASKED}", 0),
    ("plant", "license explain ../plant.licence --use distil", 1),
    ("plant", "license narrow ../plant.licence --to-key ../line.pem --name line --max-loads 1 --out ../line.licence", 0),
    ("plant", "license narrow ../plant.licence --to-key ../line.pem --name line --max-loads 99 --out x", 1),
    ("manufacturer", "license beacon --out ../beacon.json", 0), ("manufacturer", "license beacon --since 2999-01-01T00:00:00Z --out x", 3),
    ("plant", "license take ../plant.licence ../beacon.json", 0), ("plant", "license take ../plant.licence plant.enrol.json", 1),
    ("plant", "key new root", 0), ("plant", "license beacon --reset 5bbd571587e5f74f --reason x --out x", 1),
    ("manufacturer", "license move ../plant.licence --out x", 1), ("plant", "license move ../plant.licence --out ../receipt.json", 0),
    ("plant", "license move ../plant.licence --out x", 1),
    ("manufacturer", "license move ../plant.licence --receipt ../receipt.json --host-key ../line.pem --out ../moved.licence", 0),
    ("manufacturer", "license revoke ../moved.licence --out ../revoked.json", 0), ("plant", "license revoke ../moved.licence --out x", 1),
)  # fmt: skip
RELEASED = (
    ("vault", "broker init vault", 0), ("vault", "broker tenant manufacturer ../manufacturer.pub", 0),
    ("vault", "broker tenant manufacturer ../plant.licence", 1), ("plant", "broker key plant", 0),
    ("manufacturer", "seal model --kind model --for ../vault/vault.sealpub --out kept.cmsealed", 0),
    ("manufacturer", "broker policy kept.cmsealed recipe.toml", 1), ("manufacturer", "broker policy kept.cmsealed rules.toml", 0),
    ("vault", "broker deposit nobody ../manufacturer/kept.cmsealed", 3), ("vault", "broker deposit manufacturer ../manufacturer/kept.cmsealed", 0),
    ("vault", "broker deposit manufacturer ../manufacturer/kept.cmsealed", 1), ("vault", "broker challenge --out ../challenge", 0),
    ("plant", "broker request ../manufacturer/kept.cmsealed --challenge ../challenge --owner manufacturer --for plant --with plant.hostkey --out ../request", 0),
    ("vault", "broker answer ../request --out ../answer", 0), ("vault", "broker answer ../request --out ../more", 1), ("vault", "broker log", 0),
    ("plant", "broker take ../manufacturer/model.cmsealed ../answer --request ../request --out taken", 1),
    ("plant", "broker take ../manufacturer/kept.cmsealed ../answer --request ../request --out taken", 0),
    ("manufacturer", f"license grant model {TERMS} --meter ../vault/vault.vkey --out ../metered.licence", 0),
    ("vault", "broker meter ../metered.licence", 0), ("vault", "broker meter ../metered.licence --end", 0), ("vault", "broker meter ../plant.licence", 1),
    ("vault", "broker collateral tdx b0c06f000000 ../line.pem", 1), ("manufacturer", "broker anchor --home ../vault/broker --out ../heads.json", 0),
    ("manufacturer", "broker anchor --home ../vault/broker --after ../receipt.json --out x", 1),
)  # fmt: skip
TOLD = (
    ("manufacturer", "trace acme", 3), ("acme", "deliver photos", 0), ("manufacturer", "receive ../acme/photos", 0), ("manufacturer", "trace acme", 0),
    ("acme", "letter ../letter.json", 1), ("acme", "dispute ../letter.json --says right --out ../dispute.json", 0),
    ("plant", "dispute ../letter.json --says right --out x", 1), ("acme", "dispute photos.cmanswer --says right --out x", 1),
    ("manufacturer", "ledger add ../dispute.json", 0), ("acme", "fingerprint key works.fingerprint", 0),
)  # fmt: skip


def test_what_is_sealed(project) -> None:
    laid_out(project)
    assert wrong_ends(project, SEALED) == []


def test_what_is_licensed_and_released(project) -> None:
    laid_out(project)
    enrolled(project)
    assert wrong_ends(project, (*SEALED[:5], *LICENSED)) == []
    assert wrong_ends(project, RELEASED, {"broker policy": rules_written}) == []


def test_what_is_traced_and_disputed(project) -> None:
    assert wrong_ends(project, TOLD, {"letter": letter_written}) == []


def laid_out(project) -> None:
    for name in ("manufacturer", "vault"):
        (project.here / name).mkdir(exist_ok=True)
    home = project.here / "manufacturer"
    (home / "model").mkdir()
    (home / "model" / "weights.bin").write_bytes(b"weights" * 99)
    (home / "recipe.toml").write_text("[train]\nrate = 1\n")
    (home / "torn.cmsealed").write_bytes(b"no manifest beside it")
    (project.here / "line.pem").write_bytes(key("line").public.pem())
    signer = load_pem_private_key((home / ".countermark/keys/statement.pem").read_bytes(), None)
    (project.here / "manufacturer.pub").write_bytes(
        signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def rules_written(project) -> None:
    """The owner's rules name the host's key, which the plant has made by now."""
    host = load(project.here / "plant" / "plant.hostkey", "host").public.id
    (project.here / "manufacturer" / "rules.toml").write_text(RULES.format(key=host))


def letter_written(project) -> None:
    """A letter as `review --letter` signs it where a screening flagged rows."""
    desk = compose.desk(project.here / "manufacturer", None)
    (delivery,) = admitted_trees(desk)
    said = Letter(desk.context("acme"), delivery, (("nut/0.png", "looks like a screw"),), review.ASKS)
    (project.here / "letter.json").write_bytes(
        desk.sign(Statement("letter to acme", delivery, LETTER, said.to_json())).to_bytes()
    )


def test_the_page_counts_what_is_tried() -> None:
    every = {(name, code) for name, said in CODES.items() for code, text in said.items() if text != "-"}
    tried = {(leaf_of(words), code) for _, words, code in (*TRIED, *SEALED, *LICENSED, *RELEASED, *TOLD)} & every
    told = f"{len(tried)} of {len(every)}"
    assert told in PAGE.read_text(), f"the page is to say {told}; not tried: {sorted(every - tried)}"
