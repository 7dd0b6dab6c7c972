"""The pickle format as an abstract machine: what a stream would do to whoever loads it, without doing it."""
