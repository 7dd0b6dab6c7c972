"""Self-assessment answered from evidence: the SPIE x CIA matrix and the cheat sheet. Never a typed-in yes."""
