"""Croissant 1.1 documents: the files of a data set with their digests, and which row has which label.

Written for others to read, and read back strictly: JSON-LD is not processed. A document is understood where it spells the
terms used here as the standard context does; a context that gives one another meaning, or lies elsewhere, is refused.

Source: MLCommons, "Croissant Format Specification", versions 1.0 and 1.1. Page: docs/reference/formats/croissant.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.artefact.tree import check_path
from countermark.canonical import Fields
from countermark.errors import FormatRefused

MOST_BYTES = canonical.MAX_BYTES
VERSION = "http://mlcommons.org/croissant/1.1"
VERSIONS = ("http://mlcommons.org/croissant/1.0", VERSION)
_VOCABULARY = "urn:countermark:vocabulary:v1:"
_TREE, _FOLDER, _EXECUTABLE = "cm:tree", "cm:folder", "cm:executable"
_CR_TERMS = [
    "arrayShape",
    "citeAs",
    "column",
    "conformsTo",
    "containedIn",
    "data",
    "dataType",
    "equivalentProperty",
    "examples",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/", "rai": "http://mlcommons.org/croissant/RAI/", "sc": "https://schema.org/",
    "cm": _VOCABULARY, **{term: f"cr:{term}" for term in _CR_TERMS}, "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, "description": {"@container": "@language"},
    "name": {"@container": "@language"},
}  # fmt: skip
_USED = frozenset({
    "@vocab", "cr", "sc", "cm", "conformsTo", "containedIn", "data", "field", "fileObject", "fileSet", "md5", "name", "recordSet",
    "contentSize", "contentUrl", "distribution", "sha256",
})  # fmt: skip
_MUST = ("@vocab", "cr", "sc", "recordSet", "field", "data", "conformsTo")
_SHA256 = re.compile("[0-9a-f]{64}")
_SIZE = re.compile(r"(\d{1,16})( ?B| ?bytes)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_ROWS, _FILE, _LABEL = "rows", "file", "label"


@dataclass(frozen=True, slots=True)
class FileObject:
    """One file: path beside the document, SHA-256 in hex, size in bytes where it is told, executable bit."""

    path: str
    sha256: str
    size: int | None
    executable: bool = False
    format: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Croissant:
    """What a document says of a data set.

    Attributes:
        files: in the order of their paths. labels: of files, where a record set tells them. tree: digest of the folder
            that the files make, where a Countermark wrote it. folder: what their paths begin with, and the folder is called.
    """

    name: str
    files: tuple[FileObject, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    tree: str | None = None
    folder: str = ""


def to_bytes(said: Croissant, about: Mapping[str, str], columns: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The document, canonical JSON.

    Args:
        about: further members of the data set as schema.org calls them: license, url, description, datePublished, creator.
        columns: for a file that is a table, its columns and their types in the words of `cm-row/v1`.

    Raises:
        StatementRefused: something has no JSON form.
    """
    sets = [_table(path, kinds) for path, kinds in columns.items()]
    document: dict[str, Any] = {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": VERSION, "name": said.name, **about,
        "distribution": [_distribution(file) for file in said.files],
        "recordSet": [*([_rows(said.labels)] if said.labels else []), *sets],
        _TREE: said.tree, _FOLDER: said.folder,
    }  # fmt: skip
    if "creator" in about:
        document["creator"] = {"@type": "sc:Organization", "name": about["creator"]}
    return canonical.to_bytes(document) + b"\n"


def _distribution(file: FileObject) -> dict[str, Any]:
    out = {
        "@type": "cr:FileObject", "@id": file.path, "name": file.path, "contentUrl": file.path, "sha256": file.sha256,
        "contentSize": f"{file.size} B", "encodingFormat": file.format,
    }  # fmt: skip
    return out | {_EXECUTABLE: True} if file.executable else out


def _rows(labels: Mapping[str, str]) -> dict[str, Any]:
    ids = {name: f"{_ROWS}/{name}" for name in (_FILE, _LABEL)}
    fields = [{"@type": "cr:Field", "@id": one, "name": name, "dataType": "sc:Text"} for name, one in ids.items()]
    data = [{ids[_FILE]: path, ids[_LABEL]: label} for path, label in labels.items()]
    return {
        "@type": "cr:RecordSet",
        "@id": _ROWS,
        "name": _ROWS,
        "key": {"@id": ids[_FILE]},
        "field": fields,
        "data": data,
    }


_TYPES = {"text": "sc:Text", "bool": "sc:Boolean", "date32": "sc:Date", "bytes": "sc:ImageObject"}


def _table(path: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a table that Croissant has a type for; nested ones are left to who reads the file."""
    fields = [
        {"@type": "cr:Field", "@id": f"{path}#{name}", "name": name, "dataType": kind,
         "source": {"fileObject": {"@id": path}, "extract": {"column": name}}}
        for name, word in kinds.items() if (kind := _type(word))
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": f"{path}#rows", "name": path, "field": fields}


def _type(word: Any) -> str:
    if not isinstance(word, str):
        return ""
    numbers = {"int": "sc:Integer", "uint": "sc:Integer", "float": "sc:Float", "timestamp": "sc:DateTime"}
    return _TYPES.get(word) or next((kind for start, kind in numbers.items() if word.startswith(start)), "")


def parse(data: bytes) -> Croissant:
    """Read a document strictly.

    Raises:
        StatementRefused: no JSON, too large, too deep, too many values, or a member twice. FormatRefused: no Croissant
        1.0 or 1.1, a context that lies elsewhere or changes a term, a file without SHA-256 or not beside the document.
        TreeRefused: a path that no tree may hold.
    """
    document = canonical.object_from_bytes(data, what="Croissant document", max_bytes=MOST_BYTES)
    _check_context(document.pop("@context", None))
    _refuse_contexts(document)
    fields = Fields(document, "Croissant document")
    said = _several(document.get("conformsTo"))
    if not any(version in VERSIONS for version in said if isinstance(version, str)):
        raise FormatRefused(
            "this conforms to no Croissant that is known here", why=f"seen: {said!r:.120}", mend="write 1.0 or 1.1"
        )
    files = tuple(sorted((_file(one) for one in _several(document.get("distribution"))), key=lambda file: file.path))
    if not files or len({file.path for file in files}) != len(files):
        raise FormatRefused("this document names no files" if not files else "this document names a file twice")
    tree, folder = fields.optional(_TREE), fields.optional(_FOLDER) or ""
    if tree is not None and not (isinstance(tree, str) and _SHA256.fullmatch(tree)):
        raise FormatRefused(f"{_TREE} is no digest", why=f"seen: {tree!r:.80}")
    if not isinstance(folder, str) or (folder and not all(file.path.startswith(f"{folder}/") for file in files)):
        raise FormatRefused(f"{_FOLDER} is not where the files lie", why=f"seen: {folder!r:.80}")
    return Croissant(_name(document.get("name")), files, _labels(document, files), tree, folder)


def _several(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _name(value: Any) -> str:
    if isinstance(value, dict):  # by language
        value = next(iter(value.values()), "")
    return value if isinstance(value, str) and not canonical.unprintable(value) else ""


def _check_context(context: Any) -> None:
    """The terms used here must mean what the standard context says; others are not looked at."""
    if not isinstance(context, dict):
        raise FormatRefused(
            "the context of this document lies elsewhere", why=f"seen: {context!r:.120}; nothing is fetched",
            mend="write the context of the Croissant specification into the document",
        )  # fmt: skip
    for term in ("@base", "@import", "@propagate", "@protected"):
        if term in context:
            raise FormatRefused(f"a context with {term}", why="it changes what names or paths mean")
    for term in _USED:
        if term in context and term not in _plain(term, context[term]):
            raise FormatRefused(f"the context gives {term!r} another meaning", why=f"seen: {context[term]!r:.120}")
    for term, meaning in context.items():
        iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
        local = re.split("[:/#]", iri)[-1] if isinstance(iri, str) else ""
        if local in _USED and local != term:
            raise FormatRefused(
                f"the context calls {local!r} {term!r:.80} as well", why="one of the two would not be read"
            )
    if lost := [term for term in _MUST if term not in context]:
        raise FormatRefused(
            f"the context does not say what {lost[0]!r} means", mend="write the context of the specification"
        )


def _plain(term: str, meaning: Any) -> tuple[str, ...]:
    """The term, where the standard context gives it that meaning."""
    if isinstance(meaning, dict) and set(meaning) == {"@id"}:
        meaning = meaning["@id"]
    own = CONTEXT.get(term)
    expanded = own.replace("cr:", CONTEXT["cr"]) if isinstance(own, str) and own.startswith("cr:") else own
    schema_org = (f"sc:{term}", f"https://schema.org/{term}")
    alike = meaning in (own, expanded) or (term not in _CR_TERMS and term[0] != "@" and meaning in schema_org)
    return (term,) if alike else ()


def _refuse_contexts(value: Any) -> None:
    """No context may stand deeper, and no used term under another spelling, where other readers would see it."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_contexts(one)
    if isinstance(value, dict):
        for name in value:
            local = re.split("[:/#]", name)[-1]
            if name == "@context" or (local != name and local in _USED and name[:1] != "@" and "@type" in value):
                raise FormatRefused(f"a member called {name!r:.80}", why="other readers would take it for what is not read here",
                                    mend="write terms as the standard context spells them")  # fmt: skip


def _file(value: Any) -> FileObject:
    kind = value.get("@type") if isinstance(value, dict) else None
    if kind == "cr:FileSet":
        raise FormatRefused(
            "a FileSet has no digests", why=f"{_id(value)} could be any files", mend="name each file as a FileObject"
        )
    if kind not in ("cr:FileObject", "sc:FileObject"):
        raise FormatRefused("a distribution that is no FileObject", why=f"seen: {kind!r:.80}")
    if value.get("containedIn") is not None:
        raise FormatRefused(f"{_id(value)} lies in an archive", mend="unpack it, and name each file with its SHA-256")
    return FileObject(_beside(value), _sha256(value), _size(value), value.get(_EXECUTABLE) is True)


def _id(value: dict[str, Any]) -> str:
    return f"{value.get('@id', value.get('name'))!r:.120}"


def _beside(value: dict[str, Any]) -> str:
    url = value.get("contentUrl")
    if not isinstance(url, str):
        raise FormatRefused(f"{_id(value)} has no contentUrl")
    if _URL.match(url):
        raise FormatRefused(f"{url!r:.120} is not beside the document", why="nothing is fetched from elsewhere",
                            mend="download it, and name its path beside the document")  # fmt: skip
    path = url.removeprefix("./")
    check_path(path)
    return path


def _sha256(value: dict[str, Any]) -> str:
    digest = value.get("sha256")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower()):
        raise FormatRefused(f"{_id(value)} has no SHA-256", why=f"seen: {digest!r:.80}; anything could lie there",
                            mend="name the SHA-256 of each file, 64 hexadecimal digits")  # fmt: skip
    return digest.lower()


def _size(value: dict[str, Any]) -> int | None:
    """Size in bytes; units that only round it are not compared."""
    told = value.get("contentSize")
    hit = _SIZE.fullmatch(told) if isinstance(told, str) else None
    return told if type(told) is int and told >= 0 else int(hit[1]) if hit else None


def _labels(document: dict[str, Any], files: Iterable[FileObject]) -> dict[str, str]:
    """Labels of files, from a record set with fields called ``file`` and ``label`` and its data inline."""
    names = {file.path for file in files}
    out: dict[str, str] = {}
    for one in _several(document.get("recordSet")):
        fields = {f.get("name"): f.get("@id") for f in _several(one.get("field") if isinstance(one, dict) else None)
                  if isinstance(f, dict) and isinstance(f.get("name"), str)}  # fmt: skip
        if not isinstance(one, dict) or not {_FILE, _LABEL} <= fields.keys() or "data" not in one:
            continue
        for row in _several(one["data"]):
            path, label = (row.get(fields[n]) if isinstance(row, dict) else None for n in (_FILE, _LABEL))
            if not isinstance(path, str) or not isinstance(label, str) or path not in names:
                raise FormatRefused("a record names no file of this document", why=f"seen: {row!r:.120}")
            if path in out:
                raise FormatRefused(f"two records are about {path!r:.120}")
            out[path] = label
    return out
