"""Temporal: one workflow, an activity for each picture, a worker with a thread for each at work."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from drawing import AT_ONCE, FOLDER, draw, serve

QUEUE = f"peer-{FOLDER.name}"


@activity.defn
def drawn(name: str) -> str:
    return draw(name)


@workflow.defn
class Pictures:
    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        limit = timedelta(minutes=10)
        return await asyncio.gather(
            *(workflow.execute_activity(drawn, name, start_to_close_timeout=limit) for name in names)
        )


async def carry_out(names: list[str]) -> None:
    client = await Client.connect(os.environ["PEER_TEMPORAL"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Pictures],
            activities=[drawn],
            activity_executor=pool,
            max_concurrent_activities=AT_ONCE,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            await client.execute_workflow(Pictures.run, names, id=f"{QUEUE}-{names[0]}", task_queue=QUEUE)


serve(lambda names: asyncio.run(carry_out(names)))
