// One picture: zoom and pan to the pixel, what it was made from beside it, and all that is known of it.
"use strict";

gallery.viewer = (() => {
  const MODES = ["", "wipe", "beside", "blink", "heat"];
  const element = (id) => document.getElementById(id);
  const dialog = element("viewer"), stage = element("stage"), picture = element("picture"), before = element("before");
  const paint = element("paint"), wipe = element("wipe"), facts = element("facts"), instead = element("instead");
  const heat = element("heat"), said = element("compared"), marks = element("marks");
  let other = null;
  let tile = null, on = -1, mode = "", scale = 1, left = 0, top = 0, blinking = 0, asked = 0;

  // `isSame`: the picture on the screen came further; where it is zoomed to, and what is typed, stays.
  async function open(place, isSame = false) {
    gallery.grid.select(place);
    const turn = (asked += 1);
    const index = gallery.grid.shown[gallery.grid.current];
    const found = await gallery.tile(index);
    if (turn !== asked) return;
    // Two pictures may have the same bytes.
    const isNew = !isSame || on !== index || tile?.sha256 !== found.sha256;
    tile = found;
    on = index;
    if (!dialog.open) dialog.showModal();
    element("name").textContent = tile.row ? `${tile.row} · ${tile.name}` : tile.name;
    element("place").textContent = `${gallery.grid.current + 1} of ${gallery.grid.shown.length}`;
    const shown = tile.thumbnail ? tile.file : tile.frames?.at(-1);
    picture.hidden = !shown;
    if (!shown) picture.removeAttribute("src");
    else if (picture.getAttribute("src") !== shown) picture.src = shown;
    picture.alt = (tile.prompt || tile.name).slice(0, 500);
    instead.hidden = Boolean(shown);
    instead.textContent = shown ? "" : tile.file ? "This file is no picture; it can be downloaded." : tile.reason || tile.state;
    facts.replaceChildren(...gallery.facts_of(tile));
    liked(tile);
    mark();
    if (!isNew) return;
    against(tile.before ?? null);
    compare(other ? mode : "");
    fit();
    gallery.closer.show(tile);
    gallery.change.show(tile);
  }

  function liked(found) {
    if (found !== tile) return;
    const chosen = gallery.likes.has(gallery.grid.shown[gallery.grid.current]) ? "✓ selected " : "";
    element("liked").textContent = chosen + gallery.likes.label(tile);
  }

  // What it is compared with, from now on until another picture is opened.
  function against(one) {
    other = one;
    dialog.querySelector("[data-do=compare]").hidden = !other;
    if (other) before.src = other.file;
    else before.removeAttribute("src");
  }

  function compareWith(one) {
    against(one);
    compare("wipe");
    stage.focus();
  }

  async function heatUp() {
    const mine = asked, [one, two] = [tile, other];
    said.textContent = "compared …";
    try {
      const found = await gallery.closer.compare(one, two);
      if (mine !== asked || mode !== "heat" || two !== other) return;
      heat.src = found.heat;
      said.textContent = `${two.name}: ${found.words}`;
    } catch (error) {
      if (mine === asked) said.textContent = error.message;
    }
  }

  // What reviewers pointed at, as numbers on the picture; the same number stands before their words.
  function mark() {
    const pointed = (tile.reviews ?? []).filter((one) => one.point);
    marks.replaceChildren(...pointed.map((one, index) => {
      const dot = document.createElement("button");
      dot.type = "button";
      dot.className = one.kind;
      dot.textContent = index + 1;
      dot.title = `${one.by}: ${one.reason}`;
      [dot.dataset.x, dot.dataset.y] = one.point;
      dot.addEventListener("click", () => facts.querySelector(`[data-mark="${index + 1}"]`)?.scrollIntoView({ block: "center" }));
      return dot;
    }));
    placeMarks();
  }

  function placeMarks() {
    const box = picture.getBoundingClientRect(), around = stage.getBoundingClientRect();
    marks.hidden = picture.hidden || Boolean(mode);
    for (const dot of marks.children) {
      dot.style.left = `${box.left - around.left + box.width * dot.dataset.x}px`;
      dot.style.top = `${box.top - around.top + box.height * dot.dataset.y}px`;
    }
  }

  function compare(wanted) {
    mode = wanted;
    heat.hidden = mode !== "heat";
    said.hidden = !mode;
    if (mode === "heat") heatUp();
    else heat.removeAttribute("src");
    if (mode === "blink") said.textContent = `${other.name} and ${tile.name}, in turn`;
    else if (mode && mode !== "heat") said.textContent = `Left: ${other.name}, right: ${tile.name}`;
    clearInterval(blinking);
    stage.dataset.mode = mode;
    before.hidden = !mode || mode === "heat";
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

  // Where two pictures differ is told by the server: a folder knows only what was written into it.
  const modes = () => (gallery.who?.can_look_closer && other?.id && tile?.id ? MODES.length : MODES.length - 1);
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
    for (const one of [picture, before, heat, paint]) one.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    stage.classList.toggle("zoomed", scale > 1);
    placeMarks();
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

  // The focus is back on the wall before the next key: the event of a dialog's end comes later than that.
  function close() {
    dialog.close();
    gallery.grid.select(gallery.grid.current, true);
  }

  const actions = {
    close,
    next: () => open(gallery.grid.current + 1),
    previous: () => open(gallery.grid.current - 1),
    zoom: () => zoom(scale > 1 ? 1 : Math.max(wholePixels(), 2)),
    compare: () => other && compare(MODES[(MODES.indexOf(mode) + 1) % modes()]),
    change: () => { compare(""); gallery.change.start(); },
    undo: () => gallery.change.undo(),
    larger: () => zoom(scale * 1.4),
    smaller: () => zoom(scale / 1.4),
    fit,
  };

  dialog.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  dialog.addEventListener("close", () => {
    clearInterval(blinking);
    picture.removeAttribute("src");
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    close();
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
  picture.addEventListener("load", placeMarks);
  new ResizeObserver(placeMarks).observe(stage);
  picture.addEventListener("dblclick", () => actions.zoom());

  return { open, liked, compareWith, actions, renew: () => open(gallery.grid.current, true), get isOpen() { return dialog.open; }, get on() { return on; } };
})();
