"""Connect to a listener on the host."""

import json
import os
import socket

target = json.loads(os.environ["TARGET"])
socket.create_connection(("127.0.0.1", target["tcp"]), timeout=2).close()
