"""`model/xml`: OpenVINO's graphs, whose numbers lie in the file beside them, and PMML; both without entities and references.

Source: OpenVINO IR version 10 and 11; PMML 4.4. PMML is unproven at best: what its functions mean is an evaluator's business.
"""

from __future__ import annotations

import re

from countermark.checks.model._check import Claim, Look, ModelFile, refused
from countermark.finding import Finding, Where
from countermark.formats import xml_text
from countermark.formats.limits import Malformed

ID = "model/xml"
_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?(?:\s|<!--(?s:.*?)-->|<![A-Z](?s:.*?)>)*<(?:\w+:)?(net|PMML)\b"
)
_XML = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml\b")
_OPSET = re.compile(r"opset\d{1,2}")
_MOST_CLAIMS = 1 << 20


def looks_at(file: ModelFile) -> bool:
    """XML by its beginning, or by its name where it could be XML."""
    named = file.extension in ("xml", "pmml") and file.head.lstrip()[:1] == b"<"
    return bool(named or _ROOT.match(file.head) or _XML.match(file.head))


def look(file: ModelFile) -> Look:
    """Parse the whole document, and look at what it names."""
    walk = _Walk(file)
    try:
        xml_text.walk(file.source, walk.element)
    except Malformed as error:
        said = refused(ID, walk.kind, file, error)
        return (
            said
            if not walk.findings
            else Look(ID, walk.kind, "refused", walk.findings[0].what, (*walk.findings, *said.findings))
        )
    return walk.answer()


class _Walk:
    def __init__(self, file: ModelFile) -> None:
        self._file = file
        root = _ROOT.match(file.head)
        named = file.extension == "pmml"
        self.kind = {b"net": "openvino", b"PMML": "pmml"}[root[1]] if root else "pmml" if named else "xml"
        self.findings: list[Finding] = []
        self._doubts: list[str] = []
        self._claims: list[Claim] = []
        self._layers = 0

    def element(self, path: tuple[str, ...], attributes: dict[str, str], at: int) -> None:
        """What one element names."""
        if len(path) == 1:
            self.kind = {"net": "openvino", "PMML": "pmml"}.get(path[0], "xml")
        if self.kind == "openvino":
            self._openvino(path, attributes, at)
        elif self.kind == "pmml":
            self._pmml(path[-1], attributes, at)

    def _refuse(self, rule: str, what: str, why: str, at: int) -> None:
        if len(self.findings) < 100:
            where = Where(path=self._file.path, offset=at)
            self.findings.append(
                Finding(
                    ID,
                    rule,
                    "high",
                    1.0,
                    what,
                    where,
                    why,
                    "export the model without it",
                    "whether the code it names is installed",
                )
            )

    def _openvino(self, path: tuple[str, ...], attributes: dict[str, str], at: int) -> None:
        if path[-1] == "layer":
            self._layers += 1
            version, kind = attributes.get("version", ""), attributes.get("type", "")
            if version == "extension" or not version:
                self._doubts.append(f"layer type {kind[:60]!r} of an extension")
            elif not _OPSET.fullmatch(version):
                self._doubts.append(f"layer version {version[:60]!r}")
        elif path[-1] == "data" and "offset" in attributes and "size" in attributes:
            self._claim(attributes, at)

    def _claim(self, attributes: dict[str, str], at: int) -> None:
        offset, size = attributes["offset"], attributes["size"]
        if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in (offset, size)):
            self._refuse(
                "openvino-data", f"data at {offset[:20]!r} of {size[:20]!r} bytes", "readers disagree on it", at
            )
        elif len(self._claims) < _MOST_CLAIMS:
            path = f"{self._file.path.rpartition('.')[0]}.bin"
            self._claims.append(Claim(path, int(offset), int(size), f"data at byte {at}", at))
        else:
            self._doubts.append("too many constants")

    def _pmml(self, name: str, attributes: dict[str, str], at: int) -> None:
        function = attributes.get("function", "")
        if name == "Apply" and "." in function:
            why = "evaluators written in Java load a class of that name"
            self._refuse("pmml-function", f"the function {function[:80]!r}", why, at)
        if "://" in attributes.get("href", ""):
            self._refuse("pmml-reference", f"a reference to {attributes['href'][:80]!r}", "an evaluator opens it", at)

    def answer(self) -> Look:
        """What the whole document is."""
        if self.findings:
            return Look(ID, self.kind, "refused", self.findings[0].what, tuple(self.findings))
        if self.kind == "xml":
            return Look(ID, "xml", "not model content", "XML of no model format, without entities")
        if self.kind == "pmml":
            return Look(
                ID, "pmml", "unproven", "PMML without entities and references; what its functions do is not known here"
            )
        if self._doubts:
            return Look(ID, "openvino", "unproven", "; ".join(self._doubts[:3]), claims=tuple(self._claims))
        why = f"{self._layers} layers of operator sets, {len(self._claims)} constants in the file beside it"
        return Look(ID, "openvino", "proven", why, claims=tuple(self._claims), counts=(("layers", self._layers),))
