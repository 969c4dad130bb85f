// What a reviewer says of the picture on the screen. The server signs it, over the bytes that were shown.
"use strict";

gallery.review = (() => {
  const form = document.forms.review, why = document.getElementById("why"), told = document.getElementById("told");
  const mark = document.getElementById("mark"), picture = document.getElementById("picture");
  const redraw = document.getElementById("redraw");
  const asks = { rejected: "Why is it rejected?", commented: "What do you want to say?" };
  let tile = null, kind = "", point = null, isSending = false;

  function show(found) {
    tile = found;
    form.hidden = !gallery.who?.reviewer || !tile.file || !tile.id;
    told.textContent = "";
    ask("");
  }

  function ask(wanted) {
    kind = wanted;
    point = null;
    mark.hidden = true;
    why.hidden = !wanted;
    document.getElementById("asked").textContent = asks[wanted] ?? "";
    document.getElementById("hint").hidden = !tile?.thumbnail;
    form.reason.value = "";
    redraw.hidden = wanted !== "rejected" || !gallery.next.isThere;
    if (wanted) form.reason.focus();
  }

  // After a yes comes the next picture that nobody has decided on, past what is not made yet.
  function following(place) {
    const { facts, grid } = gallery;
    const open = grid.shown.findIndex((index, at) => at > place && facts.stands[facts.stand[index]] === "open");
    return open < 0 ? place + 1 : open;
  }

  // A word by its button or key: those that need a reason ask for it first.
  function say(wanted) {
    if (form.hidden) return;
    if (asks[wanted]) ask(wanted);
    else if (wanted) send(wanted, "");
    else ask("");
  }

  async function send(said, reason, isToRedraw = false) {
    // A key that is held says it once.
    if (isSending) return;
    isSending = true;
    try {
      await sendOne(said, reason, isToRedraw);
    } finally {
      isSending = false;
    }
  }

  async function sendOne(said, reason, isToRedraw) {
    const of = tile, place = gallery.grid.current, index = gallery.grid.shown[place];
    told.textContent = "…";
    const order = { kind: said, asset_id: of.id, sha256: of.sha256, reason, point };
    try {
      gallery.said(index, await gallery.send("reviews", order));
    } catch (error) {
      // What was typed stays: it can be sent again.
      told.textContent = `Not taken: ${error.message}`;
      return;
    }
    gallery.grid.renew(place);
    if (isToRedraw) return gallery.next.open();
    gallery.next.say(true);
    // Whoever has gone on meanwhile is not called back.
    if (gallery.grid.current !== place) return;
    if (said === "approved" && place + 1 < gallery.grid.shown.length) gallery.viewer.open(following(place));
    else await gallery.viewer.open(place);
    told.textContent = `${of.name}: ${said}`;
  }

  form.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-say]")?.dataset.say;
    if (wanted !== undefined) say(wanted);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (kind) send(kind, form.reason.value);
  });
  redraw.addEventListener("click", () => send(kind, form.reason.value, true));
  form.reason.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !kind) return;
    event.preventDefault();
    send(kind, form.reason.value, event.shiftKey && !redraw.hidden);
  });
  picture.addEventListener("click", (event) => {
    if (!kind) return;
    const box = picture.getBoundingClientRect();
    point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    point = point.map((share) => Math.min(Math.max(share, 0), 1));
    const stage = picture.parentElement.getBoundingClientRect();
    mark.style.left = `${event.clientX - stage.left}px`;
    mark.style.top = `${event.clientY - stage.top}px`;
    mark.hidden = false;
  });

  return { show, say };
})();
