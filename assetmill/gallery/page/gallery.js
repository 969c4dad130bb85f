// The page: what is filtered, and what keys do.
"use strict";

(() => {
  const form = document.forms.filters, count = document.getElementById("count");
  const { facts, grid, viewer } = gallery;
  let turn = 0, undrawn = new Set();

  document.getElementById("homeward").hidden = !gallery.who?.has_home;
  document.title = `${facts.title} · assetmill`;
  document.getElementById("title").textContent = facts.title;
  document.getElementById("kind").textContent = facts.kind;
  for (const [name, words] of [["stage", facts.stages], ["stand", facts.stands], ["state", facts.states]]) {
    const all = name === "stand" && gallery.who?.reviewer ? ["open", "approved", "rejected"] : words;
    const options = all.filter(Boolean).map((word) => new Option(word.replaceAll("_", " "), word));
    form[name].append(...options);
    form[name].closest("label").hidden = options.length < 2 && !(name === "stand" && gallery.who?.reviewer);
  }

  async function filter(changed) {
    const mine = (turn += 1);
    // Another turn may overtake this one while it searches: it draws what this one was to draw.
    for (const index of changed ?? []) undrawn.add(index);
    const wanted = { text: form.text.value, stage: form.stage.value, state: form.state.value, stand: form.stand.value,
      liked: form.liked.value, check: form.check.value, least: form.least.value, most: form.most.value };
    if ((wanted.text || wanted.check || wanted.least || wanted.most) && !changed) count.textContent = "searching…";
    const found = await gallery.matching(wanted, () => mine !== turn);
    if (found === null || mine !== turn) return;
    const number = found.length === facts.total ? "" : `${found.length} of `;
    count.textContent = `${number}${facts.total} ${facts.total === 1 ? "tile" : "tiles"}`;
    document.getElementById("nothing").hidden = found.length > 0;
    const isAll = !changed;
    [changed, undrawn] = [undrawn, new Set()];
    if (isAll) grid.show(found);
    else grid.change(found, changed);
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => (event.target.name === "size" ? grid.layout() : filter()));
  grid.whenOpened(viewer.open);
  gallery.live.whenChanged(async (changed) => {
    await filter(changed);
    if (viewer.isOpen && changed.has(grid.shown[grid.current])) viewer.renew();
  });

  // Nothing is filtered any more: what is to be shown next may be anywhere.
  gallery.showAll = async () => {
    for (const name of ["text", "stage", "state", "stand", "liked", "check", "least", "most"]) form[name].value = "";
    await filter(new Set());
  };

  form.liked.closest("label").hidden = !gallery.who?.can_like;
  const liking = { f: gallery.likes.favour, x: gallery.likes.select };
  for (const number of [1, 2, 3, 4, 5]) liking[number] = () => gallery.likes.star(number);
  const onWall = {
    ...liking,
    j: () => grid.select(grid.current + 1, true),
    k: () => grid.select(grid.current - 1, true),
    ArrowRight: () => grid.select(grid.current + 1, true),
    ArrowLeft: () => grid.select(grid.current - 1, true),
    ArrowDown: () => grid.select(grid.current + grid.columns, true),
    ArrowUp: () => grid.select(grid.current - grid.columns, true),
    "/": () => form.text.focus(),
    "?": () => document.getElementById("help").showModal(),
  };
  const DECIDES = new Set(["a", "r", "m", "u"]);
  const inPicture = {
    ...liking,
    j: viewer.actions.next, ArrowRight: viewer.actions.next, ArrowDown: viewer.actions.next,
    k: viewer.actions.previous, ArrowLeft: viewer.actions.previous, ArrowUp: viewer.actions.previous,
    a: () => gallery.review.say("approved"), r: () => gallery.review.say("rejected"),
    m: () => gallery.review.say("commented"), u: () => gallery.review.say("withdrawn"),
    e: () => gallery.change.start(), z: viewer.actions.zoom, c: viewer.actions.compare, 0: viewer.actions.fit,
    "+": viewer.actions.larger, "=": viewer.actions.larger, "-": viewer.actions.smaller,
    "?": () => document.getElementById("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select, textarea") || document.getElementById("help").open;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const call = (viewer.isOpen ? inPicture : onWall)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!call) return;
    event.preventDefault();
    // A key that is held decides once, whatever picture has come by then.
    if (!event.repeat || !DECIDES.has(event.key.toLowerCase())) call();
  });

  gallery.next.say(false);
  filter().then(() => {
    if (facts.at !== null) viewer.open(facts.at);
    if (facts.live !== null) gallery.live.listen();
  });
})();
