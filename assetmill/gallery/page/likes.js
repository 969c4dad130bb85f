// What somebody likes, and what they have selected for a contact sheet. Neither of it decides anything.
"use strict";

gallery.likes = (() => {
  const bar = document.getElementById("selection"), count = document.getElementById("selected"), told = document.getElementById("sheeted");
  const chosen = new Map(); // index -> asset ID, in the order in which they were chosen

  const label = (tile) => `${tile.favourite ? "♥" : ""}${"★".repeat(tile.stars ?? 0)}`;

  async function like(change) {
    const index = gallery.grid.shown[gallery.grid.current], place = gallery.grid.current;
    if (index === undefined || !gallery.who?.can_like) return;
    const tile = await gallery.tile(index);
    if (!tile.id || !tile.sha256) return;
    const wanted = { stars: tile.stars ?? 0, is_favourite: Boolean(tile.favourite), ...change(tile) };
    try {
      const found = await gallery.send("likings", { asset_id: tile.id, sha256: tile.sha256, ...wanted });
      Object.assign(tile, found);
      gallery.facts.likes[index] = found.stars + 8 * found.favourite;
    } catch (error) {
      told.textContent = `Not kept: ${error.message}`;
      bar.hidden = false;
      return;
    }
    gallery.grid.renew(place);
    gallery.viewer.liked(tile);
  }

  // The same number again takes the stars away.
  const star = (number) => like((tile) => ({ stars: tile.stars === number ? 0 : number }));
  const favour = () => like((tile) => ({ is_favourite: !tile.favourite }));

  async function select() {
    const index = gallery.grid.shown[gallery.grid.current], place = gallery.grid.current;
    const tile = index === undefined ? null : await gallery.tile(index);
    if (!gallery.who || !tile?.thumbnail || !tile.id) return;
    if (!chosen.delete(index)) chosen.set(index, tile.id);
    gallery.grid.renew(place);
    gallery.viewer.liked(tile);
    say();
  }

  function say() {
    bar.hidden = !chosen.size;
    count.textContent = `${chosen.size} selected`;
    told.textContent = "";
  }

  async function sheet(format) {
    told.textContent = "making it …";
    try {
      const data = await gallery.fetchFile("sheets", { assets: [...chosen.values()], format });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(data);
      link.download = `contact-sheet.${format}`;
      link.click();
      URL.revokeObjectURL(link.href);
      told.textContent = "";
    } catch (error) {
      told.textContent = `Not made: ${error.message}`;
    }
  }

  bar.addEventListener("click", (event) => {
    const format = event.target.dataset.sheet;
    if (format) sheet(format);
    else if (event.target.id === "unselect") {
      chosen.clear();
      say();
      gallery.grid.layout();
    }
  });

  return { star, favour, select, label, has: (index) => chosen.has(index) };
})();
