"""Ways from memory to a disk, case by case, as the kernel tells them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from countermark.sandbox import exposure
from countermark.sandbox.exposure import HostText, in_memory, protection, ways

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
GOOD = HostText(HEAD, "core", 0, "freeze mem", "0:0", "0", "tmpfs /dev/shm tmpfs rw 0 0\n")


def swap(name: str, kind: str = "partition") -> str:
    return f"{HEAD}{name} {kind}\t\t8388604\t\t0\t\t-2\n"


@pytest.mark.parametrize(("change", "open_way"), [
    ({}, ""),
    ({"swaps": None}, "not known"),
    ({"swaps": ""}, ""),
    ({"swaps": swap("/dev/sda2")}, "swap on /dev/sda2 is not encrypted"),
    ({"swaps": swap("/swap\\040file", "file")}, "swap on /swap file is not encrypted"),
    ({"swaps": swap("/dev/dm-1"), "mappings": {"dm-1": "CRYPT-PLAIN-swap"}}, ""),
    ({"swaps": swap("/dev/dm-1"), "mappings": {"dm-1": "CRYPT-LUKS2-0011-swap"}}, ""),
    ({"swaps": swap("/dev/dm-1"), "mappings": {"dm-1": "LVM-abcdef"}}, "swap on /dev/dm-1"),
    ({"swaps": swap("/dev/dm-1")}, "swap on /dev/dm-1"),
    ({"swaps": swap("/dev/zram0"), "backing": {"zram0": "none\n"}}, ""),
    ({"swaps": swap("/dev/zram0"), "backing": {"zram0": "/dev/sda3\n"}}, "writes back to /dev/sda3"),
    ({"swaps": swap("/dev/zram0")}, "not known"),
    ({"swaps": swap("/home/zram0", "file"), "backing": {"zram0": "none"}}, "swap on /home/zram0"),
    ({"core_limit": -1}, "core file"),
    ({"core_limit": 1 << 20}, "core file"),
    ({"core_pattern": "", "core_limit": -1}, ""),
    ({"core_pattern": "|/usr/lib/systemd/systemd-coredump %P"}, "core dumps go to /usr/lib/systemd/systemd-coredump"),
    ({"core_pattern": "|/bin/false"}, ""),
    ({"core_pattern": "|/bin/falsehood"}, "core dumps go to /bin/falsehood"),
    ({"power_state": "freeze mem disk"}, ""),
    ({"power_state": "freeze mem disk", "power_resume": "259:2\n"}, "hibernate"),
    ({"power_state": "disk", "swaps": swap("/dev/dm-1"), "mappings": {"dm-1": "CRYPT-PLAIN-swap"}}, ""),
    ({"power_state": "disk", "swaps": swap("/dev/dm-1"), "mappings": {"dm-1": "CRYPT-LUKS2-0011-swap"}}, "hibernate"),
    ({"power_state": "disk", "swaps": swap("/dev/zram0"), "backing": {"zram0": "none"}}, ""),
    ({"power_state": "diskless"}, ""),
    ({"crash_loaded": "1\n"}, "crash kernel"),
])  # fmt: skip
def test_each_way_to_a_disk_is_told_by_name(change: dict, open_way: str) -> None:
    found = ways(replace(GOOD, **change))
    if not open_way:
        assert found == ()
    else:
        (way,) = found
        assert open_way in way.what and way.mend


def test_several_ways_are_all_told() -> None:
    host = replace(GOOD, swaps=swap("/dev/sda2"), core_limit=-1, power_state="disk", crash_loaded="1")
    assert len(ways(host)) == 4


@pytest.mark.parametrize(("mounts", "place", "expected"), [
    ("/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n", "/run/x", True),
    ("/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n", "/running", False),
    ("/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/sdb1 /run/disk ext4 rw 0 0\n", "/run/disk/y", False),
    ("tmpfs /mnt tmpfs rw 0 0\n/dev/sdb1 /mnt ext4 rw 0 0\n", "/mnt/y", False),
    ("/dev/sdb1 /mnt ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n", "/mnt", True),
    ("tmpfs / tmpfs rw 0 0\n", "/a/b", True),
    ("overlay / overlay rw 0 0\n", "/a/b", False),
    ("tmpfs /a\\040b tmpfs rw 0 0\n", "/a b/c", True),
    ("ramfs /r ramfs rw 0 0\n", "/r/c", True),
    ("", "/a", False),
    ("broken\n", "/a", False),
])  # fmt: skip
def test_only_what_lies_on_a_file_system_in_memory_does(mounts: str, place: str, expected: bool) -> None:
    assert in_memory(mounts, place) is expected


def test_the_class_is_never_better_than_host_and_evidence() -> None:
    leak = (exposure.Way("x", "y"),)
    for evidence, best in (("software", "until first load"), ("passphrase", "until first load"), ("pkcs11", "host-bound"),
                           ("tpm-quote", "host-bound"), ("sgx", "attested"), ("tdx", "attested")):  # fmt: skip
        assert protection(evidence, ()) == best
        assert protection(evidence, leak) == "at rest only"


def test_this_machine_is_read_and_core_files_end() -> None:
    import subprocess
    import sys

    host = exposure.read()
    assert host.mounts and host.swaps is not None
    code = "from countermark.sandbox import exposure as e; e.without_cores(); print(e.read().core_limit)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"
