"""Every command's name, section and one-liner, so that `--help` imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

LIFE, ACTS, KEPT, TOOLS = "The life of a model", "Acts of people", "What is kept", "Tools"
SECTIONS = (LIFE, ACTS, KEPT, TOOLS)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command stands in the help, and its one line."""

    section: str
    help: str


COMMANDS: dict[str, Entry] = {
    "init": Entry(LIFE, "Make a party's workspace and its single-use keys."),
    "deliver": Entry(LIFE, "Sign a folder of training data for its receiver."),
    "receive": Entry(LIFE, "Verify delivered folders; admit or refuse them."),
    "screen": Entry(LIFE, "Look for poison in training data; name the supplier."),
    "train": Entry(LIFE, "Run an unchanged script hermetically; sign what came of it."),
    "inspect": Entry(LIFE, "Read model files to the last byte, executing nothing."),
    "trial": Entry(LIFE, "Attack a model under a budget and a seed."),
    "release": Entry(LIFE, "Judge the evidence by policy; sign verdict and passport."),
    "verify": Entry(LIFE, "Verify a model or a delivered folder, offline."),
    "seal": Entry(LIFE, "Encrypt an asset for its recipients; sign its ciphertext."),
    "open": Entry(LIFE, "Open a sealed asset, or check it without a key."),
    "serve": Entry(LIFE, "Serve a verified model behind a guard that signs answers."),
    "license": Entry(LIFE, "Grant, narrow, explain, revoke and move licences."),
    "query": Entry(LIFE, "Ask a guarded model, and verify its answer."),
    "assess": Entry(LIFE, "Answer the security questions about a model from evidence."),
    "report": Entry(LIFE, "Write one self-contained page about a model."),
    "review": Entry(ACTS, "See what was flagged: contact sheet, CSV, letters."),
    "quarantine": Entry(ACTS, "Set rows of the training data aside."),
    "recall": Entry(ACTS, "Follow a supplier's rows to every model, release and licensee."),
    "trace": Entry(ACTS, "Tell all that is known here of a supplier."),
    "decide": Entry(ACTS, "Accept, relabel or reject rows; or take that back."),
    "letter": Entry(ACTS, "Read a signed letter about one's own rows."),
    "dispute": Entry(ACTS, "Answer a letter: these rows are right as delivered."),
    "approve": Entry(ACTS, "Approve a model, as a reviewer who is not its trainer."),
    "waive": Entry(ACTS, "Accept for a while that one check does not hold."),
    "revoke": Entry(ACTS, "Say that a statement or a release no longer counts."),
    "supersede": Entry(ACTS, "Say that a newer release replaces an older one."),
    "disclose": Entry(ACTS, "Open one entry of the ledger to one auditor."),
    "party": Entry(KEPT, "Who takes part: enrol, revoke, list."),
    "key": Entry(KEPT, "This party's single-use keys."),
    "recipients": Entry(KEPT, "Who can open a sealed asset; keys to be sealed for."),
    "broker": Entry(KEPT, "Release the keys of sealed assets on evidence."),
    "trust": Entry(KEPT, "Who is trusted for what: draft, sign, pin, renew."),
    "ledger": Entry(KEPT, "The project's append-only log of commitments."),
    "witness": Entry(KEPT, "Watch the ledger, and cosign it as long as it only grows."),
    "policy": Entry(KEPT, "What must have been shown before a model is admitted."),
    "oms": Entry(KEPT, "OpenSSF Model Signing bundles, in and out."),
    "fingerprint": Entry(KEPT, "Mark licensees' copies of a model, and trace a leaked one."),
    "canary": Entry(KEPT, "Withhold records by secret coin; test models for the others."),
    "proof": Entry(KEPT, "That one file, or some of its bytes, belongs to a tree digest."),
    "demo": Entry(TOOLS, "The case studies, end to end, on this machine."),
    "doctor": Entry(TOOLS, "What is missing here, and how to install it."),
    "convert": Entry(TOOLS, "Turn shards (tar, Parquet, Arrow) into a folder to deliver."),
    "croissant": Entry(TOOLS, "Croissant documents about data sets, out and in."),
    "digest": Entry(TOOLS, "Print the tree digest of a folder or file."),
    "diff": Entry(TOOLS, "What changed between two deliveries, row by row."),
}


def module_of(name: str) -> str:
    """Module that defines a command, in an attribute of the same name."""
    return f"countermark.cli.{name}"
