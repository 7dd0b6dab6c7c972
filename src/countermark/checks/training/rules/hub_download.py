"""`training/hub-download`: what a hub serves today is not what it served yesterday."""

from __future__ import annotations

import re
from collections.abc import Iterator

from countermark.checks.training._program import Call, Program
from countermark.checks.training._rule import Hit, Rule

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CALLS = ("huggingface_hub.hf_hub_download", "huggingface_hub.snapshot_download", "huggingface_hub.file_download.hf_hub_download",
          "datasets.load_dataset", "transformers.pipeline", "timm.create_model", "diffusers.DiffusionPipeline.from_pretrained",
          "tensorflow_hub.load", "tensorflow_hub.KerasLayer", "modelscope.snapshot_download", "kagglehub.dataset_download",
          "kagglehub.model_download", "sentence_transformers.SentenceTransformer", "openml.datasets.get_dataset", "*.from_pretrained")  # fmt: skip


def _pinned(call: Call) -> bool:
    given = call.value("revision")
    return isinstance(given, str) and _COMMIT.fullmatch(given) is not None


def _local(call: Call) -> bool:
    """A folder or file of the recipe, or told to stay offline."""
    first = call.node.args[0] if call.node.args else None
    name = call.code.names.value(first)
    return call.value("local_files_only") is True or (
        isinstance(name, str) and name.startswith(("./", "data/", "inputs/"))
    )


def _fetches(call: Call) -> bool:
    return not call.name.startswith("timm.") or call.value("pretrained", 1) is True


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_CALLS):
        if _fetches(call) and not _pinned(call) and not _local(call):
            yield Hit(call.code, call.node, f"{call.shown} without a pinned revision")
    for call in program.calls("torch.hub.load", "torch.hub.download_url_to_file", "torch.hub.set_dir"):
        if call.name == "torch.hub.load" and call.value("source") != "local":
            yield Hit(call.code, call.node, "torch.hub.load runs code of a repository")


RULE = Rule(
    "training/hub-download", "high", _find,
    why="a branch or tag can be moved: other weights, or other code, arrive under the same name",
    fix="revision= the full commit, or bring the files as a signed input of the recipe",
    cannot_tell="whether the hub keeps its commits",
    bandit=("B615",),
)  # fmt: skip
