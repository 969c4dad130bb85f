"""The pytest plugin: a running emulator as a fixture. Pytest loads it everywhere it is installed.

So nothing heavy is imported before a test asks for a fixture, and there are no hooks: a project that uses no
fixture of ours notices nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from foundry_emulator.testing.emulated import EmulatedProject


@pytest.fixture
def foundry_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedProject]:
    """Give the test an emulated Foundry project of its own."""
    from foundry_emulator.testing.emulated import emulated

    with emulated(tmp_path_factory.mktemp("foundry")) as project:
        yield project


@pytest.fixture(scope="session")
def foundry_emulator_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedProject]:
    """Give all tests of the session one emulated project; nothing is reset between them."""
    from foundry_emulator.testing.emulated import emulated

    with emulated(tmp_path_factory.mktemp("foundry-session")) as project:
        yield project


@pytest.fixture
def shared_foundry_emulator(foundry_emulator_session: EmulatedProject) -> EmulatedProject:
    """Give the test the session's emulated project, emptied: no start to wait for, nothing of others."""
    foundry_emulator_session.reset()
    return foundry_emulator_session
