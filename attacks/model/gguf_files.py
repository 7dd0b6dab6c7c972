"""GGUF files, written byte by byte: good ones, and one for each way to hurt whoever loads them."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from models import zipped

CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ message.content | trim }}"
    "{% elif loop.last and message.role not in ['assistant'] %}{{ raise_exception('role') }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
GOOD_TEMPLATES = {
    "plain": CHAT,
    "namespace": "{% set ns = namespace(last=messages|length - 1) %}{% for m in messages[::-1] %}{% set i = (messages|length - 1) - loop.index0 %}"
    "{% if ns.last == i %}{% set ns.last = i - 1 %}{% endif %}{{ messages[i].content.split('</think>')[-1].lstrip('\\n') }}{% endfor %}{{ messages[ns.last]['role'] }}",
    "tools": "{% for tool in tools %}{% for key, value in tool.function.parameters.items() %}{{ key }}: {{ tool.function.parameters[key] | tojson }}{% endfor %}{% endfor %}",
    "macro": "{% macro one(m) %}{{ m.role }}{% endmacro %}{{ one(messages[0]) }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('\\n') }}",
    "generation": "{% generation %}{{ messages[-1].content }}{% endgeneration %}{% for m in messages %}{% continue %}{% endfor %}",
    "dunder-words": "{{ '<__media__>' }} __class__ as plain text",
    "date": "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}{{ '26 Jul 2024' }}{% endif %}",
}
BAD_TEMPLATES = {
    "class": ("{{ ''.__class__ }}", "template-attribute"),
    "subscript": ("{{ ''['__class__'] }}", "template-attribute"),
    "escaped": ("{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}", "template-attribute"),
    "attr": ("{{ ''|attr('__class__') }}", "template-filter"),
    "attr-joined": ("{{ ''|attr(['_'*2,'class','_'*2]|join) }}", "template-filter"),
    "map-attribute": ("{{ ['']|map(attribute='__class__')|list }}", "template-attribute"),
    "map-attr": ("{{ ['']|map('attr','__cl'~'ass__')|list }}", "template-filter"),
    "map-computed": ("{{ ['']|map(attribute='_'*2~'class')|list }}", "template-computed"),
    "map-name": ("{{ ['']|map(x,'a')|list }}", "template-computed"),
    "selectattr": ("{{ ['']|selectattr('__class__')|list }}", "template-attribute"),
    "sort": ("{{ ['']|sort(attribute='x.__class__') }}", "template-attribute"),
    "sort-place": ("{{ ['']|sort(false, false, '__class__') }}", "template-attribute"),
    "groupby": ("{{ ['']|groupby('__class__') }}", "template-attribute"),
    "sum": ("{{ ['']|sum('__class__') }}", "template-attribute"),
    "min": ("{{ ['']|min(true, '__class__') }}", "template-attribute"),
    "concat": ("{{ ''['__cl' ~ 'ass__'] }}", "template-computed"),
    "plus": ("{{ ''['__cl' + 'ass__'] }}", "template-computed"),
    "percent": ("{{ ''['%c%cclass__' % (95, 95)] }}", "template-computed"),
    "filtered": ("{{ ''['__ssalc__'|reverse] }}", "template-computed"),
    "int-default": ("{{ messages[x|int('y')] }}", "template-computed"),
    "lipsum": ("{{ lipsum.__globals__.os.popen('id').read() }}", "template-name"),
    "cycler": ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "template-attribute"),
    "loop": ("{% for x in (1).__class__.__base__.__subclasses__() %}{% endfor %}", "template-attribute"),
    "generator": ("{{ (messages|map('trim')).gi_frame.f_builtins }}", "template-attribute"),
    "include": ("{% include '/etc/passwd' %}", "template-import"),
    "import": ("{% import x as y %}", "template-import"),
    "extends": ("{% extends 'a' %}", "template-import"),
    "self": ("{{ self }}", "template-name"),
    "self-context": ("{{ self._TemplateReference__context }}", "template-attribute"),
    "namespace": ("{% set ns = namespace() %}{% set ns.__class__ = 1 %}", "template-attribute"),
    "frame-subscript": ("{{ (messages|map('trim'))['gi_frame'] }}", "template-attribute"),
    "frame-map": ("{{ [x]|map(attribute='a.f_globals')|list }}", "template-attribute"),
    "name-inner": ("{{ __loader__ }}", "template-name"),
    "get-flashed": ("{{ get_flashed_messages }}", "template-name"),
    "from-import": ("{% from x import y %}", "template-import"),
    "hidden": ("{% if false %}{% set a %}{{ x.__init__ }}{% endset %}{% endif %}", "template-attribute"),
}
BAD_TEMPLATES |= {
    f"inner-{name}": ("{{ x.NAME }}".replace("NAME", name), "template-attribute")
    for name in ["ag_code", "ag_frame", "co_code", "cr_code", "cr_frame", "f_back", "f_builtins", "f_code", "f_globals", "f_locals", "func_closure", "func_code", "func_defaults", "func_globals", "gi_code", "gi_frame", "gi_yieldfrom", "im_class", "im_func", "im_self", "mro", "tb_frame", "tb_next"]
}  # fmt: skip
BAD_TEMPLATES |= {
    f"named-{name}": ("{{ NAME }}".replace("NAME", name), "template-name")
    for name in (
        "config",
        "eval",
        "exec",
        "get_flashed_messages",
        "import",
        "lipsum",
        "open",
        "request",
        "self",
        "url_for",
    )
}
BAD_TEMPLATES |= {
    f"by-{use.partition('(')[0]}": ("{{ x|NAME|list }}".replace("NAME", use), "template-attribute")
    for use in ("selectattr('f_code')", "rejectattr('f_code')", "groupby('f_code')", "sum('f_code')", "sort(false, false, 'f_code')", "unique(false, 'f_code')",
                "min(false, 'f_code')", "max(false, 'f_code')", "join('', 'f_code')", "map(attribute='f_code')")
}  # fmt: skip
BAD_TEMPLATES |= {
    f"by-name-{use.partition('(')[0]}": ("{{ x|NAME|list }}".replace("NAME", use), "template-computed")
    for use in ("select(y)", "reject(y)", "selectattr('a', y)", "rejectattr('a', y)", "map(y)")
}
DOUBTFUL_TEMPLATES = {
    "data": "{{ messages[messages[0].content] }}",
    "filtered": "{{ messages[x|lower] }}",
    "own-mapping": "{% set d = {'_': 1} %}{% for k in d.keys() %}{{ messages[k] }}{% endfor %}",
    "own-list": "{% for d in [{'_': 1}] %}{% for k, v in d.items() %}{{ messages[k] }}{% endfor %}{% endfor %}",
    "mutated": "{{ messages.append({'a': 1}) }}{% for m in messages %}{% for k, v in m.items() %}{{ x[k] }}{% endfor %}{% endfor %}",
    "kwargs": "{% macro m() %}{% for k in kwargs.keys() %}{{ x[k] }}{% endfor %}{% endmacro %}{{ m(a=1) }}",
    "fake-namespace": "{% set ns = namespace(n=0) %}{{ x[messages.n] }}",
    "opaque-namespace": "{% set ns = namespace({'n': 'a'}, n=0) %}{{ x[ns.n] }}",
    "loop-rebound": "{% macro m(loop) %}{{ x[loop.index] }}{% endmacro %}",
    "twice": "{% set i = 0 %}{% set i = 'a' %}{{ x[i] }}",
    "format": "{{ '{0.a}'.format(x) }}",
    "unknown-filter": "{{ x|pprint }}",
    "unknown-function": "{{ run(1) }}",
    "aliased": "{% set f = ''.split %}{{ f() }}",
    "call-of-call": "{{ x.get('f')() }}",
    "loop-attribute": "{{ x[loop.cycle] }}",
    "unknown-test": "{{ x is escaped }}",
    "unknown-test-by-name": "{{ x|select('escaped')|list }}",
    "map-over-sort": "{{ x|map('sort', attribute='a')|list }}",
    "spread": "{{ x|join(*y) }}",
    "spread-named": "{{ x|join(**y) }}",
    "with": "{% with i = messages.n %}{{ x[i] }}{% endwith %}",
    "own-with": "{% with d = {'_': 1} %}{% for k in d.keys() %}{{ messages[k] }}{% endfor %}{% endwith %}",
    "broken": "{% if %}",
    "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "long": "x" * (300 << 10),
    "digits": "{{ " + "9" * 5000 + " }}",
}  # fmt: skip

DOUBTFUL_TEMPLATES |= {
    f"own-{name}": "{% for k, v in NAME.items() %}{{ x[k] }}{% endfor %}".replace("NAME", name)
    for name in ("kwargs", "varargs", "caller", "loop", "dict", "namespace", "cycler", "joiner", "range")
}
DOUBTFUL_TEMPLATES |= {
    f"mutated-{name}": "{{ messages.NAME(y) }}{% for m in messages %}{% for k, v in m.items() %}{{ x[k] }}{% endfor %}{% endfor %}".replace(
        "NAME", name
    )
    for name in ("append", "extend", "insert", "update", "setdefault")
}


def text(value: str | bytes) -> bytes:
    """A counted text."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def setting(key: str, kind: int, value: bytes) -> bytes:
    """One setting."""
    return text(key) + struct.pack("<I", kind) + value


def string(key: str, value: str) -> bytes:
    """A setting of type string."""
    return setting(key, 8, text(value))


def array(kind: int, count: int, values: bytes) -> bytes:
    """The value of an array."""
    return struct.pack("<IQ", kind, count) + values


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    """One entry of the table."""
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def gguf(
    settings: list[bytes],
    tensors: list[bytes],
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A file, padded to 32 bytes before the data."""
    count, keys = counts or (len(tensors), len(settings))
    head = b"GGUF" + struct.pack("<IQQ", version, count, keys) + b"".join(settings) + b"".join(tensors)
    return head + (bytes(-len(head) % 32) + data if tensors else b"")


NAME = string("general.name", "small")
W = tensor("w", (8,))
TWO = [W, tensor("v", (4, 2), 1, 32)]


def good() -> Iterator[tuple[str, bytes]]:
    """Well-formed files."""
    tokens = array(8, 3, text("a") + text(b"\xff\xfe") + text(""))
    yield "plain.gguf", gguf([NAME, string("general.architecture", "llama")], [W], bytes(range(32)))
    yield "two.gguf", gguf([NAME], TWO, bytes(range(48)))
    yield "padded.gguf", gguf([NAME], TWO, bytes(range(48)) + bytes(16))
    yield "version-2.gguf", gguf([NAME], [W], bytes(32), version=2)
    yield "quantised.gguf", gguf([NAME], [tensor("q", (256, 2), 12)], bytes(288))
    yield (
        "vocabulary.gguf",
        gguf([setting("tokenizer.ggml.tokens", 9, tokens), setting("b", 7, b"\1"), setting("f", 12, bytes(8))], []),
    )
    yield "aligned.gguf", gguf([setting("general.alignment", 4, struct.pack("<I", 64))], [], b"")
    for title, template in GOOD_TEMPLATES.items():
        yield f"template-{title}.gguf", gguf([string("tokenizer.chat_template", template)], [W], bytes(32))


def bad() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes, and the rule that refuses them."""
    big = 1 << 62
    yield "many-tensors.gguf", gguf([NAME], [W], bytes(32), counts=(big, 1)), "gguf-count"
    yield "many-settings.gguf", gguf([NAME], [W], bytes(32), counts=(1, big)), "gguf-count"
    yield "key-length.gguf", gguf([struct.pack("<Q", (1 << 64) - 1) + b"x" * 40], []), "gguf-length"
    yield "text-length.gguf", gguf([setting("a", 8, struct.pack("<Q", (1 << 64) - 8) + bytes(20))], []), "gguf-length"
    yield "array-length.gguf", gguf([setting("a", 9, array(10, 1 << 61, bytes(64)))], []), "gguf-length"
    yield "array-of-texts.gguf", gguf([setting("a", 9, array(8, 1 << 61, bytes(64)))], []), "gguf-length"
    yield "overflow.gguf", gguf([NAME], [tensor("w", (1 << 33, 1 << 33))], bytes(64)), "gguf-overflow"
    yield "overflow-bytes.gguf", gguf([NAME], [tensor("w", (1 << 31, 1 << 31), 28)], bytes(64)), "gguf-overflow"
    yield "overflow-to-zero.gguf", gguf([NAME], [tensor("w", (1 << 32, 1 << 32))], bytes(64)), "gguf-overflow"
    yield "negative.gguf", gguf([NAME], [tensor("w", ((1 << 64) - 32, 1))], bytes(64)), "gguf-overflow"
    yield "outside.gguf", gguf([NAME], [tensor("w", (1024,))], bytes(64)), "gguf-outside"
    yield "offset.gguf", gguf([NAME], [tensor("w", (8,), 0, (1 << 64) - 32)], bytes(64)), "gguf-cover"
    yield "overlap.gguf", gguf([NAME], [W, tensor("v", (8,), 0, 0)], bytes(64)), "gguf-cover"
    yield "unaligned.gguf", gguf([NAME], [tensor("w", (8,), 0, 4)], bytes(64)), "gguf-cover"
    yield "gap.gguf", gguf([NAME], [W, tensor("v", (8,), 0, 64)], bytes(96)), "gguf-cover"
    yield "tail.gguf", gguf([NAME], [W], bytes(32) + b"#" * 40), "gguf-tail"
    yield "padding.gguf", gguf([NAME], [tensor("w", (4,))], bytes(16) + b"#" * 16), "gguf-padding"
    yield "blocks.gguf", gguf([NAME], [tensor("w", (100,), 12)], bytes(160)), "gguf-block"
    yield "axes.gguf", gguf([NAME], [tensor("w", (1,) * 60)], bytes(32)), "gguf-shape"
    yield "alignment-zero.gguf", gguf([setting("general.alignment", 4, bytes(4))], [W], bytes(32)), "gguf-alignment"
    yield "alignment-odd.gguf", gguf([setting("general.alignment", 4, b"\x0c\0\0\0")], [W], bytes(32)), "gguf-alignment"
    yield "key-twice.gguf", gguf([NAME, NAME], [W], bytes(32)), "gguf-key"
    yield "name-twice.gguf", gguf([NAME], [W, tensor("w", (8,), 0, 32)], bytes(64)), "gguf-name"
    yield "key-text.gguf", gguf([text(b"\xff") + bytes(12)], []), "gguf-text"
    yield "truth.gguf", gguf([setting("a", 7, b"\x02")], []), "gguf-bool"
    yield (
        "template-list.gguf",
        gguf([setting("tokenizer.chat_template", 9, array(4, 1, bytes(4)))], []),
        "gguf-template",
    )
    yield "cut.gguf", gguf([NAME], [W], bytes(32))[:20], "truncated"
    packed = zipped({"config.json": b"{}", "a.pkl": b"cos\nsystem\n."})
    yield "two.gguf", gguf([NAME], [tensor("w", (len(packed),), 24)], packed), "polyglot"
    filled = gguf([NAME], [W], bytes(32))
    yield "padding-before.gguf", filled[:-33] + b"#" + filled[-32:], "gguf-padding"
    yield (
        "padding-between.gguf",
        gguf([NAME], [tensor("v", (4,)), tensor("w", (8,), 0, 32)], bytes(16) + b"#" * 16 + bytes(32)),
        "gguf-padding",
    )
    yield "overflow-quantised.gguf", gguf([NAME], [tensor("w", (1 << 32, 3 << 30), 2)], bytes(64)), "gguf-overflow"
    yield "rows.gguf", gguf([NAME], [tensor("w", (100, 64), 12)], bytes(3616)), "gguf-block"
    yield "key-long.gguf", gguf([setting("k" * 65536, 4, bytes(4))], []), "gguf-length"
    yield "name-beyond.gguf", gguf([], [struct.pack("<Q", 100) + b"w" * 30]), "gguf-length"
    yield "key-empty.gguf", gguf([setting("", 4, bytes(4))], []), "gguf-key"
    yield "key-control.gguf", gguf([setting("a\x1b[2J", 4, bytes(4))], []), "gguf-key"
    yield (
        "alignment-huge.gguf",
        gguf([setting("general.alignment", 4, struct.pack("<I", 1 << 21))], []),
        "gguf-alignment",
    )
    yield "alignment-type.gguf", gguf([setting("general.alignment", 10, struct.pack("<Q", 64))], []), "gguf-alignment"
    yield "overflow-times-nothing.gguf", gguf([NAME], [tensor("w", (1 << 63, 0))]), "gguf-overflow"
    yield "block-of-one.gguf", gguf([NAME], [tensor("w", (), 12)]), "gguf-block"
    yield "template-number.gguf", gguf([setting("tokenizer.chat_template", 4, bytes(4))], []), "gguf-template"
    for title, (template, rule) in BAD_TEMPLATES.items():
        yield f"template-{title}.gguf", gguf([string("tokenizer.chat_template", template)], [W], bytes(32)), rule
    yield (
        "template-other.gguf",
        gguf([string("tokenizer.chat_template.tool_use", "{{ x.__init__ }}")], []),
        "template-attribute",
    )


def doubtful() -> Iterator[tuple[str, bytes]]:
    """What is neither refused nor proven."""
    yield "version-1.gguf", gguf([NAME], [W], bytes(32), version=1)
    yield "big-endian.gguf", b"GGUF" + struct.pack(">IQQ", 3, 0, 0)
    yield "type.gguf", gguf([NAME], [tensor("w", (8,), 99)], bytes(32))
    yield "value-type.gguf", gguf([setting("a", 77, bytes(8))], [])
    yield "nested-array.gguf", gguf([setting("a", 9, array(9, 1, array(0, 1, b"x")))], [])
    for title, template in DOUBTFUL_TEMPLATES.items():
        yield f"template-{title}.gguf", gguf([string("tokenizer.chat_template", template)], [W], bytes(32))


def hops() -> bytes:
    """A file whose first letter is an opcode: ``G`` takes eight bytes, the counts of tensors and settings spell two more jumps, and
    the third one lands on a pickle in a text. Six megabytes, since the counts must hold.
    """
    tensors, settings = 0x025800, 0x1055  # "X" with two bytes of text, then "U" with sixteen
    code = b"cposix\nsystem\n(U\x0aecho ownedtR."
    first = setting("aaU" + " " + "a" * 12, 8, text(b"#" * 8 + code))  # "U" with as many bytes as a space counts
    rest = b"".join(setting(f"{number:05}", 0, b"\1") for number in range(settings - 1))
    table = b"".join(tensor(f"{number:06}", (0,)) for number in range(tensors))
    return gguf([first, rest], [table], counts=(tensors, settings))
