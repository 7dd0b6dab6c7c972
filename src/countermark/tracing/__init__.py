"""Tracing: which licensee a copy of a model came from. Arrays in, numbers out; no files, no trust, no judgement.

A fingerprint is evidence, never enforcement.
"""
