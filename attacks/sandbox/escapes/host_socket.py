"""Open a VSOCK socket, which reaches the host of a virtual machine past every network namespace."""

import socket

socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
