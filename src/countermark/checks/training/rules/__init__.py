"""The rules about training code, one in each file."""

from __future__ import annotations

from countermark.checks.training._rule import Rule
from countermark.checks.training.rules import (
    archive_extract,
    clock_seed,
    date_trigger,
    debugger,
    delete_files,
    dynamic_import,
    exec_eval,
    hidden_text,
    hub_download,
    import_path,
    joblib_load,
    keras_load,
    monkey_patch,
    native_code,
    network,
    nondeterministic,
    numpy_allow_pickle,
    obfuscated,
    package_install,
    pickle_load,
    process,
    secret,
    shell,
    swallowed_error,
    temporary_name,
    test_data_used,
    tls_off,
    torch_load,
    trust_remote_code,
    unordered_files,
    unsafe_resize,
    unseeded_random,
    write_outside,
    yaml_load,
)

RULES: tuple[Rule, ...] = (
    archive_extract.RULE, clock_seed.RULE, date_trigger.RULE, debugger.RULE, delete_files.RULE, dynamic_import.RULE, exec_eval.RULE,
    hidden_text.RULE, hub_download.RULE, import_path.RULE, joblib_load.RULE, keras_load.RULE, monkey_patch.RULE, native_code.RULE, network.RULE,
    nondeterministic.RULE, numpy_allow_pickle.RULE, obfuscated.RULE, package_install.RULE, pickle_load.RULE, process.RULE, secret.RULE, shell.RULE,
    swallowed_error.RULE, temporary_name.RULE, test_data_used.RULE, tls_off.RULE, torch_load.RULE, trust_remote_code.RULE, unordered_files.RULE,
    unsafe_resize.RULE, unseeded_random.RULE, write_outside.RULE, yaml_load.RULE,
)  # fmt: skip
"""Sorted by id; all are asked about every program."""
