"""The key broker: evidence in, an owner's policy, a content key for one ephemeral key out, and a log of every release."""
