"""The same stages under other orchestrators and under assetmill: `python -m benchmarks.peers`."""
