"""Hostile tables and shards: each lies about itself, or asks for far more than it weighs. ``python attacks/formats/tables.py``

Every one is a small file. What a reader that believes it would do stands beside it, and by what it is refused.
"""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Attack:
    """A hostile file: its bytes are made when they are asked for. `says` is part of the refusal."""

    name: str
    make: Callable[[], bytes]
    says: str
    story: str
    id: str | None = None

    @property
    def shard(self) -> bool:
        """Whether it is a tar."""
        return self.name.startswith("tar ")


def ipc(table: Any, *, stream: bool = False, compression: str | None = None) -> bytes:
    """A table or batch as an Arrow file or stream."""
    import pyarrow

    out = io.BytesIO()
    new = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with new(out, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write(table)
    return out.getvalue()


def parquet(table: Any, **options: Any) -> bytes:
    """A table as Parquet."""
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, **options)
    return out.getvalue()


def table(**columns: Any) -> Any:
    """An Arrow table of these columns."""
    import pyarrow

    return pyarrow.table(columns)


def patched(data: bytes, before: bytes, after: bytes) -> bytes:
    """`data` with the one place that holds `before` changed."""
    if data.count(before) < 1:
        raise ValueError("the bytes to change are not there")
    at = data.rindex(before)
    return data[:at] + after + data[at + len(before) :]


def varint(number: int) -> bytes:
    """Zigzag varint, as Thrift's compact protocol writes integers."""
    number, out = number << 1, b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def declared_rows(count: int) -> bytes:
    """Parquet whose footer declares other rows than its group holds."""
    data = parquet(table(n=list(range(1000))), store_schema=False)
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = data[-8 - size : -8]
    at = footer.index(b"\x16" + varint(1000))  # field of the file before those of the row group
    changed = footer[: at + 1] + varint(count) + footer[at + 1 + len(varint(1000)) :]
    return data[: -8 - size] + changed + struct.pack("<I", len(changed)) + b"PAR1"


def many_nulls() -> bytes:
    """Two thousand million rows in half a kilobyte."""
    import pyarrow

    return ipc(pyarrow.record_batch({"n": pyarrow.nulls((1 << 31) - 1)}))


def long_list() -> bytes:
    """One row that is a list of two thousand million nulls."""
    import pyarrow

    ends = pyarrow.array([0, (1 << 31) - 1], pyarrow.int32())
    return ipc(pyarrow.record_batch({"n": pyarrow.ListArray.from_arrays(ends, pyarrow.nulls((1 << 31) - 1))}))


def overlapping_views() -> bytes:
    """4,096 views of the same list: sixteen million values out of four thousand."""
    import pyarrow

    values = pyarrow.array(["x"] * 4096)
    at, sizes = pyarrow.array([0] * 4096, pyarrow.int32()), pyarrow.array([4096] * 4096, pyarrow.int32())
    return ipc(pyarrow.record_batch({"n": pyarrow.ListViewArray.from_arrays(at, sizes, values)}))


def dictionary_bomb() -> bytes:
    """One text of 8 MiB, named 4,096 times: 32 GiB."""
    import pyarrow

    text = pyarrow.array(["a" * (8 << 20)])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 4096, pyarrow.int8()), text)
    return ipc(pyarrow.record_batch({"n": column}), compression="zstd")


def repeated_text() -> bytes:
    """A text of 64 KiB in 40,000 rows, as Parquet's dictionaries hold it once: 2.5 GiB."""
    import pyarrow

    text = pyarrow.array(["a" * (64 << 10)])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 40_000, pyarrow.int32()), text)
    return parquet(table(n=column), store_schema=False, compression="zstd", row_group_size=40_000)


def declared_size() -> bytes:
    """A compressed buffer that declares a tebibyte."""
    data = ipc(table(n=list(range(10_000))), compression="zstd")
    return patched(
        data, struct.pack("<q", 80_000) + b"\x28\xb5\x2f\xfd", struct.pack("<q", 1 << 40) + b"\x28\xb5\x2f\xfd"
    )


def offsets_outside() -> bytes:
    """Text whose offsets lead out of its buffer."""
    return patched(ipc(table(n=["hello", "world"])), struct.pack("<3i", 0, 5, 10), struct.pack("<3i", 0, 5, 0x7FFFFFF0))


def index_outside() -> bytes:
    """A dictionary index where no value is."""
    import pyarrow

    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([1, 0, 1], pyarrow.int32()), pyarrow.array(["a", "b"]))
    return patched(ipc(table(n=column)), struct.pack("<3i", 1, 0, 1), struct.pack("<3i", 1, 0x7FFFFFF0, 1))


def nested(depth: int) -> bytes:
    """A struct within a struct, and so on."""
    import pyarrow

    kind = pyarrow.int8()
    for _ in range(depth):
        kind = pyarrow.struct([("a", kind)])
    return ipc(pyarrow.table([pyarrow.nulls(1, kind)], names=["n"]))


def deep_groups(depth: int) -> bytes:
    """Parquet whose schema is one group within another; a footer and nothing else."""
    group = b"\x35\x02\x18\x01a\x15\x02\x00"  # required, name "a", one child
    leaf = b"\x15\x02\x25\x02\x18\x01a\x00"  # int32, optional, name "a"
    root = b"\x48\x01r\x15\x02\x00"
    count, size = depth + 2, b""
    while count >= 0x80:
        size, count = size + bytes([count & 0x7F | 0x80]), count >> 7
    footer = b"\x15\x04\x19\xfc" + size + bytes([count]) + root + group * depth + leaf + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def same_names() -> bytes:
    """Two columns of one name."""
    import pyarrow

    return ipc(pyarrow.table([[1], [2]], names=["n", "n"]))


def union() -> bytes:
    """A column that is now this, now that."""
    import pyarrow

    ways = pyarrow.array([0, 1], pyarrow.int8())
    return ipc(table(n=pyarrow.UnionArray.from_sparse(ways, [pyarrow.array([1, 2]), pyarrow.array(["a", "b"])])))


def shard(*members: tuple[str, bytes], **changes: Any) -> bytes:
    """A tar of members, each changed alike."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ids(*values: Any) -> bytes:
    """A table with a column ``key``."""
    return parquet(table(key=list(values)))


def long_stream() -> bytes:
    """An Arrow stream of several batches."""
    import pyarrow

    out, made = io.BytesIO(), table(n=list(range(3000)))
    with pyarrow.ipc.new_stream(out, made.schema) as writer:
        writer.write_table(made, max_chunksize=1000)
    return out.getvalue()


def cut_stream() -> bytes:
    """A stream that ends between two batches, where readers see no error."""
    data = long_stream()
    return data[: data.rindex(b"\xff\xff\xff\xff", 0, -8)]


def attacks() -> dict[str, Attack]:
    """All, by name."""
    made = [
        Attack("fewer rows than declared", lambda: declared_rows(8000), "declares 8000", "a reader takes what is there for all"),
        Attack("2**60 declared rows", lambda: declared_rows(1 << 60), "declares", "memory is reserved for rows that never come"),
        Attack("2**31 nulls", many_nulls, "rows", "500 bytes keep a reader busy for an hour"),
        Attack("list of 2**31 nulls", long_list, "values at once", "one row takes all memory"),
        Attack("overlapping views", overlapping_views, "values at once", "values multiply"),
        Attack("dictionary bomb", dictionary_bomb, "memory", "decoding takes 32 GiB"),
        Attack("repeated text", repeated_text, "decoded bytes", "a file of 300 bytes gives 2.5 GiB"),
        Attack("declared tebibyte", declared_size, "memory", "decompressing reserves what a header says"),
        Attack("offsets outside", offsets_outside, "cannot be read", "memory outside the buffer is read, or the reader dies"),
        Attack("index outside", index_outside, "cannot be read", "memory outside the dictionary is read"),
        Attack("text that is no text", lambda: patched(ipc(table(n=["hello"])), b"hello", b"he\xff\xfeo"), "cannot be read", "rows whose text nobody can compare"),
        Attack("40 structs deep", lambda: nested(40), "nested", "recursion"),
        Attack("100,000 groups deep", lambda: deep_groups(100_000), "", "recursion until the stack ends"),
        Attack("5,000 columns", lambda: ipc(table(**{f"c{i}": [1] for i in range(5000)})), "columns", "work for each row"),
        Attack("two columns of one name", same_names, "two columns", "readers take either"),
        Attack("union", union, "no row encoding", "what has no agreed reading has no digest"),
        Attack("cut stream", cut_stream, "no end", "the last rows are lost without a word"),
        Attack("bytes after the stream", lambda: long_stream() + long_stream(), "after the end", "some readers go on, some stop"),
        Attack("old stream mark", lambda: b"\x10\0\0\0" + long_stream()[8:], "no table", "an older form that loses its end"),
        Attack("cut file", lambda: ipc(table(n=list(range(99))))[:-40], "cannot be read", "the footer is gone"),
        Attack("cut Parquet", lambda: parquet(table(n=list(range(99))))[:-40], "cannot be read", "the footer is gone"),
        Attack("not a table", lambda: b"\x89PNG\r\n", "no table", "another format"),
        Attack("empty", lambda: b"", "no table", "nothing"),
        Attack("an id twice", lambda: ids("a", "b", "a"), "two rows have the id", "a quarantine hits either row", "key"),
        Attack("no id", lambda: ids("a", None), "no id", "a row that nobody can name", "key"),
        Attack("ids of floats", lambda: ids(1.0, 2.0), "names no rows", "1.0 and 1 are one or two ids", "key"),
        Attack("id with a line break", lambda: ids("a\nb"), "line break", "one row passes for two", "key"),
        Attack("id with a control character", lambda: ids("a\x1b[2J"), "control character", "a terminal shows something else", "key"),
        Attack("id that is not NFC", lambda: ids("e\u0301"), "NFC", "two ids look alike", "key"),
        Attack("id of a kilobyte", lambda: ids("a" * 1024), "1024 bytes", "lists grow without end", "key"),
        Attack("id column that is not there", lambda: ids("a"), "no column", "rows are named by something else", "other"),
        Attack("tar link", lambda: shard(("0.cls", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd"), "type", "bytes from outside"),
        Attack("tar hard link", lambda: shard(("0.cls", b""), type=tarfile.LNKTYPE, linkname="1.cls"), "type", "bytes of another sample"),
        Attack("tar component twice", lambda: shard(("0.cls", b"a"), ("0.cls", b"b")), "two components", "readers take either"),
        Attack("tar sample twice", lambda: shard(("0.cls", b"a"), ("1.cls", b"b"), ("0.txt", b"c")), "two rows have the id", "readers join or replace"),
        Attack("tar key as component", lambda: shard(("0.__key__", b"1")), "__key__", "a component stands for the key"),
        Attack("tar without end", lambda: shard(("0.cls", b"a"))[:1024], "no end", "the last samples are lost"),
    ]  # fmt: skip
    return {attack.name: attack for attack in made}


def main() -> int:
    """Digest the rows of each, and show what is said; 1 where one passed."""
    from countermark.artefact import row_list, rows
    from countermark.errors import CountermarkError

    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        for attack in attacks().values():
            file = Path(folder) / f"t{'.tar' if attack.shard else '.parquet'}"
            file.write_bytes(attack.make())
            try:
                row_list.write(rows.rows(file, attack.id), io.BytesIO(), attack.id)
                said, passed = "PASSED", passed + 1
            except CountermarkError as error:
                said = error.what
            print(f"{attack.name:28} {file.stat().st_size:9} B  {said:90.90} {attack.story}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
