"""Write to the kernel's key ring of this user, which no namespace separates by itself."""

import ctypes
import platform

number = {"x86_64": 248, "aarch64": 217}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
key = libc.syscall(number, b"user", b"countermark-attack", b"x", 1, -3)
raise SystemExit(0 if key > 0 else f"refused: {ctypes.get_errno()}")
