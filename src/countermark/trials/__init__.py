"""Trials: attacks on a model under a budget and a seed. A trial measures; policy judges."""
