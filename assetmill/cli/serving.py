"""How `assetmill serve` ends: its runs are told at once, seal what they began, and are waited for."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

from prefect.runner import Runner

from assetmill.stage import interrupts

_PATIENCE_S = interrupts.STOP_WITHIN_S + 1.5
"""A run seals itself within a moment after it has left what it cannot interrupt."""


class StoppableRunner(Runner):
    """Prefect's runner, whose own answer to SIGTERM is to leave with its runs at work."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stop_asked = asyncio.Event()

    def handle_sigterm(self, *args: Any, **kwargs: Any) -> None:
        """Note the signal; the loop does the rest."""
        interrupts.note(signal.SIGTERM)
        asyncio.get_running_loop().call_soon_threadsafe(self.stop_asked.set)

    def tell_runs(self) -> None:
        """Send all runs to their end together: Prefect would wait for one after the other."""
        for flow_run_id in self._process_manager.flow_run_ids():
            if handle := self._process_manager.get(flow_run_id):
                with suppress(ProcessLookupError):
                    handle.graceful_kill()


async def serve_until_stopped(runner: StoppableRunner) -> None:
    """Run what is due until a signal comes.

    Raises:
        KeyboardInterrupt: it came, and the runs have ended.
    """
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        interrupts.note(number)
        runner.stop_asked.set()

    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    serving = asyncio.ensure_future(runner.start())
    stopped = asyncio.ensure_future(runner.stop_asked.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if serving.done():
        return await serving
    runner.tell_runs()
    with suppress(TimeoutError):
        await asyncio.wait_for(runner.astop(), _PATIENCE_S)
    raise KeyboardInterrupt
