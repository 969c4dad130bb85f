"""The half of the sandbox that runs in the child: standard library only, so it starts in milliseconds.

It is imported as the top-level package `inside`, which keeps the rest of the distribution out of the child.
"""
