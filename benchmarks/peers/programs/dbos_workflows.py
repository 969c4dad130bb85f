"""DBOS: a workflow of one step for each picture, called from threads, so that no queue is polled."""

import os
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, SetWorkflowID
from drawing import AT_ONCE, FOLDER, draw, serve

DBOS(
    config={
        "name": "peer",
        "system_database_url": os.environ.get("PEER_DATABASE") or f"sqlite:///{FOLDER}/dbos.sqlite",
        "log_level": "WARNING",
    }
)


@DBOS.step()
def drawn(name: str) -> str:
    return draw(name)


@DBOS.workflow()
def picture(name: str) -> str:
    return drawn(name)


def one(name: str) -> str:
    with SetWorkflowID(f"{FOLDER.name}-{name}"):
        return picture(name)


def carry_out(names: list[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(one, names):
            pass


DBOS.launch()
serve(carry_out)
DBOS.destroy()
