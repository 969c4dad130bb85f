"""The OpenAI Agents SDK over the project's endpoint of the Responses API."""

from __future__ import annotations

import base64

from agents import (
    Agent,
    CodeInterpreterTool,
    FileSearchTool,
    ImageGenerationTool,
    ModelSettings,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider
from harness import (
    CHART,
    DEGREES,
    IMAGE_HEADER,
    IMAGE_MODEL,
    MANUAL,
    MODEL,
    OPENAI,
    PERSON,
    PRODUCT,
    SCOPE,
    TOWN,
    WEIGHT,
    is_chart,
    is_png,
    main,
    program,
    says,
)
from openai import AsyncOpenAI

set_tracing_disabled(True)


def client() -> AsyncOpenAI:
    return AsyncOpenAI(base_url=OPENAI, api_key=get_bearer_token_provider(DefaultAzureCredential(), SCOPE))


def agent(
    openai: AsyncOpenAI, instructions: str = "You are a helpful assistant.", **options: object
) -> Agent:
    model = OpenAIResponsesModel(model=MODEL, openai_client=openai)
    return Agent(name="Tried", instructions=instructions, model=model, **options)


@program
async def text() -> None:
    result = await Runner.run(agent(client()), "What is the capital of France?")
    says(result.final_output, "Paris")


@program
async def stream() -> None:
    result = Runner.run_streamed(agent(client()), "What is the capital of France?")
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert len(deltas) > 1, "the text came in one piece"
    says("".join(deltas), "Paris")
    assert result.final_output == "".join(deltas)


@program
async def function() -> None:
    asked: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"{DEGREES} degrees and sunny"

    result = await Runner.run(agent(client(), tools=[get_weather]), f"What is the weather in {TOWN}?")
    assert asked == [TOWN], asked
    says(result.final_output, DEGREES, TOWN)


@program
async def image() -> None:
    settings = ModelSettings(extra_headers=IMAGE_HEADER)
    tool = ImageGenerationTool(
        tool_config={"type": "image_generation", "model": IMAGE_MODEL, "quality": "low", "size": "1536x1024"}
    )
    painter = agent(client(), tools=[tool], model_settings=settings)
    result = await Runner.run(painter, "Draw a red lighthouse at night.")
    (call,) = [item.raw_item for item in result.new_items if item.raw_item.type == "image_generation_call"]
    is_png(base64.b64decode(call.result, validate=True), 1536, 1024)


@program
async def code_file() -> None:
    openai = client()
    tool = CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": {"type": "auto"}})
    question = "Plot y = x squared and save it as chart.png."
    result = await Runner.run(agent(openai, tools=[tool]), question)
    (cited,) = [
        note
        for item in result.new_items
        if item.type == "message_output_item"
        for part in item.raw_item.content
        for note in part.annotations
        if note.type == "container_file_citation" and note.filename == CHART
    ]
    content = await openai.containers.files.content.retrieve(cited.file_id, container_id=cited.container_id)
    is_chart(cited.filename, content.read())


@program
async def file_search() -> None:
    openai = client()
    file = await openai.files.create(file=(f"{PRODUCT}.md", MANUAL.encode()), purpose="assistants")
    store = await openai.vector_stores.create(name=PRODUCT)
    await openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    tool = FileSearchTool(vector_store_ids=[store.id], include_search_results=True)
    result = await Runner.run(agent(openai, tools=[tool]), f"How many grams does the {PRODUCT} weigh?")
    says(result.final_output, WEIGHT)
    (call,) = [item.raw_item for item in result.new_items if item.raw_item.type == "file_search_call"]
    assert call.results, "no results, although they were asked for"
    says(call.results[0].text, WEIGHT)


@program
async def conversation() -> None:
    openai = client()
    session = OpenAIConversationsSession(openai_client=openai)
    await Runner.run(agent(openai), f"My name is {PERSON}.", session=session)
    result = await Runner.run(agent(openai), "What is my name?", session=session)
    says(result.final_output, PERSON)
    assert len(await session.get_items()) == 4
    await session.clear_session()


@program
async def earlier_response() -> None:
    openai = client()
    first = await Runner.run(agent(openai), f"My name is {PERSON}.")
    second = await Runner.run(agent(openai), "What is my name?", previous_response_id=first.last_response_id)
    says(second.final_output, PERSON)


if __name__ == "__main__":
    main()
