"""Licences: signed grants that only narrow, the time and the counts they are held to, and the one decision."""
