"""Follow a stream of opcodes to its STOP: the common ones in one loop, the others step by step."""

from __future__ import annotations

from countermark.formats.pickle import opcodes as ops
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import MARGIN, Machine, wrong
from countermark.formats.pickle.steps import STEPS

_STOP = 0x2E
_FILLED = {0x65: v.LIST, 0x75: v.DICT}


def follow(machine: Machine, at: int = 0) -> int:
    """Run the stream that begins at `at`; returns the offset after its STOP.

    Raises:
        Malformed: an opcode that loaders refuse or disagree on, or the end of the file. OverLimit: too large.
    """
    while True:
        at = _common(machine, at)
        machine.settle(at)
        base, data = machine.window(at)
        code = data[at - base]
        if code == _STOP:
            return _stop(machine, at)
        step = STEPS.get(code)
        if step is not None:
            at = step(machine, at, code)
        elif code not in ops.NAMES:
            raise wrong("opcode", f"{code:02x} is no opcode", at)


def _common(machine: Machine, at: int) -> int:  # noqa: PLR0912, PLR0915 - one branch per opcode, see below
    """Run what only moves values about, up to an opcode that takes more, the end of the window or of the frame.

    One loop with everything in local names, because 50 MB hold twenty million of these: to call a step for each takes 2.4 times as long.
    What is odd about one of them ends the loop where it stands, and the step that stands for it (`STEPS`) says what is wrong.
    """
    stack, marks, memo, captures = machine.stack, machine.marks, machine.memo, machine.captures
    pushed, step = ops.KEPT if captures else ops.PUSHED, ops.STEP
    base, data = machine.window(at)
    pos, end = at - base, _reach(machine, base, len(data))
    try:
        while pos < end:
            code = data[pos]
            if code == 0x68:  # BINGET
                value = memo[data[pos + 1]]
                if value is v.UNSET:
                    break
                stack.append(value)
                pos += 2
            elif code in (0x4B, 0x4D):  # BININT1, BININT2
                stack.append(-1 - (data[pos + 1] if code == 0x4B else data[pos + 1] | data[pos + 2] << 8))
                pos += 2 + (code == 0x4D)
            elif pushed[code] >= 0:
                stack.append(pushed[code])
                pos += step[code]
            elif code == 0x94 and not (marks and marks[-1] == len(stack)):  # MEMOIZE
                memo.append(stack[-1])
                pos += 1
            elif code == 0x8C:  # SHORT_BINUNICODE
                after = pos + 2 + data[pos + 1]
                if after > end:
                    break
                stack.append(data[pos + 2 : after].decode("utf-8", "surrogatepass"))
                pos = after
            elif code == 0x28:  # MARK
                marks.append(len(stack))
                pos += 1
            elif code == 0x65 or (code == 0x75 and not captures):  # APPENDS, SETITEMS
                start = marks[-1]
                odd = code == 0x75 and (len(stack) - start) & 1
                if odd or start <= (marks[-2] if len(marks) > 1 else 0) or stack[start - 1] is not _FILLED[code]:
                    break
                del stack[start:], marks[-1]
                pos += 1
            elif code == 0x71 and data[pos + 1] == len(memo) and not (marks and marks[-1] == len(stack)):  # BINPUT
                memo.append(stack[-1])
                pos += 2
            elif code == 0x6A:  # LONG_BINGET
                value = memo[int.from_bytes(data[pos + 1 : pos + 5], "little")]
                if value is v.UNSET:
                    break
                stack.append(value)
                pos += 5
            else:
                break
    except (IndexError, UnicodeDecodeError):
        pass  # as above: its step says so
    return base + pos


def _reach(machine: Machine, base: int, size: int) -> int:
    """Before which place of a window an opcode may begin: its operands lie in the window too, and in the frame."""
    end = size - MARGIN * (2 if base + size - MARGIN < machine.source.size else 1)
    return min(end, machine.frame_end - base) if machine.frame_end else end


def _stop(machine: Machine, at: int) -> int:
    machine.top(at)
    if machine.marks or len(machine.stack) != 1:
        raise wrong("stack", f"{len(machine.stack)} values are left at STOP", at)
    if machine.frame_end and machine.frame_end != at + 1:
        raise wrong("frame", "STOP stands before the end of its frame", at)
    return at + 1
