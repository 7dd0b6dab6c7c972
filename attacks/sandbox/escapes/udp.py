"""Send one datagram to a listener on the host."""

import json
import os
import socket

target = json.loads(os.environ["TARGET"])
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.connect(("127.0.0.1", target["udp"]))
end.settimeout(2)
end.send(b"out")
raise SystemExit(0 if end.recv(8) == b"heard" else 1)
