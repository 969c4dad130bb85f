// What a reviewer says of the picture on the screen. The server signs it, over the bytes that were shown.
"use strict";

gallery.review = (() => {
  const form = document.forms.review, why = document.getElementById("why"), told = document.getElementById("told");
  const mark = document.getElementById("mark"), picture = document.getElementById("picture"), stage = document.getElementById("stage");
  const redraw = document.getElementById("redraw");
  const asks = { rejected: "Why is it rejected?", commented: "What do you want to say?" };
  let tile = null, index = -1, kind = "", point = null;

  function show(found) {
    tile = found;
    index = gallery.viewer.on;
    form.hidden = !gallery.who?.reviewer || !tile.file || !tile.id;
    tell(gallery.decisions.isSending(index) ? "…" : "");
    ask("");
    restore();
  }

  // Whoever looks at another picture is told too of what was not taken, until it is sent again or given up.
  function tell(text) {
    const lost = gallery.decisions.lost.filter((one) => one !== index).map(gallery.decisions.refused);
    told.textContent = [text, ...lost.map((one) => `${one.name} was not taken: ${one.problem}`)].filter(Boolean).join("; ");
  }

  // What was not taken is here again as it was typed; keys go on meaning what they mean.
  function restore() {
    const lost = gallery.decisions.refused(index);
    if (!lost) return;
    tell(`Not taken: ${lost.problem}`);
    if (!asks[lost.kind]) return;
    ask(lost.kind, false);
    form.reason.value = lost.reason;
    point = lost.point;
  }

  function ask(wanted, hasFocus = true) {
    // A field that is hidden keeps the focus until the page is drawn again, and with it the next key.
    if (why.contains(document.activeElement)) stage.focus({ preventScroll: true });
    kind = wanted;
    point = null;
    mark.hidden = true;
    why.hidden = !wanted;
    document.getElementById("asked").textContent = asks[wanted] ?? "";
    document.getElementById("hint").hidden = !tile?.thumbnail;
    form.reason.value = "";
    redraw.hidden = wanted !== "rejected" || !gallery.next.isThere;
    if (wanted && hasFocus) form.reason.focus();
  }

  function cancel() {
    gallery.decisions.forget(index);
    tell("");
    ask("");
  }

  // After a yes comes the next picture that nobody has decided on, past what is not made yet.
  function following(place) {
    const { decisions, facts, grid } = gallery;
    const isOpen = (one) => facts.stands[facts.stand[one]] === "open" && !decisions.isSending(one);
    const open = grid.shown.findIndex((one, at) => at > place && isOpen(one));
    return open < 0 ? place + 1 : open;
  }

  // A word by its button or key: those that need a reason ask for it first.
  function say(wanted) {
    if (form.hidden) return;
    // Nobody decides on a picture that they were not shown yet.
    if (gallery.grid.shown[gallery.grid.current] !== index) return;
    if (asks[wanted]) ask(wanted);
    else if (wanted) send(wanted, "");
    else cancel();
  }

  // The page goes on at once: the answer finds its picture by itself.
  function send(said, reason, isToRedraw = false) {
    const of = tile, at = index, { grid, viewer } = gallery;
    if (asks[said] && !reason.trim()) {
      return tell(asks[said]);
    }
    const sent = gallery.decisions.send(at, of, { kind: said, reason, point });
    ask("");
    tell("…");
    sent.then((isTaken) => answered(at, of, said, isTaken, isToRedraw));
    if (said === "approved" && grid.current + 1 < grid.shown.length) viewer.open(following(grid.current));
  }

  async function answered(at, of, said, isTaken, isToRedraw) {
    if (isTaken && isToRedraw) {
      await gallery.decisions.settled();
      return gallery.next.open();
    }
    gallery.next.say(isTaken);
    if (gallery.viewer.isOpen && gallery.grid.shown[gallery.grid.current] === at) await gallery.viewer.renew();
    tell(isTaken ? `${of.name}: ${said}` : "");
    if (index === at && !kind) restore();
  }

  form.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-say]")?.dataset.say;
    if (wanted !== undefined) say(wanted);
  });
  // A key that is held says it once; who gives up a word keeps the picture.
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && kind) {
      event.preventDefault();
      cancel();
    }
    if (event.repeat && event.target.closest("button")) event.preventDefault();
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
    const around = stage.getBoundingClientRect();
    mark.style.left = `${event.clientX - around.left}px`;
    mark.style.top = `${event.clientY - around.top}px`;
    mark.hidden = false;
  });

  return { show, say };
})();
