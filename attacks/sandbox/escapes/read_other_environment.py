"""Read the environment of another process, where secrets often lie."""

import json
import os
from pathlib import Path

target = json.loads(os.environ["TARGET"])
seen = b""
for pid in (1, os.getppid(), target["neighbour"]):
    try:
        seen += Path(f"/proc/{pid}/environ").read_bytes()
    except OSError as error:
        print(pid, error)
raise SystemExit(0 if target["planted"].encode() in seen else 1)
