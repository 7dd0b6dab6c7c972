"""GGUF files, written byte by byte: good ones, and one for each way to hurt whoever loads them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

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
    "hidden": ("{% if false %}{% set a %}{{ x.__init__ }}{% endset %}{% endif %}", "template-attribute"),
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
    "broken": "{% if %}",
    "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "long": "x" * (300 << 10),
    "digits": "{{ " + "9" * 5000 + " }}",
}  # fmt: skip


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
