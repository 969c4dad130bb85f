// Node's `openai` over the project's endpoint of the Responses API.

import assert from "node:assert/strict";
import { DefaultAzureCredential, getBearerTokenProvider } from "@azure/identity";
import OpenAI from "openai";
import {
  IMAGE_HEADER, IMAGE_MODEL, MODEL, OPENAI, SCOPE, WORDS,
  citedFile, indexedManual, isChart, isPng, main, pictureOf, says,
} from "./harness.mjs";

const client = new OpenAI({
  baseURL: OPENAI,
  apiKey: getBearerTokenProvider(new DefaultAzureCredential(), SCOPE),
});
const CAPITAL = { model: MODEL, input: "What is the capital of France?" };
const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "Get the current weather of a city.",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

await main({
  async text() {
    const response = await client.responses.create(CAPITAL);
    assert.equal(response.status, "completed");
    says(response.output_text, "Paris");
    assert.ok(response.usage.output_tokens > 0);
  },

  async stream() {
    const pieces = [];
    let last;
    for await (const event of await client.responses.create({ ...CAPITAL, stream: true })) {
      if (event.type === "response.output_text.delta") pieces.push(event.delta);
      last = event;
    }
    assert.ok(pieces.length > 1, "the text came in one piece");
    assert.equal(last.type, "response.completed");
    says(pieces.join(""), "Paris");
  },

  async stream_helper() {
    const response = await client.responses.stream(CAPITAL).finalResponse();
    says(response.output_text, "Paris");
  },

  async function() {
    const input = [{ role: "user", content: `What is the weather in ${WORDS.town}?` }];
    const first = await client.responses.create({ model: MODEL, input, tools: [WEATHER] });
    const [call] = first.output.filter((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), { city: WORDS.town });
    const output = JSON.stringify({ degrees: WORDS.degrees });
    const second = await client.responses.create({
      model: MODEL,
      previous_response_id: first.id,
      input: [{ type: "function_call_output", call_id: call.call_id, output }],
      tools: [WEATHER],
    });
    says(second.output_text, WORDS.degrees, WORDS.town);
  },

  async image() {
    const tool = { type: "image_generation", model: IMAGE_MODEL, quality: "low", size: "1536x1024" };
    const body = { model: MODEL, input: "Draw a red lighthouse at night.", tools: [tool] };
    const response = await client.responses.create(body, { headers: IMAGE_HEADER });
    isPng(pictureOf(response), 1536, 1024);
  },

  async image_stream() {
    const tool = { type: "image_generation", model: IMAGE_MODEL, quality: "low", size: "1024x1024", partial_images: 2 };
    const body = { model: MODEL, input: "Draw a red lighthouse at night.", tools: [tool], stream: true };
    const partial = [];
    let last;
    for await (const event of await client.responses.create(body, { headers: IMAGE_HEADER })) {
      if (event.type === "response.image_generation_call.partial_image") partial.push(event.partial_image_b64);
      last = event;
    }
    assert.equal(partial.length, 2);
    for (const one of partial) isPng(Buffer.from(one, "base64"), 1024, 1024);
    assert.equal(last.type, "response.completed");
    isPng(pictureOf(last.response), 1024, 1024);
  },

  async image_edit() {
    const tool = { type: "image_generation", model: IMAGE_MODEL, quality: "low", size: "1024x1024" };
    const asked = { model: MODEL, tools: [tool] };
    const options = { headers: IMAGE_HEADER };
    const first = await client.responses.create({ ...asked, input: "Draw a red lighthouse." }, options);
    const input = "Make the sky green.";
    const second = await client.responses.create({ ...asked, input, previous_response_id: first.id }, options);
    isPng(pictureOf(second), 1024, 1024);
    assert.ok(!pictureOf(first).equals(pictureOf(second)), "nothing was edited");
    const shown = { type: "input_image", image_url: `data:image/png;base64,${pictureOf(second).toString("base64")}` };
    const content = [{ type: "input_text", text: "What is in this picture?" }, shown];
    const third = await client.responses.create({ model: MODEL, input: [{ role: "user", content }] });
    says(third.output_text, "1024 by 1024");
  },

  async code_file() {
    const response = await client.responses.create({
      model: MODEL,
      input: "Plot y = x squared and save it as chart.png.",
      tools: [{ type: "code_interpreter", container: { type: "auto" } }],
    });
    const cited = citedFile(response);
    const content = await client.containers.files.content.retrieve(cited.file_id, {
      container_id: cited.container_id,
    });
    isChart(cited.filename, Buffer.from(await content.arrayBuffer()));
  },

  async file_search() {
    const { file, store } = await indexedManual(client);
    const response = await client.responses.create({
      model: MODEL,
      input: `How many grams does the ${WORDS.product} weigh?`,
      tools: [{ type: "file_search", vector_store_ids: [store.id] }],
      include: ["file_search_call.results"],
    });
    says(response.output_text, WORDS.weight);
    const [call] = response.output.filter((item) => item.type === "file_search_call");
    assert.equal(call.results[0].file_id, file.id);
  },

  async conversation() {
    const conversation = (await client.conversations.create()).id;
    await client.responses.create({ model: MODEL, conversation, input: `My name is ${WORDS.person}.` });
    const second = await client.responses.create({ model: MODEL, conversation, input: "What is my name?" });
    says(second.output_text, WORDS.person);
    const items = [];
    for await (const item of client.conversations.items.list(conversation, { limit: 3 })) items.push(item);
    assert.equal(items.length, 4);
    await client.conversations.delete(conversation);
  },

  async background() {
    let response = await client.responses.create({ ...CAPITAL, background: true });
    assert.equal(response.status, "queued");
    const deadline = Date.now() + 60_000;
    while (["queued", "in_progress"].includes(response.status) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      response = await client.responses.retrieve(response.id);
    }
    assert.equal(response.status, "completed");
    says(response.output_text, "Paris");
  },
});
