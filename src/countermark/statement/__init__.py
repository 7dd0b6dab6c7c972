"""in-toto statements and the predicates of the lifecycle."""
