"""LangGraph: a graph of one node for each picture, its checkpoints in a SQLite file."""

from typing import TypedDict

from drawing import AT_ONCE, FOLDER, draw, serve
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    name: str
    path: str


def node(state: State) -> State:
    return {"path": draw(state["name"])}


with SqliteSaver.from_conn_string(str(FOLDER / "checkpoints.db")) as saver:
    graph = StateGraph(State)
    graph.add_node("draw", node)
    graph.add_edge(START, "draw")
    graph.add_edge("draw", END)
    compiled = graph.compile(checkpointer=saver)

    def carry_out(names: list[str]) -> None:
        configs = [{"configurable": {"thread_id": name}, "max_concurrency": AT_ONCE} for name in names]
        compiled.batch([{"name": name} for name in names], configs)

    serve(carry_out)
