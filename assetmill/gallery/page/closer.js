// A picture looked at more closely: where it comes from and what came of it, its candidates, what differs.
"use strict";

gallery.closer = (() => {
  const COLUMN = 150, ROW = 86, WIDE = 126, HIGH = 66;
  const place = document.getElementById("closer");
  let asked = 0;

  async function show(tile) {
    const mine = (asked += 1);
    place.replaceChildren();
    if (!gallery.who?.can_look_closer || !tile.id) return;
    try {
      const found = await gallery.ask(`about/${tile.id}`);
      if (mine !== asked) return;
      if (found.candidates.length) part("Candidates that were not taken", list(found, tile));
      if (found.family.edges.length) part(found.family.is_cut ? "Lineage (a part of it)" : "Lineage", graph(found.family));
    } catch (error) {
      if (mine === asked) part("Lineage", words("p", error.message, "warning"));
    }
  }

  function words(tag, text, name = "") {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = name;
    return element;
  }

  function part(title, inside) {
    const section = document.createElement("section");
    section.append(words("h3", title), inside);
    place.append(section);
  }

  // A picture of the wall is opened; another one is compared with what is on the screen.
  function button(one) {
    const element = document.createElement("button");
    element.type = "button";
    element.title = one.at === null && one.thumbnail ? `${one.name}: compare with it` : one.name;
    if (one.thumbnail) {
      const image = document.createElement("img");
      image.src = one.thumbnail;
      image.alt = "";
      image.loading = "lazy";
      element.append(image);
    }
    element.append(words("span", one.name));
    element.disabled = one.at === null && !one.thumbnail;
    element.addEventListener("click", async () => {
      if (one.at === null) return gallery.viewer.compareWith(one);
      await gallery.showAll();
      gallery.viewer.open(gallery.grid.shown.indexOf(one.at));
    });
    return element;
  }

  // Where none can be taken, it is said once what to do instead: no button that always refuses.
  function list({ candidates, why_not: whyNot }, tile) {
    const items = document.createElement("ul"), section = document.createElement("div");
    items.className = "candidates";
    section.append(items);
    if (whyNot && !candidates.some((one) => one.can_take)) section.append(words("p", sentence(whyNot), "hint"));
    for (const one of candidates) {
      const item = document.createElement("li");
      item.append(button(one), words("p", one.reason, "prose"));
      if (one.can_take) item.append(...taking(one, tile));
      items.append(item);
    }
    return section;
  }

  function sentence(text) {
    return `${text[0].toUpperCase()}${text.slice(1)}.`;
  }

  // A candidate is taken at once, and costs nothing: what follows from it is drawn by the next run.
  function taking(one, tile) {
    const element = words("button", "Take this one instead", "button"), told = words("p", "", "hint");
    element.type = "button";
    told.setAttribute("role", "status");
    element.addEventListener("click", async () => {
      const at = gallery.viewer.on;
      element.disabled = true;
      told.textContent = "…";
      try {
        gallery.said(at, await gallery.send("takings", { of: tile.id, asset_id: one.id, sha256: one.sha256 }));
        gallery.grid.renew(gallery.grid.shown.indexOf(at));
        gallery.next.say(true);
        if (gallery.viewer.isOpen && gallery.viewer.on === at) gallery.viewer.renew();
        told.textContent = "Taken: the next run goes on with it, and draws anew what follows.";
      } catch (error) {
        element.disabled = false;
        told.textContent = error.message;
      }
    });
    return [element, told];
  }

  // Everything stands one column to the right of the last thing that it was made from.
  function graph({ root, members, edges }) {
    const column = new Map(members.map((one) => [one.id, 0]));
    for (let round = 0; round < members.length; round += 1) {
      let isMoved = false;
      for (const [parent, child] of edges) if (column.get(child) <= column.get(parent) && column.get(parent) < members.length) {
        column.set(child, column.get(parent) + 1);
        isMoved = true;
      }
      if (!isMoved) break;
    }
    const rows = new Map(), at = new Map(), box = document.createElement("div");
    box.className = "lineage";
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "What it was made from, and what was made from it");
    const lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    box.append(lines);
    for (const one of [...members].sort((a, b) => column.get(a.id) - column.get(b.id))) {
      const x = column.get(one.id), y = rows.get(x) ?? 0;
      rows.set(x, y + 1);
      at.set(one.id, [x * COLUMN, y * ROW]);
      const node = button(one);
      node.style.left = `${x * COLUMN}px`;
      node.style.top = `${y * ROW}px`;
      if (one.id === root) node.setAttribute("aria-current", "true");
      box.append(node);
    }
    const width = (Math.max(...column.values()) + 1) * COLUMN, height = Math.max(...rows.values()) * ROW;
    lines.setAttribute("width", width);
    lines.setAttribute("height", height);
    box.style.height = `${height + 14}px`;
    for (const [parent, child] of edges) {
      const [fromX, fromY] = at.get(parent), [toX, toY] = at.get(child);
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const [x1, y1, x2, y2] = [fromX + WIDE, fromY + HIGH / 2, toX, toY + HIGH / 2];
      line.setAttribute("d", `M${x1} ${y1} C${x1 + 14} ${y1} ${x2 - 14} ${y2} ${x2} ${y2}`);
      lines.append(line);
    }
    return box;
  }

  // How alike two pictures are, in words, and the picture of where they differ.
  async function compare(tile, other) {
    const found = await gallery.ask(`compared/${tile.id}/${other.id}`);
    const share = (100 * found.changed).toFixed(found.changed < 0.1 ? 2 : 1);
    const alike = found.ssim === null ? "" : `SSIM ${found.ssim.toFixed(3)}, `;
    return { heat: found.heat, words: [`${alike}${share} % of it differs`, ...found.notes].join("; ") };
  }

  return { show, compare };
})();
