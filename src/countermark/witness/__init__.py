"""A party's witness on a socket: it cosigns the project's ledger as long as that only grows."""
