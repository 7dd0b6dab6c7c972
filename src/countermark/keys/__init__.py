"""Keys and trust: the only room that touches a private key."""
