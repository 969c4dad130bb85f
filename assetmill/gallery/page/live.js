// What happens while the page is open: tiles that came or changed, as the server tells them.
"use strict";

gallery.live = (() => {
  const AGAIN_MS = 30_000;
  const told = document.getElementById("live");
  const waiting = [];
  let source = null, last = null, whenChanged = () => {};

  function listen() {
    if (source) return;
    last ??= gallery.facts.live ?? 0;
    source = new EventSource(`events?after=${last}`);
    source.addEventListener("tiles", (event) => {
      if (event.lastEventId) last = Number(event.lastEventId);
      const tiles = JSON.parse(event.data);
      for (const [index, tile] of tiles) gallery.changed(index, tile);
      whenChanged(new Set(tiles.map(([index]) => index)));
      for (const arrived of waiting.splice(0)) arrived();
      say();
    });
    source.addEventListener("over", () => {
      source.close();
      source = null;
      say();
    });
    source.addEventListener("ending", stop);
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      stop();
    });
    say();
  }

  // The server goes, or has no place: it is asked again later.
  function stop() {
    source.close();
    source = null;
    told.hidden = false;
    told.textContent = "Not live: load the page again to see what came.";
    setTimeout(listen, AGAIN_MS);
  }

  function say() {
    const { facts } = gallery, coming = new Set(["queued", "drawing"].map((word) => facts.states.indexOf(word)));
    const left = facts.state.filter((number) => coming.has(number)).length;
    told.hidden = !source;
    told.textContent = left ? `Live: ${facts.total - left} of ${facts.total}` : "Live";
  }

  // Wait until the page has been told of a tile.
  async function known(index) {
    while (index >= gallery.facts.total) await new Promise((resolve) => waiting.push(resolve));
  }

  return { listen, known, whenChanged(call) { whenChanged = call; } };
})();
