"""Benchmarks: each figure beside the ceiling that the same machine reached in the same run. ``python -m
bench``.
"""
