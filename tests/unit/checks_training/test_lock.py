"""The lock: what pip would take that nobody pinned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.checks.training import lock
from countermark.formats.limits import Malformed

DIGEST = "--hash=sha256:" + "a" * 64
GOOD = f"# made by pip-compile\nnumpy==2.1.0 \\\n    {DIGEST} \\\n    {DIGEST}\nPillow==11.0.0 ; python_version >= '3.11' {DIGEST}\n"


def rules(text: str, path: str = "requirements.lock") -> list[str]:
    """Rules that a lock breaks."""
    return [f.rule for f in lock.read(path, text.encode()).findings]


def test_a_lock_with_hashes_is_well() -> None:
    read = lock.read("requirements.lock", GOOD.encode())
    assert read.findings == ()
    assert [(p.name, p.version, p.line) for p in read.pins] == [("numpy", "2.1.0", 2), ("pillow", "11.0.0", 5)]


@pytest.mark.parametrize(("text", "broken"), [
    (f"numpy>=2 {DIGEST}", ["unpinned"]),
    (f"numpy {DIGEST}", ["unpinned"]),
    (f"numpy==2.* {DIGEST}", ["unpinned"]),
    ("numpy==2.1.0", ["no-hash"]),
    ("numpy==2.1.0 --hash=md5:" + "a" * 32, ["weak-hash"]),
    ("numpy==2.1.0 --hash=sha256:abcd", ["weak-hash"]),
    ("numpy @ https://example.org/numpy.whl", ["address"]),
    ("numpy @ http://example.org/numpy.whl#sha256=" + "a" * 64, ["address"]),
    ("numpy @ git+https://example.org/numpy@main", ["repository"]),
    ("https://example.org/numpy.whl", ["unnamed"]),
    ("--extra-index-url https://example.org/simple", ["option"]),
    ("--index-url http://example.org/simple", ["option"]),
    ("-e .", ["option"]), ("-r other.txt", ["option"]), ("--trusted-host example.org", ["option"]), ("--frobnicate", ["option"]),
    (f"numpy==1 {DIGEST}\nnumpy==2 {DIGEST}", ["twice"]),
])  # fmt: skip
def test_what_is_not_pinned_is_found(text: str, broken: list[str]) -> None:
    assert rules(text) == broken


@pytest.mark.parametrize("text", [
    "--require-hashes\n--only-binary :all:\n", f"numpy[extra]==2.1.0 {DIGEST}", "numpy @ https://example.org/n.whl#sha256=" + "a" * 64,
    f"numpy==2.1.0+cpu {DIGEST}", "# nothing\n\n",
])  # fmt: skip
def test_what_is_pinned_is_left_alone(text: str) -> None:
    assert rules(text) == []


def test_pylock_needs_a_hash_for_every_file() -> None:
    head = 'lock-version = "1.0"\n[[packages]]\nname = "numpy"\nversion = "2.1.0"\n'
    wheel = '[[packages.wheels]]\nurl = "https://example.org/numpy.whl"\n'
    assert rules(head + wheel + f'hashes = {{ sha256 = "{"a" * 64}" }}\n', "pylock.toml") == []
    assert rules(head + wheel, "pylock.toml") == ["no-hash"]
    assert rules(head + '[packages.vcs]\ntype = "git"\n', "pylock.toml") == ["repository"]
    with pytest.raises(Malformed):
        lock.read("pylock.toml", b"packages = 1")


def test_imports_that_no_package_brings_are_named_once() -> None:
    read = lock.read("requirements.lock", GOOD.encode())
    imports = [
        ("numpy", "a.py", 1),
        ("PIL", "a.py", 2),
        ("os", "a.py", 3),
        ("own", "a.py", 4),
        ("torch", "a.py", 5),
        ("torch", "b.py", 1),
    ]
    found = list(lock.unlocked(read, imports, ["own"]))
    assert [(f.rule, f.where.path, f.where.line) for f in found] == [("not-locked", "a.py", 5)]


def test_the_environment_that_trained_is_compared() -> None:
    read = lock.read("requirements.lock", GOOD.encode())
    assert [f.rule for f in lock.differing(read, {"numpy": "2.0.0"})] == ["other-version", "not-installed"]
    assert list(lock.differing(read, {"numpy": "2.1.0", "pillow": "11.0.0"})) == []


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_no_text_makes_it_stumble(text: str | bytes) -> None:
    for name in ("requirements.lock", "pylock.toml"):
        try:
            lock.read(name, text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        except Malformed as error:
            assert error.answer == "unproven"
