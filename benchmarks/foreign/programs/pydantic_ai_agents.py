"""pydantic-ai over the project's endpoint of the Responses API."""

from __future__ import annotations

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
from pydantic_ai import Agent, BinaryImage
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.native_tools import CodeExecutionTool, FileSearchTool, ImageGenerationTool
from pydantic_ai.providers.openai import OpenAIProvider


def client() -> AsyncOpenAI:
    return AsyncOpenAI(base_url=OPENAI, api_key=get_bearer_token_provider(DefaultAzureCredential(), SCOPE))


def agent(openai: AsyncOpenAI, *tools: object, **options: object) -> Agent:
    model = OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=openai))
    return Agent(model, capabilities=[NativeTool(tool) for tool in tools], **options)


@program
async def text() -> None:
    result = await agent(client(), instructions="Answer briefly.").run("What is the capital of France?")
    says(result.output, "Paris")
    assert result.usage.output_tokens > 0


@program
async def stream() -> None:
    async with agent(client()).run_stream("What is the capital of France?") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1, "the text came in one piece"
    says("".join(pieces), "Paris")


@program
async def function() -> None:
    asked: list[str] = []
    assistant = agent(client())

    @assistant.tool_plain
    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"{DEGREES} degrees and sunny"

    result = await assistant.run(f"What is the weather in {TOWN}?")
    assert asked == [TOWN], asked
    says(result.output, DEGREES, TOWN)


@program
async def image() -> None:
    tool = ImageGenerationTool(
        quality="low", size="1536x1024", provider_settings={"openai": {"model": IMAGE_MODEL}}
    )
    settings = OpenAIResponsesModelSettings(extra_headers=IMAGE_HEADER)
    painter = agent(client(), tool, output_type=BinaryImage, model_settings=settings)
    result = await painter.run("Draw a red lighthouse at night.")
    is_png(result.output.data, 1536, 1024)


@program
async def code_file() -> None:
    openai = client()
    settings = OpenAIResponsesModelSettings(openai_include_raw_annotations=True)
    result = await agent(openai, CodeExecutionTool(), model_settings=settings).run(
        "Plot y = x squared and save it as chart.png."
    )
    (cited,) = [
        note
        for part in result.response.parts
        for note in (part.provider_details or {}).get("annotations", [])
        if note["type"] == "container_file_citation" and note["filename"] == CHART
    ]
    content = await openai.containers.files.content.retrieve(
        cited["file_id"], container_id=cited["container_id"]
    )
    is_chart(cited["filename"], content.read())


@program
async def file_search() -> None:
    openai = client()
    file = await openai.files.create(file=(f"{PRODUCT}.md", MANUAL.encode()), purpose="assistants")
    store = await openai.vector_stores.create(name=PRODUCT)
    await openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    settings = OpenAIResponsesModelSettings(openai_include_file_search_results=True)
    searcher = agent(openai, FileSearchTool(file_store_ids=[store.id]), model_settings=settings)
    result = await searcher.run(f"How many grams does the {PRODUCT} weigh?")
    says(result.output, WEIGHT)
    (found,) = [part for _, part in result.response.native_tool_calls]
    assert found.content["status"] == "completed", found.content
    says(str(found.content), WEIGHT)


@program
async def history() -> None:
    assistant = agent(client())
    first = await assistant.run(f"My name is {PERSON}.")
    second = await assistant.run("What is my name?", message_history=first.all_messages())
    says(second.output, PERSON)


@program
async def conversation() -> None:
    openai = client()
    kept = await openai.conversations.create()
    settings = OpenAIResponsesModelSettings(openai_conversation_id=kept.id)
    assistant = agent(openai, model_settings=settings)
    await assistant.run(f"My name is {PERSON}.")
    second = await assistant.run("What is my name?")
    says(second.output, PERSON)


@program
async def earlier_response() -> None:
    assistant = agent(client())
    first = await assistant.run(f"My name is {PERSON}.")
    settings = OpenAIResponsesModelSettings(openai_previous_response_id=first.response.provider_response_id)
    second = await assistant.run("What is my name?", model_settings=settings)
    says(second.output, PERSON)


@program
async def background() -> None:
    settings = OpenAIResponsesModelSettings(openai_background=True)
    result = await agent(client(), model_settings=settings).run("What is the capital of France?")
    says(result.output, "Paris")


if __name__ == "__main__":
    main()
