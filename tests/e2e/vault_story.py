"""The vault's story in the factory case, act by act: what each party types, in a folder of its own.

A software TPM (swtpm) stands for the plants' TPMs: a test double, which protects nothing.
"""

from __future__ import annotations

from vault_leak import leak
from vault_plant import copied, grant, operate, revoke
from vault_suppliers import broker, deliver, parties
from vault_training import agree, release, train

ACTS = {
    act.__name__: act for act in (parties, broker, deliver, agree, train, release, grant, operate, copied, revoke, leak)
}
