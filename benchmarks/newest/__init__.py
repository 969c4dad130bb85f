"""What newer versions of the packages that we depend on most would change: `make newest`."""
