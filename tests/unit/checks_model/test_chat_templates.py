"""Chat templates outside of GGUF: in a tokenizer's settings, and in files of their own (transformers, `chat_template.jinja`)."""

from __future__ import annotations

import json

import pytest

from countermark.checks.model._check import Look
from countermark.checks.model._look import look_at
from countermark.formats.source import Memory

GOOD = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
# CVE-2024-34359 and its kin: from any object to Python's classes, and from there to a shell.
BAD = "{% for c in [].__class__.__base__.__subclasses__() %}{% if 'Popen' in c.__name__ %}{{ c('id', shell=True) }}{% endif %}{% endfor %}"
QUIET = "{{ cycler['__in' ~ 'it__']['__glob' ~ 'als__'] }}"


def tokenizer(value: object) -> Look:
    data = json.dumps({"model_max_length": 4096, "chat_template": value}).encode()
    return look_at("tokenizer_config.json", Memory(data))


@pytest.mark.parametrize("shape", [lambda t: t, lambda t: [{"name": "default", "template": GOOD}, {"name": "tool_use", "template": t}],
                                   lambda t: {"default": GOOD, "rag": t}], ids=["text", "list", "names"])  # fmt: skip
def test_a_tokenizers_template_is_parsed_however_it_is_written(shape) -> None:
    assert tokenizer(shape(GOOD)).answer == "not model content"
    for template in (BAD, QUIET):
        said = tokenizer(shape(template))
        assert said.answer == "refused" and said.format == "chat template", template
        assert "template" in said.findings[0].what


def test_what_jinja_does_not_parse_is_unproven() -> None:
    said = tokenizer("{% frobnicate %}")
    assert said.answer == "unproven" and "does not parse" in said.why
    assert tokenizer([{"name": str(n), "template": GOOD} for n in range(70)]).answer == "unproven"


@pytest.mark.parametrize("name", ["chat_template.jinja", "additional_chat_templates/tool_use.jinja", "prompt.j2"])
def test_a_file_of_its_own(name: str) -> None:
    assert look_at(name, Memory(GOOD.encode())).answer == "proven"
    assert look_at(name, Memory(BAD.encode())).answer == "refused"
    assert look_at(name, Memory(b"{{ a ")).answer == "unproven"


def test_other_settings_are_left_alone() -> None:
    data = json.dumps({"prompts": {"template": BAD}}).encode()
    assert look_at("generation.json", Memory(data)).answer == "not model content"
