"""Is this model file safe to load? Answered by proof: every byte accounted for by a reader that runs nothing."""
