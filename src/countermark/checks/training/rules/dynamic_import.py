"""`training/dynamic-import`: a setting chooses what is imported or called."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._names import UNRESOLVED
from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_IMPORTERS = ("importlib.import_module", "builtins.__import__")
_LOADERS = (
    "runpy.run_path", "runpy.run_module", "pydoc.locate", "pydoc.safeimport", "pkgutil.resolve_name", "imp.load_source", "imp.load_module",
    "importlib.util.spec_from_file_location", "importlib.machinery.SourceFileLoader", "importlib.machinery.SourcelessFileLoader",
    "importlib.machinery.ExtensionFileLoader", "importlib.util.module_from_spec", "zipimport.zipimporter", "importlib.reload",
    "pkgutil.find_loader", "stevedore.driver.DriverManager", "operator.methodcaller", "distutils.core.run_setup",
)  # fmt: skip
_CONFIGS = ("hydra.utils.instantiate", "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object",
            "hydra._internal.utils._locate", "mmengine.Config.fromfile", "mmcv.Config.fromfile", "fvcore.common.config.CfgNode.load_yaml_with_base",
            "jsonargparse.CLI", "lightning.pytorch.cli.LightningCLI", "pytorch_lightning.cli.LightningCLI", "gin.parse_config_file",
            "detectron2.config.LazyConfig.load", "pyhocon.ConfigFactory.parse_file", "nemo.core.Serialization.from_config_dict")  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_IMPORTERS):
        if not isinstance(call.value("name", 0), str):
            yield Hit(call.code, call.node, f"{call.name} of a name that is computed")
    for call in program.calls(f"*.{UNRESOLVED}"):
        if not call.name.startswith(UNRESOLVED):  # a method of the program's own objects is its own code
            yield Hit(
                call.code, call.node, f"calls an attribute of {call.name.rpartition('.')[0]} whose name is computed"
            )
    for code, name, node in program.references(*_LOADERS):
        yield Hit(code, node, f"{name} imports or runs what its argument names")
    for code, name, node in program.references(*_CONFIGS):
        yield Hit(code, node, f"{name} calls what a configuration names")


RULE = Rule(
    "training/dynamic-import", "high", _find,
    why="whoever writes the setting chooses the code: `_target_: os.system` is a valid Hydra configuration (CVE-2025-23304)",
    fix="a table from allowed names to functions, in the code",
    cannot_tell="what the settings hold; they are read by `training/settings`",
)  # fmt: skip
