"""Models run from verified bytes, one file per heavy library."""
