// Node's `@azure/ai-projects`: prompt agents of the project and its own client of OpenAI's.

import assert from "node:assert/strict";
import { AIProjectClient } from "@azure/ai-projects";
import { DefaultAzureCredential } from "@azure/identity";
import {
  ENDPOINT, IMAGE_HEADER, IMAGE_MODEL, MODEL, WORDS,
  citedFile, indexedManual, isChart, isPng, main, pictureOf, says,
} from "./harness.mjs";

const project = new AIProjectClient(ENDPOINT, new DefaultAzureCredential());
const openai = project.getOpenAIClient();

/** Make a prompt agent and return the body that addresses it. */
async function agentOf(name, instructions, tools) {
  const label = `${WORDS.product.toLowerCase()}-${name}`;
  const definition = { kind: "prompt", model: MODEL, instructions, tools };
  const version = await project.agents.createVersion(label, definition);
  assert.equal(version.name, label);
  return { agent_reference: { type: "agent_reference", name: version.name, version: version.version } };
}

await main({
  async text() {
    const agent = await agentOf("geographer", "Answer briefly.");
    const response = await openai.responses.create(
      { input: "What is the capital of France?" },
      { body: { input: "What is the capital of France?", ...agent } },
    );
    says(response.output_text, "Paris");
  },

  async stream() {
    const agent = await agentOf("speaker", "Answer briefly.");
    const input = "What is the capital of France?";
    const events = await openai.responses.create(
      { input, stream: true },
      { body: { input, stream: true, ...agent } },
    );
    const pieces = [];
    for await (const event of events) {
      if (event.type === "response.output_text.delta") pieces.push(event.delta);
    }
    assert.ok(pieces.length > 1, "the text came in one piece");
    says(pieces.join(""), "Paris");
  },

  async function() {
    const parameters = {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    };
    const description = "Get the current weather of a city.";
    const tool = { type: "function", name: "get_weather", description, strict: true, parameters };
    const agent = await agentOf("weather", "Tell of the weather.", [tool]);
    const conversation = (await openai.conversations.create()).id;
    const asked = { conversation, input: `What is the weather in ${WORDS.town}?` };
    const first = await openai.responses.create(asked, { body: { ...asked, ...agent } });
    const [call] = first.output.filter((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), { city: WORDS.town });
    const output = JSON.stringify({ degrees: WORDS.degrees });
    const answered = {
      conversation,
      input: [{ type: "function_call_output", call_id: call.call_id, output }],
    };
    const second = await openai.responses.create(answered, { body: { ...answered, ...agent } });
    says(second.output_text, WORDS.degrees, WORDS.town);
  },

  async image() {
    const tool = { type: "image_generation", model: IMAGE_MODEL, quality: "low", size: "1536x1024" };
    const agent = await agentOf("painter", "Draw what is asked.", [tool]);
    const input = "Draw a red lighthouse at night.";
    const response = await openai.responses.create(
      { input },
      { body: { input, ...agent }, headers: IMAGE_HEADER },
    );
    isPng(pictureOf(response), 1536, 1024);
  },

  async code_file() {
    const tool = { type: "code_interpreter", container: { type: "auto" } };
    const agent = await agentOf("coder", "Answer with code.", [tool]);
    const input = "Plot y = x squared and save it as chart.png.";
    const response = await openai.responses.create({ input }, { body: { input, ...agent } });
    const cited = citedFile(response);
    const content = await openai.containers.files.content.retrieve(cited.file_id, {
      container_id: cited.container_id,
    });
    isChart(cited.filename, Buffer.from(await content.arrayBuffer()));
  },

  async file_search() {
    const { file, store } = await indexedManual(openai);
    const agent = await agentOf("searcher", "Answer from the files.", [
      { type: "file_search", vector_store_ids: [store.id] },
    ]);
    const input = `How many grams does the ${WORDS.product} weigh?`;
    const response = await openai.responses.create({ input }, { body: { input, ...agent } });
    says(response.output_text, WORDS.weight);
    const notes = response.output
      .filter((item) => item.type === "message")
      .flatMap((item) => item.content[0].annotations);
    assert.deepEqual(notes.map((note) => note.file_id), [file.id]);
  },

  async conversation() {
    const agent = await agentOf("talker", "Be brief.");
    const conversation = (await openai.conversations.create()).id;
    for (const input of [`My name is ${WORDS.person}.`, "What is my name?"]) {
      const response = await openai.responses.create(
        { conversation, input },
        { body: { conversation, input, ...agent } },
      );
      if (input.endsWith("?")) says(response.output_text, WORDS.person);
    }
  },

  async background() {
    const agent = await agentOf("later", "Answer briefly.");
    const asked = { input: "What is the capital of France?", background: true };
    let response = await openai.responses.create(asked, { body: { ...asked, ...agent } });
    const deadline = Date.now() + 60_000;
    while (["queued", "in_progress"].includes(response.status) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      response = await openai.responses.retrieve(response.id);
    }
    assert.equal(response.status, "completed");
    says(response.output_text, "Paris");
  },

  async agents() {
    await agentOf("kept", "First.");
    const name = `${WORDS.product.toLowerCase()}-kept`;
    await agentOf("kept", "Second.");
    const found = await project.agents.get(name);
    assert.equal(found.versions.latest.definition.instructions, "Second.");
    const versions = [];
    for await (const version of project.agents.listVersions(name)) versions.push(version.version);
    assert.deepEqual(versions.sort(), ["1", "2"]);
    await project.agents.deleteVersion(name, "1");
    await project.agents.delete(name);
    await assert.rejects(project.agents.get(name), { statusCode: 404 });
  },

  async deployments() {
    const names = [];
    for await (const deployment of project.deployments.list()) names.push(deployment.name);
    assert.ok(names.includes(MODEL), names.join());
    const one = await project.deployments.get(MODEL);
    assert.equal(one.modelName, MODEL);
  },
});
