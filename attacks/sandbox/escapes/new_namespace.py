"""Make a new user namespace, the door to most kernel bugs of the last years."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
raise SystemExit(0 if libc.unshare(0x10000000) == 0 else f"refused: {ctypes.get_errno()}")
