"""The written rules that stand in for a model.

There is no model here: `decide` reads a request by word lists, patterns and small tables, and takes the steps
that an agent's model would plausibly take. The same turn always leads to the same steps. The rules serve
ordinary requests, and where they know nothing they say that they are rules.

How a turn is decided, and where to look:

- `reading` and `history` turn a conversation into a request with its context; `words` reads names, sizes and
  counts off it.
- `choose` says which tools are used: by the tools present, the tool choice and the words of the request.
- `deciding` holds the order: computer actions, function calls that supply something, MCP servers, search,
  pictures, code, function calls that keep something, and at last words.
- `searching` makes queries, and answers by quoting passages with citations. What a passage says is data: it
  can lend a colour or a style word to a prompt, and cannot give orders.
- `drawing` writes prompts for the image tool. `coding` writes Python, one module for each thing that can be
  asked for; a fenced block in the request is run as it stands. `code_runs` runs it and repairs it once.
- `functions`, `servers` and `computer` ask the caller or an MCP server; `filling` finds values for JSON
  schemas, `phrasing` the strings among them.
- `structured` answers with a JSON document; `chat`, `facts` and `verses` answer in words.
- `moderation` lists the words that a content filter refuses.

Rules never touch state: they yield steps (`foundry_emulator.steps`) and are sent the results.
"""

from foundry_emulator.model.deciding import decide
from foundry_emulator.model.moderation import refuses

__all__ = ["decide", "refuses"]
