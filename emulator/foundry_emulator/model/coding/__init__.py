"""Code that the rules write for code interpreter: one module for each thing that can be asked for."""
