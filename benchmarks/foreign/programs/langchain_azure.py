"""LangChain's Azure package: its chat model over the project, and prompt agents as LangGraph graphs."""

from __future__ import annotations

import base64
from typing import Any

from azure.ai.projects.models import ImageGenTool
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
    is_chart,
    is_png,
    main,
    program,
    says,
)
from langchain.agents import create_agent
from langchain_azure_ai.agents import AgentServiceFactory
from langchain_azure_ai.agents.prebuilt import tools as prebuilt
from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel
from langchain_azure_ai.tools.builtin import CodeInterpreterTool, FileSearchTool, ImageGenerationTool
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver


def model(**options: Any) -> AzureAIOpenAIApiChatModel:
    return AzureAIOpenAIApiChatModel(project_endpoint=ENDPOINT, model=MODEL, **options)


def weather(asked: list[str]) -> Any:
    @tool
    def get_weather(city: str) -> str:
        """Get the current weather of a city."""
        asked.append(city)
        return f"{DEGREES} degrees and sunny"

    return get_weather


def told(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def pictures(message: Any) -> list[bytes]:
    parts = [part for part in message.content if isinstance(part, dict) and part["type"] == "image"]
    return [base64.b64decode(part["base64"], validate=True) for part in parts]


@program
async def text() -> None:
    answer = await model().ainvoke("What is the capital of France?")
    says(answer.text, "Paris")
    assert answer.usage_metadata["output_tokens"] > 0


@program
async def stream() -> None:
    pieces = [piece.text async for piece in model().astream("What is the capital of France?") if piece.text]
    assert len(pieces) > 1, "the text came in one piece"
    says("".join(pieces), "Paris")


@program
async def function() -> None:
    asked: list[str] = []
    agent = create_agent(model(), tools=[weather(asked)])
    result = await agent.ainvoke(told(f"What is the weather in {TOWN}?"))
    assert asked == [TOWN], asked
    says(result["messages"][-1].text, DEGREES, TOWN)


@program
async def image() -> None:
    drawing = ImageGenerationTool(model=IMAGE_MODEL, quality="low", size="1536x1024")
    answer = await model().bind_tools([drawing]).ainvoke("Draw a red lighthouse at night.")
    (data,) = [base64.b64decode(part["base64"]) for part in answer.content_blocks if part["type"] == "image"]
    is_png(data, 1536, 1024)


@program
async def code_file() -> None:
    client = model()
    question = "Plot y = x squared and save it as chart.png."
    answer = await client.bind_tools([CodeInterpreterTool()]).ainvoke(question)
    (cited,) = [
        note
        for part in answer.content
        if part["type"] == "text"
        for note in part["annotations"]
        if note["type"] == "container_file_citation" and note["filename"] == CHART
    ]
    content = await client.root_async_client.containers.files.content.retrieve(
        cited["file_id"], container_id=cited["container_id"]
    )
    is_chart(cited["filename"], content.read())


@program
async def file_search() -> None:
    client = model()
    openai = client.root_async_client
    file = await openai.files.create(file=(f"{PRODUCT}.md", MANUAL.encode()), purpose="assistants")
    store = await openai.vector_stores.create(name=PRODUCT)
    await openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    searcher = client.bind_tools([FileSearchTool([store.id])])
    answer = await searcher.ainvoke(f"How many grams does the {PRODUCT} weigh?")
    says(answer.text, WEIGHT)
    notes = [note for part in answer.content if part["type"] == "text" for note in part["annotations"]]
    assert [note["file_id"] for note in notes] == [file.id], notes


@program
async def history() -> None:
    agent = create_agent(model(), tools=[], checkpointer=MemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    await agent.ainvoke(told(f"My name is {PERSON}."), config)
    result = await agent.ainvoke(told("What is my name?"), config)
    says(result["messages"][-1].text, PERSON)


@program
async def earlier_response() -> None:
    talker = model(use_previous_response_id=True)
    first = HumanMessage(f"My name is {PERSON}.")
    answer = await talker.ainvoke([first])
    second = await talker.ainvoke([first, answer, HumanMessage("What is my name?")])
    says(second.text, PERSON)


@program
async def prompt_agent() -> None:
    asked: list[str] = []
    factory = AgentServiceFactory(project_endpoint=ENDPOINT)
    agent = factory.create_prompt_agent(
        name=f"{PRODUCT.lower()}-weather",
        model=MODEL,
        instructions="Tell of the weather.",
        tools=[weather(asked)],
        checkpointer=MemorySaver(),
    )
    config = {"configurable": {"thread_id": "1"}}
    result = agent.invoke(told(f"What is the weather in {TOWN}?"), config)
    assert asked == [TOWN], asked
    says(result["messages"][-1].text, DEGREES, TOWN)
    agent.invoke(told(f"My name is {PERSON}."), config)
    says(agent.invoke(told("What is my name?"), config)["messages"][-1].text, PERSON)
    factory.delete_agent(agent)


@program
async def prompt_agent_image() -> None:
    factory = AgentServiceFactory(project_endpoint=ENDPOINT)
    # The package's own ImageGenTool knows one model, which Azure has retired; this is its general form.
    drawing = prebuilt.AgentServiceBaseTool(
        tool=ImageGenTool(model=IMAGE_MODEL, quality="low", size="1024x1024"), extra_headers=IMAGE_HEADER
    )
    painter = factory.create_prompt_agent(
        name=f"{PRODUCT.lower()}-painter", model=MODEL, instructions="Draw what is asked.", tools=[drawing]
    )
    result = painter.invoke(told("Draw a blue sailing boat."))
    (data,) = pictures(result["messages"][-1])
    is_png(data, 1024, 1024)


@program
async def prompt_agent_code_file() -> None:
    factory = AgentServiceFactory(project_endpoint=ENDPOINT)
    coder = factory.create_prompt_agent(
        name=f"{PRODUCT.lower()}-coder",
        model=MODEL,
        instructions="Answer with code.",
        tools=[prebuilt.CodeInterpreterTool()],
    )
    table = f"stool,grams\n{PRODUCT},{WEIGHT}\nOther,500\n".encode()
    # A container, and with it the package's code interpreter, exists for a message with a file alone.
    message = HumanMessage(
        [
            {"type": "text", "text": "Make a bar chart of the grams by stool and save it as chart.png."},
            {"type": "file", "mime_type": "text/csv", "base64": base64.b64encode(table).decode()},
        ]
    )
    answer = coder.invoke({"messages": [message]})["messages"][-1]
    says(answer.text, PRODUCT, WEIGHT)
    # Shown and saved are two citations.
    drawn = pictures(answer)
    assert drawn, answer
    for data in drawn:
        is_chart(CHART, data)


if __name__ == "__main__":
    main()
