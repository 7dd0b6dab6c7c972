"""The guarded inference server and its verifying client. Deny by default; every answer is signed."""
