"""Benchmark scripts that run inside the rendered project, in its environment."""
