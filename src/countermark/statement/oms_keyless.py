"""Keyless (Sigstore) OMS bundles: whose identity counts, and their verification with no network.

Sources: the Sigstore client specification (verification) and protobuf-specs (bundle v0.1 to v0.3). Chain, SCT, inclusion proof,
checkpoint, promise, timestamps, signature and log entry are verified by the package `sigstore`, the extra ``sigstore``. What it
leaves open is decided here:

1. the bundle is strict JSON with one certificate, one log entry and one signature, and nothing unknown beside them;
2. every time that it claims is proven, and an authority or log of the trust root counts only where it was valid then (`oms_trust_root`);
3. the certificate names one identity, and all that it says of the issuer is what the verifier expects;
4. the checkpoint is of the tree that the inclusion proof is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from countermark import dsse
from countermark.errors import CountermarkError, SignatureRefused, StatementRefused, TrustRefused
from countermark.keys.keyless import import_library
from countermark.statement.oms_keys import Endorser, endorser_of
from countermark.statement.oms_trust_root import trusted_root

if TYPE_CHECKING:
    from sigstore.models import Bundle

MEDIA_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
)
MAX_TIMESTAMPS = 32
_MATERIAL = frozenset({"certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"})
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Keyless:
    """What verified of a keyless bundle.

    Attributes:
        identity, issuer: who the issuer says it was; as the verifier demanded.
        at: when, UTC, by a log or a timestamp authority of the trust root; the earliest where there are several.
        log_index: the entry's number in its transparency log.
    """

    identity: str
    issuer: str
    at: datetime
    log_index: int


@dataclass(frozen=True, slots=True)
class KeylessTrust:
    """Trust in one identity, as one issuer vouches for it.

    Attributes:
        identity: e-mail address, URI or Sigstore's other name in the certificate, compared exactly.
        issuer: the OpenID Connect issuer, compared exactly.
        root: trusted root or client trust configuration, JSON; None for the public instance's, as the package ships it.
    """

    identity: str
    issuer: str
    root: bytes | None = None

    def accept(self, value: dict[str, Any], envelope: dsse.Envelope) -> tuple[Endorser, Keyless]:
        """Verify all of a bundle but what its payload says.

        Args:
            value: the bundle, parsed strictly. envelope: its envelope.

        Returns:
            The certificate's key, which signed this and no longer exists, and what verified.

        Raises:
            MissingExtra: the package is absent. StatementRefused: malformed. SignatureRefused: something does not verify.
            TrustRefused: somebody else signed it. Inconclusive: no trust root is named, and the package brings none.
        """
        import_library()
        _check_shape(value, envelope)
        from sigstore.models import Bundle
        from sigstore.verify import Verifier

        # What was parsed strictly is what is judged: no second reader finds another document in the same bytes.
        bundle = _guarded(lambda: Bundle.from_json(json.dumps(value)))
        endorser = endorser_of(bundle.signing_certificate)
        times = _guarded(lambda: _times(bundle))
        root = trusted_root(self.root, times)
        verifier = _guarded(lambda: Verifier(trusted_root=root))
        kind, payload = _guarded(lambda: verifier.verify_dsse(bundle, self))
        if len(_guarded(lambda: verifier._establish_time(bundle))) != len(times):
            raise SignatureRefused("the keyless OMS bundle claims a time that nobody in the trust root vouches for")
        if kind != dsse.IN_TOTO or payload != envelope.payload:
            raise SignatureRefused("the keyless OMS bundle reads as two different documents")
        _guarded(lambda: _check_tree(bundle))
        return endorser, Keyless(self.identity, self.issuer, min(times), int(bundle.log_entry._inner.log_index))

    def verify(self, cert: x509.Certificate) -> None:
        """The policy about who signed, as the package's verifier asks for it.

        Raises:
            TrustRefused: another identity or issuer, or several of them.
        """
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import Identity

        try:
            Identity(identity=self.identity, issuer=self.issuer).verify(cert)
        except VerificationError as error:
            raise TrustRefused(
                "the keyless OMS bundle was signed by somebody else", why=_told(error),
                mend="expect somebody else (--identity, --identity-provider), or ask the right one to sign",
            ) from error  # fmt: skip
        names = list(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        newer = [extension.value for extension in cert.extensions if extension.oid == _ISSUER_V2]
        if len(names) != 1 or any(_text(value) != self.issuer for value in newer):
            raise TrustRefused("the certificate of the keyless OMS bundle contradicts itself about who signed")


def _check_shape(value: dict[str, Any], envelope: dsse.Envelope) -> None:
    material = value["verificationMaterial"]
    if not material.keys() <= _MATERIAL:
        raise StatementRefused("the keyless OMS bundle has unknown material", why=f"fields {sorted(material)}")
    entries = material.get("tlogEntries")
    if not isinstance(entries, list) or len(entries) != 1:
        raise StatementRefused("a keyless OMS bundle carries one transparency log entry")
    if len(envelope.signatures) != 1:
        raise SignatureRefused(
            "a keyless OMS bundle carries one signature", why=f"{len(envelope.signatures)} are there, the log knows one"
        )


def _times(bundle: Bundle) -> list[datetime]:
    """Every time that the bundle claims. The package is content with one that is proven; `accept` wants all of them to be.

    Raises:
        SignatureRefused: none, or too many.
    """
    stamps = bundle.verification_material.timestamp_verification_data
    out = [stamp.tst_info.gen_time for stamp in (stamps.rfc3161_timestamps if stamps else ())]
    if integrated := bundle.log_entry._inner.integrated_time:
        out.append(datetime.fromtimestamp(integrated, UTC))
    if not 0 < len(out) <= MAX_TIMESTAMPS:
        raise SignatureRefused("the keyless OMS bundle does not show when it was signed", why=f"{len(out)} times")
    return out


def _check_tree(bundle: Bundle) -> None:
    """The package compares the checkpoint's root with the proof's, not their sizes."""
    proof = bundle.log_entry._inner.inclusion_proof
    size = proof.checkpoint.envelope.split("\n")[1] if proof.checkpoint else ""
    if size != str(proof.tree_size) or not 0 <= proof.log_index < proof.tree_size:
        raise SignatureRefused(
            "the log's checkpoint is of another tree than the inclusion proof", why=f"{size:.20} and {proof.tree_size}"
        )


def _text(value: x509.ExtensionType) -> str:
    if not isinstance(value, x509.UnrecognizedExtension):
        raise SignatureRefused("the issuer in the certificate is not text")
    return asn1.decode_der(str, value.value)


def _guarded(act: Callable[[], _T]) -> _T:
    """Run a part of the package on foreign bytes; whatever it raises means that the bundle does not verify."""
    try:
        return act()
    except CountermarkError:
        raise
    except Exception as error:
        raise SignatureRefused(
            "the keyless OMS bundle does not verify", why=_told(error),
            mend="fetch bundle and trust root (--trust-root) again, or ask the signer for a new signature",
        ) from error  # fmt: skip


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
