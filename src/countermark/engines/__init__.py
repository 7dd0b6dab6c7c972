"""How work is spread. Every engine gives the same results, in order."""
