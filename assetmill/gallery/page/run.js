// A pipeline's form: what it would do and cost as one types, and the start at the price that was shown.
"use strict";

gallery.run = (() => {
  const WAIT_MS = 350;
  // What waits for a person, or follows what does, is no part of this run and of its price.
  const MADE = new Set(["run", "after_upstream"]);
  const dialog = document.getElementById("run"), form = document.forms.order, fields = document.getElementById("fields");
  const price = document.getElementById("price"), plan = document.getElementById("plan"), start = form.querySelector("[type=submit]");
  let name = "", schema = null, offer = null, asked = 0, timer = 0;

  const usd = (amount) => `$${amount.toFixed(amount < 1 ? 4 : 2)}`;

  async function open(pipeline) {
    name = pipeline;
    document.getElementById("what").textContent = pipeline;
    fields.replaceChildren();
    plan.replaceChildren();
    forget("…");
    dialog.showModal();
    try {
      schema = await gallery.ask(`forms/${encodeURIComponent(pipeline)}`);
    } catch (error) {
      return forget(error.message);
    }
    const order = Object.entries(schema.properties).sort(([, a], [, b]) => a.position - b.position);
    fields.append(...order.map(([key, one]) => field(key, one)));
    return ask();
  }

  function field(key, one) {
    const label = document.createElement("label"), title = document.createElement("span");
    title.textContent = one.title + (schema.required.includes(key) ? " (needed)" : "");
    const input = one.enum ? document.createElement("select") : document.createElement("input");
    if (one.enum) input.append(...one.enum.map((value) => new Option(value, value)));
    else if (one.type === "boolean") input.type = "checkbox";
    else if (one.type !== "string") Object.assign(input, { type: "number", step: one.type === "integer" ? 1 : "any", min: one.minimum ?? "", max: one.maximum ?? "" });
    else input.type = one.format === "date" || one.format === "color" ? one.format : "text";
    input.name = key;
    if (input.type === "checkbox") input.checked = Boolean(one.default);
    else if (one.default !== undefined) input.value = one.default;
    label.append(title, input);
    if (one.description) {
      const hint = document.createElement("small");
      hint.textContent = one.description;
      label.append(hint);
    }
    return label;
  }

  function values() {
    const found = {};
    for (const [key, one] of Object.entries(schema.properties)) {
      const input = form.elements[key];
      if (one.type === "boolean") found[key] = input.checked;
      else if (input.value !== "" || one.type === "string" && one.default !== undefined) found[key] = input.value;
    }
    return found;
  }

  function forget(words) {
    offer = null;
    start.disabled = true;
    start.textContent = "Start";
    price.textContent = words;
  }

  async function ask() {
    const mine = (asked += 1);
    forget("What would it do …");
    try {
      const found = await gallery.send("plans", { pipeline: name, parameters: values() });
      if (mine !== asked) return;
      show(found);
    } catch (error) {
      if (mine === asked) {
        plan.replaceChildren();
        forget(error.message);
      }
    }
  }

  function show(found) {
    const { expected, ceiling } = found.price, makes = found.stages.filter((one) => MADE.has(one.status)).length;
    const what = `${makes} of ${found.stages.length} stages to make`;
    plan.replaceChildren(...found.stages.map((one) => {
      const line = document.createElement("li");
      line.textContent = `${one.stage}: ${one.reason}`;
      line.className = one.status;
      return line;
    }));
    if (found.unknown.length) return forget(`${what}. Nobody can say what it costs: ${found.unknown.join(", ")} has no price.`);
    offer = found;
    price.textContent = ceiling ? `${what}: about ${usd(expected)}, never more than ${usd(ceiling)}.` : `${what}: it costs nothing.`;
    start.textContent = ceiling ? `Start for at most ${usd(ceiling)}` : "Start";
    start.disabled = false;
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    asked += 1;
    forget("…");
    timer = setTimeout(ask, WAIT_MS);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!offer) return;
    const said = { offer: offer.offer, most_usd: offer.price.ceiling };
    forget("Starting …");
    try {
      await gallery.send("runs", said);
      dialog.close();
      document.getElementById("told").textContent = `${name} was started: it is among the runs in a moment.`;
      gallery.home.arrives(name);
    } catch (error) {
      forget(`Nothing was begun: ${error.message}`);
    }
  });
  form.elements.leave.addEventListener("click", () => dialog.close());

  return { open };
})();
