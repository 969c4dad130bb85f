// The home page: what there is, what it has cost, and what waits for somebody.
"use strict";

(() => {
  const AGAIN_MS = 1000, LOOKS = 60;
  const told = document.getElementById("told");
  let known = new Set();
  const made = (tag, text, name = "") => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    element.className = name;
    return element;
  };
  const usd = (amount) => (amount === null ? "cost unknown" : amount ? `$${amount.toFixed(amount < 1 ? 4 : 2)}` : "nothing spent");
  const when = (seconds) => new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

  function card(one) {
    const item = made("li"), link = made("a", undefined, "card"), strip = made("span", undefined, "strip");
    link.href = `walls/${encodeURIComponent(one.name)}/`;
    for (const path of one.thumbnails) {
      const image = made("img");
      image.alt = "";
      image.loading = "lazy";
      image.src = path;
      strip.append(image);
    }
    if (!one.thumbnails.length) strip.append(made("span", one.state, "instead"));
    const head = made("span", undefined, "head");
    // A name that somebody gave a batch says more than its pipeline, which others have too.
    const given = /^(run|batch)_/.test(one.name) ? "" : one.name;
    head.append(made("b", given || one.pipeline), made("em", one.state, `state ${one.state.replaceAll(" ", "-")}`));
    // Of a batch that is not sealed nothing tells all: what is known is so much, or more.
    const least = one.is_at_least ? "at least " : "";
    const parts = [one.done === undefined ? `${one.of} stages` : one.done === null ? `${one.of} rows, none told of yet` : `${least}${one.done} of ${one.of} done`];
    if (given) parts.unshift(one.pipeline);
    if (one.spent !== undefined) parts.push(least && one.spent === null ? "cost not told yet" : least + usd(one.spent));
    link.append(strip, head, made("small", `${parts.join(" · ")} · ${when(one.at)}`));
    const waits = [];
    if (one.undecided) waits.push(`${one.undecided} ${one.undecided === 1 ? "picture" : "pictures"} to decide`);
    if (one.waits) waits.push(`${one.waits} to resolve`);
    if (waits.length) link.append(made("strong", waits.join(", ")));
    if (one.problem) link.append(made("small", one.problem, one.state === "waiting" ? "" : "warning"));
    item.append(link);
    return item;
  }

  function line(pipeline) {
    const item = made("li"), words = made("div");
    const name = made("a", pipeline.name);
    name.href = `walls/${encodeURIComponent(pipeline.name)}/`;
    words.append(name, made("p", pipeline.problem ?? pipeline.description, pipeline.problem ? "warning" : ""));
    item.append(words);
    if (gallery.who.can_run && !pipeline.problem) {
      const button = made("button", "Run …", "button");
      button.type = "button";
      button.setAttribute("aria-label", `Run ${pipeline.name}`);
      button.addEventListener("click", () => gallery.run.open(pipeline.name));
      item.append(button);
    }
    return item;
  }

  function fill(name, elements) {
    const section = document.getElementById(name);
    section.querySelector("ul").replaceChildren(...elements);
    section.hidden = !elements.length;
  }

  function hang(found) {
    const waiting = [...found.runs, ...found.batches].filter((one) => one.undecided || one.waits);
    fill("waiting", waiting.map(card));
    fill("runs", found.runs.filter((one) => !waiting.includes(one)).map(card));
    document.querySelector("#runs h2").textContent = waiting.length ? "Other runs" : "Runs";
    fill("batches", found.batches.filter((one) => !waiting.includes(one)).map(card));
    fill("pipelines", found.pipelines.map(line));
    return waiting;
  }

  async function show() {
    try {
      const found = await gallery.ask("overview"), waiting = hang(found);
      known = new Set(found.runs.map((one) => one.name));
      told.textContent = found.runs.length ? `${waiting.length || "Nothing"} ${waiting.length === 1 ? "waits" : waiting.length ? "wait" : "waits"} for you` : "Nothing was run yet";
    } catch (error) {
      told.textContent = error.message;
    }
  }

  // A run that was started gets its card as soon as its process has said that it began.
  async function arrives(pipeline) {
    for (let left = LOOKS; left; left -= 1) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      const found = await gallery.ask("overview").catch(() => null);
      const begun = found?.runs.find((one) => one.pipeline === pipeline && !known.has(one.name));
      if (!begun) continue;
      known.add(begun.name);
      hang(found);
      told.textContent = `${pipeline} has begun: its pictures come on its own page.`;
      return;
    }
    told.textContent = `${pipeline} has not begun yet: what it said is in gallery/runs of the project's home.`;
  }

  gallery.home = { show, arrives };
  show();
})();
