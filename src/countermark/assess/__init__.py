"""Assess: the SPIE x CIA matrix over the four assets, and the cheat sheet, answered from evidence alone."""
