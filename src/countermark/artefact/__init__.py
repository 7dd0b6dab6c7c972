"""The four assets as immutable values, known by their tree digest."""
