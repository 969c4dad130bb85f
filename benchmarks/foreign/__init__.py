"""Clients that others wrote, each driving the emulator as it is: `python -m benchmarks.foreign`."""
