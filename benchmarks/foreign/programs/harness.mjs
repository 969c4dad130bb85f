// What the Node programs share: coined words, checks, and a line of JSON per program.

import assert from "node:assert/strict";
import zlib from "node:zlib";

export const ENDPOINT = process.env.FOUNDRY_PROJECT_ENDPOINT;
export const OPENAI = `${ENDPOINT}/openai/v1`;
export const SCOPE = "https://ai.azure.com/.default";
export const MODEL = process.env.FOUNDRY_MODEL_NAME;
export const IMAGE_MODEL = process.env.IMAGE_GENERATION_MODEL_DEPLOYMENT_NAME;
export const IMAGE_HEADER = { "x-ms-oai-image-generation-deployment": IMAGE_MODEL };
// Coined for this run: no answer can have been written before the question.
export const WORDS = JSON.parse(process.env.FOREIGN_WORDS);
export const MANUAL = `# ${WORDS.product}\n\nThe ${WORDS.product} is a folding stool.\n\n## Weight\n\nThe ${WORDS.product} weighs ${WORDS.weight} grams.\n`;

/** What the programs ask to be saved. */
export const CHART = "chart.png";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Run what was asked for by name, or everything, and print a line of JSON for each. */
export async function main(programs) {
  const wanted = process.argv.slice(2);
  for (const [name, run] of Object.entries(programs)) {
    if (wanted.length && !wanted.includes(name)) continue;
    let problem = "";
    try {
      await run();
    } catch (error) {
      console.error(error);
      problem = `${error.name}: ${error.message}`;
    }
    console.log(JSON.stringify({ program: name, problem }));
  }
}

/** Check that a text has all these words in it, in any case. */
export function says(text, ...wanted) {
  for (const word of wanted) {
    assert.ok(text.toLowerCase().includes(word.toLowerCase()), `${JSON.stringify(text)} lacks ${word}`);
  }
}

/** Check that these bytes are a whole PNG of that size: every chunk, and every row of pixels. */
export function isPng(data, width, height) {
  assert.ok(data.subarray(0, 8).equals(SIGNATURE), "no PNG");
  let place = 8;
  let header;
  let kind;
  const pixels = [];
  while (place < data.length) {
    const length = data.readUInt32BE(place);
    kind = data.toString("latin1", place + 4, place + 8);
    const body = data.subarray(place + 8, place + 8 + length);
    if (kind === "IHDR") header = body;
    if (kind === "IDAT") pixels.push(body);
    place += 12 + length;
  }
  assert.equal(place, data.length, "the last chunk is cut");
  assert.equal(kind, "IEND");
  const size = [header.readUInt32BE(0), header.readUInt32BE(4)];
  assert.deepEqual(size, [width, height]);
  const row = 1 + Math.ceil((width * CHANNELS[header[9]] * header[8]) / 8);
  assert.equal(zlib.inflateSync(Buffer.concat(pixels)).length, row * height, "rows of pixels are missing");
}

/** Check that these bytes are a whole PNG, as large as a chart is, under a name for one. */
export function isChart(filename, data) {
  assert.match(filename, /\.png$/);
  isPng(data, data.readUInt32BE(16), data.readUInt32BE(20));
  assert.ok(data.length > 1000, `only ${data.length} bytes`);
}

/** Return the citation of the file that was asked for; a figure that was shown is cited as well, by its ID. */
export function citedFile(response) {
  const notes = response.output
    .filter((item) => item.type === "message")
    .flatMap((item) => item.content)
    .flatMap((part) => part.annotations)
    .filter((note) => note.type === "container_file_citation" && note.filename === CHART);
  assert.equal(notes.length, 1);
  return notes[0];
}

/** Return the bytes of the one picture in a response. */
export function pictureOf(response) {
  const calls = response.output.filter((item) => item.type === "image_generation_call");
  assert.equal(calls.length, 1);
  return Buffer.from(calls[0].result, "base64");
}

/** Upload the manual and index it in a vector store, with any client of OpenAI's. */
export async function indexedManual(openai) {
  const { toFile } = await import("openai");
  const content = await toFile(Buffer.from(MANUAL), `${WORDS.product}.md`);
  const file = await openai.files.create({ file: content, purpose: "assistants" });
  const store = await openai.vectorStores.create({ name: WORDS.product });
  const indexed = await openai.vectorStores.files.createAndPoll(store.id, { file_id: file.id });
  assert.equal(indexed.status, "completed");
  return { file, store };
}
