// What happens while the page is open: tiles that came or changed, as the server tells them.
"use strict";

gallery.live = (() => {
  const AGAIN_MS = 30_000, SILENT_MS = 45_000, YOUNG_MS = 10_000;
  const GONE = "Not live: the page's server does not answer. It is asked again.";
  const told = document.getElementById("live");
  const waiting = [];
  let source = null, last = null, watch = 0, isWanted = false, whenChanged = () => {};

  function listen() {
    isWanted = true;
    if (source || document.hidden) return;
    last ??= gallery.facts.live ?? 0;
    source = new EventSource(`events?after=${last}&series=${gallery.who?.series ?? ""}`);
    source.addEventListener("tiles", (event) => {
      if (event.lastEventId) last = Number(event.lastEventId);
      const tiles = JSON.parse(event.data);
      for (const [index, tile] of tiles) gallery.changed(index, tile);
      whenChanged(new Set(tiles.map(([index]) => index)));
      for (const arrived of waiting.splice(0)) arrived();
      heard();
    });
    source.addEventListener("beat", heard);
    source.addEventListener("open", heard);
    source.addEventListener("over", () => {
      isWanted = false;
      leave();
      say();
    });
    source.addEventListener("anew", anew);
    source.addEventListener("ending", stop);
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) stop();
      else if (source) tell(GONE);
    });
    heard();
  }

  function leave() {
    source?.close();
    source = null;
    clearTimeout(watch);
  }

  // The server goes, is gone, or has no place: it is asked again later.
  function stop() {
    leave();
    tell(GONE);
    setTimeout(() => isWanted && listen(), AGAIN_MS);
  }

  // Its places and numbers are no longer those of the server, which hangs the same work anew.
  function anew() {
    isWanted = false;
    leave();
    if (performance.now() > YOUNG_MS && !document.querySelector("dialog[open]")) location.reload();
    else tell("Not live: load the page again to see what came.");
  }

  // Something came: a server that beats and is not heard any more is gone, whatever lies in between.
  function heard() {
    clearTimeout(watch);
    watch = setTimeout(stop, SILENT_MS);
    say();
  }

  function tell(words) {
    told.hidden = false;
    told.textContent = words;
  }

  function say() {
    const { facts } = gallery, counted = (...words) => {
      const numbers = new Set(words.map((word) => facts.states.indexOf(word)));
      return facts.state.filter((number) => numbers.has(number)).length;
    };
    const left = counted("queued", "drawing"), lost = counted("interrupted");
    told.hidden = !source;
    if (left) told.textContent = `Live: ${facts.total - left} of ${facts.total} shown`;
    else told.textContent = lost ? `Interrupted: ${facts.total - lost} of ${facts.total} shown` : "Live";
  }

  // A browser has few connections for all pages of a server: one that nobody looks at takes none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    else if (isWanted) listen();
  });

  // Wait until the page has been told of a tile.
  async function known(index) {
    while (index >= gallery.facts.total) await new Promise((resolve) => waiting.push(resolve));
  }

  return { listen, known, whenChanged(call) { whenChanged = call; } };
})();
