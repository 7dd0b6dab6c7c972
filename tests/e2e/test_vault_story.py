"""The vault, end to end in the factory case: sealed deliveries, training under seal, a licence bound to a host, a leak that is traced."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_doubles

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("uvicorn")

from test_howto_keys import FENCE
from vault_plant import GRACE, LEASE, weights
from vault_stage import Story, as_shown
from vault_story import ACTS
from vault_suppliers import RULES
from vault_training import RECIPE

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "vault.md"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM),
    pytest.mark.skipif(
        shutil.which("bwrap") is None, reason="bubblewrap is not installed: nothing trains hermetically"
    ),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story, played as far as a test asks."""
    with contextlib.ExitStack() as held:
        yield Story(tmp_path_factory.mktemp("vault"), held, ACTS)


def test_1_two_suppliers_deliver_sealed(story: Story) -> None:
    secrets = story.upto("deliver")
    assert set(secrets) == {"acme", "bolts"}
    for name, secret in secrets.items():
        assert story.holding(secret, name, "manufacturer") and not story.holding(secret, "stick", "trainer", "vault")
        story.type("open", f"../stick/{name}-parts.cmsealed", "--check", at="trainer")
        story.type("open", f"../stick/{name}-parts.cmsealed", "--key", f"{name}.sealkey", "--out", "back", at=name)


def test_2_the_broker_is_told_what_may_run(story: Story) -> None:
    claims = story.upto("agree")
    assert sorted(claims) == ["code", "command", "environment", "policy", "recipe"]
    assert claims["policy"] == hashlib.sha256((story.here / "manufacturer/trained.toml").read_bytes()).hexdigest()


def test_3_the_data_is_opened_inside_the_agreed_run_alone(story: Story) -> None:
    seen = story.upto("train")
    assert "no rule of the owner grants this" in seen["refused"]
    done = seen["done"]
    assert done["hermetic"] == "claimed" and done["metrics"] == {"train_rows": 64, "train_accuracy": 1.0}
    assert (done["protection"] == "at rest only") == bool(done["ways"])
    assert sorted((one["owner"], one["recipient"]) for one in seen["log"]) == [
        ("acme", "trainer"),
        ("bolts", "trainer"),
    ]
    for secret in story.seen["deliver"].values():
        assert not story.holding(secret, "trainer", "vault", "stick")
    assert not (story.here / "trainer/model").exists() and (story.here / "trainer/model.cmsealed").exists()


def test_4_the_model_is_released_and_the_plants_copy_marked(story: Story) -> None:
    seen = story.upto("release")
    assert seen["marked"]["weights"] >= 16_384
    assert not story.holding(weights(story), "stick", "vault", "trainer")


def test_5_the_licence_is_of_the_ciphertext_and_the_plants_tpm_and_says_how_late_a_revocation_is_felt(
    story: Story,
) -> None:
    told = story.upto("grant")["told"]
    assert "PCR 16" in told and "37 d of powered-on time" in told
    assert "sealed as" in told and "protection: host-bound" in told


def test_6_the_plant_serves_it_from_memory_under_its_licence(story: Story) -> None:
    seen = story.upto("operate")
    assert "none named, and plant is a licensee" in seen["unlicensed"]
    assert "part-03" in str(seen["answer"])
    assert not seen["plain"], "no plaintext in the plant's files, nor in one that its guard has open"
    assert story.holding(weights(story), "manufacturer"), "the search finds it where it is"
    shown = re.findall(r"^protection: (.+)$", seen["told"], re.M)
    assert shown == ["at rest only" if "way to a disk:" in seen["told"] else "host-bound"]
    assert "allows a plain copy" not in seen["told"]
    assert [(one["recipient"], one["licence"]) for one in seen["log"]] == [("plant", story.seen["grant"]["licence"])]


def test_7_a_copied_folder_opens_nowhere_else(story: Story) -> None:
    told = story.upto("copied")
    assert "nobody sealed this file for that key" in told["a key of its own"]
    assert "not enrolled" in told["the broker, another TPM"]
    assert "host: expected a quote by TPM key" in told["the licence, another TPM"]
    assert "host: expected proof by tpm" in told["the licence, no TPM"]
    assert re.search(r"subject: expected ciphertext_root [0-9a-f]{16}", told["plaintext"])
    assert told["released"] == 0 and not told["plain"]


def test_8_a_revoked_plant_stops_within_the_printed_delay(story: Story) -> None:
    seen = story.upto("revoke")
    assert f"{LEASE + GRACE} s of powered-on time" in seen["printed"]
    assert "lease: expected word of the licensor" in seen["kept out"]
    assert seen["seconds"] <= LEASE + GRACE + 5  # asked every two seconds
    assert "revocation: expected a licence that stands" in seen["told"]
    assert len(seen["log"]) == 2, "no key is asked for under a licence that was revoked"
    assert not seen["plain"]


def test_9_a_leaked_and_fine_tuned_copy_is_traced_to_its_plant(story: Story) -> None:
    seen = story.upto("leak")
    fetched = [one for one in seen["log"] if one["recipient"] == "plant"]
    assert len(fetched) == 3, "the broker's log shows that a key was fetched again"
    assert seen["accuracy"] > 0.9 and seen["moved"] > 1e-3
    assert [one["licensee"] for one in seen["traced"]["named"]] == ["plant"]
    assert seen["traced"]["false_accusation"] <= 1e-6
    assert not seen["unmarked"]["named"]
    assert not seen["distilled"]["named"], "a limit, told in the tutorial: a new network carries no mark"


def test_10_the_tutorial_shows_what_was_typed(story: Story) -> None:
    story.upto("leak")
    at, shown = "", 0
    for line in "".join(FENCE.findall(PAGE.read_text())).splitlines():
        if line.startswith("# at "):
            at = line.removeprefix("# at ")
            continue
        assert as_shown(f"{at}: {line}") in story.typed, line
        shown += 1
    assert shown > 40
    assert all(text in PAGE.read_text() for text in (RECIPE, *RULES.values()))
