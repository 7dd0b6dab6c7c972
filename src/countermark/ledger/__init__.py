"""The ledger: an append-only tile log (C2SP tlog-tiles) of commitments, with receipts that verify offline."""
