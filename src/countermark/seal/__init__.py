"""Sealing: an asset encrypted for recipients, committed to by a signed manifest that anybody can verify without a key."""
