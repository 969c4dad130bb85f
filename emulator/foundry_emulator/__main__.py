"""`python -m foundry_emulator`: the command `foundry-emulator`."""

from __future__ import annotations

import sys

from foundry_emulator.commands import main

if __name__ == "__main__":
    sys.exit(main())
