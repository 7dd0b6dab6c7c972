"""Assess: the SPIE x CIA matrix over the four assets, and the cheat sheet, answered from evidence alone."""

from countermark.assess.assessment import Answer, Assessment, assess

__all__ = ["Answer", "Assessment", "assess"]
