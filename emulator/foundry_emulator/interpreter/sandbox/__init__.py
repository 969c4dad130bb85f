"""Run a stranger's Python: `box` is the way in, `inside` is the part that runs in the prison."""
