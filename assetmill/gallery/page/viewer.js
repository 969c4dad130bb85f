// One picture: zoom and pan to the pixel, what it was made from beside it, and all that is known of it.
"use strict";

gallery.viewer = (() => {
  const MODES = ["", "wipe", "beside", "blink"];
  const element = (id) => document.getElementById(id);
  const dialog = element("viewer"), stage = element("stage"), picture = element("picture"), before = element("before");
  const wipe = element("wipe"), facts = element("facts"), instead = element("instead");
  let tile = null, mode = "", scale = 1, left = 0, top = 0, blinking = 0, asked = 0;

  async function open(place) {
    gallery.grid.select(place);
    const turn = (asked += 1);
    const index = gallery.grid.shown[gallery.grid.current];
    const found = await gallery.tile(index);
    if (turn !== asked) return;
    tile = found;
    if (!dialog.open) dialog.showModal();
    element("name").textContent = tile.row ? `${tile.row} · ${tile.name}` : tile.name;
    element("place").textContent = `${gallery.grid.current + 1} of ${gallery.grid.shown.length}`;
    picture.hidden = !tile.thumbnail;
    picture.src = tile.thumbnail ? tile.file : "";
    if (!tile.thumbnail) picture.removeAttribute("src");
    picture.alt = (tile.prompt || tile.name).slice(0, 500);
    instead.hidden = Boolean(tile.thumbnail);
    instead.textContent = tile.thumbnail ? "" : tile.file ? "This file is no picture; it can be downloaded." : tile.reason || tile.state;
    dialog.querySelector("[data-do=compare]").hidden = !tile.before;
    if (tile.before) before.src = tile.before.file;
    else before.removeAttribute("src");
    compare(tile.before ? mode : "");
    fit();
    facts.replaceChildren(...gallery.facts_of(tile));
  }

  function compare(wanted) {
    mode = wanted;
    clearInterval(blinking);
    stage.dataset.mode = mode;
    before.hidden = !mode;
    wipe.hidden = mode !== "wipe";
    picture.style.visibility = "";
    if (mode === "wipe") slide();
    else picture.style.clipPath = "";
    if (mode === "blink") {
      let isOld = false;
      blinking = setInterval(() => { isOld = !isOld; picture.style.visibility = isOld ? "hidden" : ""; }, 700);
    }
    dialog.querySelector("[data-do=compare]").textContent = mode || "Compare";
    place();
  }

  const slide = () => { picture.style.clipPath = `inset(0 0 0 ${wipe.value / 10}%)`; };

  function fit() {
    scale = 1; left = 0; top = 0;
    place();
  }

  // The scale at which one pixel of the picture is one of the screen.
  function wholePixels() {
    const box = picture.clientWidth || 1;
    return Math.max(1, (tile?.width || picture.naturalWidth || box) / box / (window.devicePixelRatio || 1));
  }

  function place() {
    for (const one of [picture, before]) one.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    stage.classList.toggle("zoomed", scale > 1);
    picture.style.imageRendering = before.style.imageRendering = scale > 2 * wholePixels() ? "pixelated" : "";
  }

  function zoom(to, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const next = Math.min(Math.max(to, 1), 40);
    const dx = x - stage.clientWidth / 2, dy = y - stage.clientHeight / 2;
    left = next === 1 ? 0 : dx - ((dx - left) * next) / scale;
    top = next === 1 ? 0 : dy - ((dy - top) * next) / scale;
    scale = next;
    place();
  }

  const actions = {
    close: () => dialog.close(),
    next: () => open(gallery.grid.current + 1),
    previous: () => open(gallery.grid.current - 1),
    zoom: () => zoom(scale > 1 ? 1 : Math.max(wholePixels(), 2)),
    compare: () => tile?.before && compare(MODES[(MODES.indexOf(mode) + 1) % MODES.length]),
    larger: () => zoom(scale * 1.4),
    smaller: () => zoom(scale / 1.4),
    fit,
  };

  dialog.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  dialog.addEventListener("close", () => {
    clearInterval(blinking);
    picture.removeAttribute("src");
    gallery.grid.select(gallery.grid.current, true);
  });
  wipe.addEventListener("input", slide);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.target === wipe || scale === 1) return;
    const from = { x: event.clientX - left, y: event.clientY - top };
    stage.setPointerCapture(event.pointerId);
    const move = (moved) => { left = moved.clientX - from.x; top = moved.clientY - from.y; place(); };
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", move), { once: true });
  });
  picture.addEventListener("dblclick", () => actions.zoom());

  return { open, actions, get isOpen() { return dialog.open; } };
})();

// What is known of a tile, as elements. Every text is set as text: names and prompts come from anywhere.
gallery.facts_of = (tile) => {
  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const found = [];
  const part = (title, ...inside) => {
    const section = made("section");
    section.append(made("h3", title), ...inside);
    found.push(section);
  };
  const day = (seconds) => new Date(seconds * 1000).toLocaleString();
  const money = () => {
    if (tile.between) return `$${tile.between[0].toFixed(4)} to $${tile.between[1].toFixed(4)}`;
    return tile.cost === null || tile.cost === undefined ? "unknown" : `$${tile.cost.toFixed(4)}`;
  };
  const list = (pairs) => {
    const terms = made("dl");
    for (const [term, text] of pairs.filter(([, value]) => value)) {
      const line = made("div");
      line.append(made("dt", term), made("dd", text));
      terms.append(line);
    }
    return terms;
  };
  if (tile.reason || tile.problem) found.push(made("p", tile.reason || tile.problem, "warning"));
  if (tile.prompt) part("Prompt", made("p", tile.prompt, "prose"));
  if (tile.revised && tile.revised !== tile.prompt) part("As the model drew it", made("p", tile.revised, "prose"));
  if (tile.checks?.length) {
    const checks = made("ul", undefined, "checks");
    for (const one of tile.checks) {
      const score = one.score === null ? "" : ` ${one.score.toFixed(2)}`;
      checks.append(made("li", `${one.check}${score}${one.message ? `: ${one.message}` : ""}`, one.state));
    }
    part("Checks", checks);
  }
  part("About", list([
    ["Stage", tile.stage],
    ["Row", tile.row],
    ["Size", tile.width ? `${tile.width} × ${tile.height}` : ""],
    ["File", tile.bytes ? `${tile.type}, ${(tile.bytes / 1024).toFixed(0)} KB` : ""],
    ["Model", tile.model],
    ["Its stage cost", tile.run ? money() : ""],
    ["Made", tile.created ? day(tile.created) : ""],
    ["Pipeline", tile.pipeline],
    ["Run", tile.run],
    ["Asset", tile.id],
    ["Response", tile.response],
    ["SHA-256", tile.sha256],
  ]));
  const now = Date.now() / 1000;
  if (tile.handles?.length) part("On the service", list(tile.handles.map((one) => [
    one.kind.replaceAll("_", " "),
    one.id + (one.expires ? (one.expires < now ? ` (expired ${day(one.expires)})` : ` (until ${day(one.expires)})`) : ""),
  ])));
  if (tile.file) {
    const link = made("a", "Download");
    link.href = tile.file;
    link.download = tile.name;
    found.push(link);
  }
  return found;
};
