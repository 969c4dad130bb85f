"""Microsoft's agent framework: agents over a project's model, and prompt agents that live in the project."""

from __future__ import annotations

import asyncio

from agent_framework import Agent, Content
from agent_framework.foundry import FoundryAgent, FoundryChatClient, to_prompt_agent
from azure.identity.aio import DefaultAzureCredential
from harness import (
    CHART,
    DEGREES,
    ENDPOINT,
    IMAGE_HEADER,
    IMAGE_MODEL,
    MANUAL,
    MODEL,
    PERSON,
    PRODUCT,
    TOWN,
    WEIGHT,
    data_of,
    is_chart,
    is_png,
    main,
    program,
    says,
)

LONGEST_POLLING = 600


def client(**options: object) -> FoundryChatClient:
    credential = DefaultAzureCredential()
    return FoundryChatClient(project_endpoint=ENDPOINT, model=MODEL, credential=credential, **options)


def contents(result: object, kind: str) -> list[Content]:
    return [part for message in result.messages for part in message.contents if part.type == kind]


@program
async def text() -> None:
    result = await Agent(client(), instructions="Answer briefly.").run("What is the capital of France?")
    says(result.text, "Paris")
    assert result.usage_details["output_token_count"] > 0


@program
async def stream() -> None:
    updates = Agent(client()).run("What is the capital of France?", stream=True)
    pieces = [update.text async for update in updates if update.text]
    assert len(pieces) > 1, "the text came in one piece"
    says("".join(pieces), "Paris")


@program
async def function() -> None:
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"{DEGREES} degrees and sunny"

    result = await Agent(client(), tools=[get_weather]).run(f"What is the weather in {TOWN}?")
    assert asked == [TOWN], asked
    says(result.text, DEGREES, TOWN)


@program
async def image() -> None:
    painter = client(default_headers=IMAGE_HEADER)
    tool = painter.get_image_generation_tool(model=IMAGE_MODEL, quality="low", size="1536x1024")
    result = await Agent(painter, tools=[tool]).run("Draw a red lighthouse at night.")
    (drawn,) = contents(result, "image_generation_tool_result")
    is_png(data_of(drawn.outputs.uri), 1536, 1024)


@program
async def code_file() -> None:
    coder = client()
    tool = coder.get_code_interpreter_tool()
    result = await Agent(coder, tools=[tool]).run("Plot y = x squared and save it as chart.png.")
    (cited,) = [
        note["additional_properties"] | {"file_id": note["file_id"]}
        for part in contents(result, "text")
        for note in part.annotations or ()
        if note["additional_properties"].get("container_id") and note["url"] == CHART
    ]
    content = await coder.client.containers.files.content.retrieve(
        cited["file_id"], container_id=cited["container_id"]
    )
    is_chart(CHART, content.read())


@program
async def file_search() -> None:
    searcher = client()
    openai = searcher.client
    file = await openai.files.create(file=(f"{PRODUCT}.md", MANUAL.encode()), purpose="assistants")
    store = await openai.vector_stores.create(name=PRODUCT)
    await openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    tool = searcher.get_file_search_tool(vector_store_ids=[store.id])
    result = await Agent(searcher, tools=[tool]).run(f"How many grams does the {PRODUCT} weigh?")
    says(result.text, WEIGHT)
    (note,) = [note for part in contents(result, "text") for note in part.annotations or ()]
    assert note["file_id"] == file.id, note


@program
async def session() -> None:
    agent = Agent(client())
    kept = agent.create_session()
    await agent.run(f"My name is {PERSON}.", session=kept)
    result = await agent.run("What is my name?", session=kept)
    says(result.text, PERSON)
    assert kept.service_session_id, "the session is not the service's"


@program
async def conversation() -> None:
    talker = client()
    agent = Agent(talker)
    kept = agent.get_session((await talker.client.conversations.create()).id)
    await agent.run(f"My name is {PERSON}.", session=kept)
    result = await agent.run("What is my name?", session=kept)
    says(result.text, PERSON)


@program
async def background() -> None:
    agent = Agent(client())
    kept = agent.create_session()
    options = {"background": True}
    result = await agent.run("What is the capital of France?", session=kept, options=options)
    for _ in range(LONGEST_POLLING):
        if result.continuation_token is None:
            break
        await asyncio.sleep(0.1)
        options["continuation_token"] = result.continuation_token
        result = await agent.run(session=kept, options=options)
    says(result.text, "Paris")


@program
async def prompt_agent() -> None:
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"{DEGREES} degrees and sunny"

    local = client()
    definition = to_prompt_agent(Agent(local, instructions="Tell of the weather.", tools=[get_weather]))
    version = await local.project_client.agents.create_version(PRODUCT.lower(), definition=definition)
    agent = FoundryAgent(
        project_client=local.project_client,
        agent_name=version.name,
        agent_version=version.version,
        tools=[get_weather],
    )
    kept = await agent.create_conversation()
    result = await agent.run(f"What is the weather in {TOWN}?", session=kept)
    assert asked == [TOWN], asked
    says(result.text, DEGREES, TOWN)
    await agent.run(f"My name is {PERSON}.", session=kept)
    says((await agent.run("What is my name?", session=kept)).text, PERSON)
    await local.project_client.agents.delete(version.name)


@program
async def prompt_agent_image() -> None:
    painter = client(default_headers=IMAGE_HEADER)
    tool = painter.get_image_generation_tool(model=IMAGE_MODEL, quality="low", size="1024x1024")
    definition = to_prompt_agent(Agent(painter, instructions="Draw what is asked.", tools=[tool]))
    name = f"{PRODUCT.lower()}-painter"
    version = await painter.project_client.agents.create_version(name, definition=definition)
    agent = FoundryAgent(
        project_client=painter.project_client,
        agent_name=name,
        agent_version=version.version,
        default_headers=IMAGE_HEADER,
    )
    result = await agent.run("Draw a blue sailing boat.")
    (drawn,) = contents(result, "image_generation_tool_result")
    is_png(data_of(drawn.outputs.uri), 1024, 1024)


if __name__ == "__main__":
    main()
