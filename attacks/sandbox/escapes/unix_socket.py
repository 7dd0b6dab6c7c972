"""Connect to a Unix socket by path: the way to an agent, a container engine, a desktop bus."""

import json
import os
import socket

target = json.loads(os.environ["TARGET"])
socket.socket(socket.AF_UNIX).connect(target["unix"])
