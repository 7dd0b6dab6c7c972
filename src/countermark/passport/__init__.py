"""A model's papers: packed by the owner, verified by anybody with the fingerprint."""
