"""Tracing: which licensee a copy of a model came from, and whether a model was trained on an owner's records.

Arrays in, numbers out; no files, no trust, no judgement.

A fingerprint is evidence, never enforcement.
"""
