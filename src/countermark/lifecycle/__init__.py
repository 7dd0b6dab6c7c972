"""The use cases, one module per stage."""
