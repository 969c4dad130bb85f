// A host as others write it: plans, is refused without a ceiling, runs, repeats the call, looks, and is told of no call.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import assert from "node:assert/strict";

const [program, folder] = process.argv.slice(2);
const transport = new StdioClientTransport({
  command: program, args: ["mcp"], cwd: folder, env: process.env, stderr: "ignore",
});
const client = new Client({ name: "foreign", version: "1.0.0" });
await client.connect(transport);

const words = (answer) =>
  answer.content.map((part) => part.text ?? `<${part.type} ${part.mimeType} ${part.data.length}>`).join(" ");

const call = async (name, args = {}, options = {}) => {
  const answer = await client.callTool({ name, arguments: args }, undefined, { timeout: 240000, ...options });
  const shown = words(answer).replace(/\s+/g, " ").slice(0, 160);
  console.log(`${name} ${answer.isError ? "error" : "ok"}: ${shown}`);
  return answer;
};

const { tools } = await client.listTools();
const spends = tools.filter((tool) => !tool.annotations.readOnlyHint).map((tool) => tool.name);
assert.deepEqual(spends, ["run", "batch", "edit", "update"]);
assert.ok(!(await call("plan", { pipeline: "card" })).isError);
assert.ok((await call("run", { pipeline: "card", key: "node" })).isError);

const order = { pipeline: "card", key: "node", budget_usd: 0.05 };
const told = JSON.parse(words(await call("run", order)));
const steps = [];
const onprogress = (step) => { steps.push(step); console.log(`  progress ${JSON.stringify(step)}`); };
const ended = JSON.parse(words(await call("status", { call_id: told.call_id, wait_s: 200 }, { onprogress })));
assert.equal(ended.status, "completed");
assert.ok(steps.length > 0);
const again = JSON.parse(words(await call("run", order)));
assert.deepEqual([again.status, again.run_id], ["completed", ended.run_id]);
const shown = await call("look", { asset: "latest/pic/pic.png" });
assert.equal(shown.content[1].mimeType, "image/jpeg");
assert.ok((await call("status", { call_id: "call_404" })).isError);
await call("spend");
await client.close();
