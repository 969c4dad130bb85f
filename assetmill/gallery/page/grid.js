// A grid of tiles of which only those near the window are in the page, whatever their number.
"use strict";

gallery.grid = (() => {
  const GAP = 14, CAPTION = 58, ROWS_BEYOND = 1;
  const wall = document.getElementById("wall");
  const CALM = new Set(["queued", "drawing", "skipped", "waiting", "interrupted"]); // nothing is wrong with what was drawn
  const SAID = { skipped: "not made" };
  const drawn = new Map(); // place in `shown` -> element
  let shown = [], columns = 1, side = 220, current = 0, open = () => {};

  function layout() {
    const width = wall.clientWidth;
    columns = Math.max(1, Math.floor((width + GAP) / (wanted() + GAP)));
    side = Math.floor((width - GAP * (columns - 1)) / columns);
    wall.style.height = `${Math.ceil(shown.length / columns) * step() - GAP}px`;
    clear();
    draw();
  }

  const wanted = () => Number(document.forms.filters.size.value);
  const step = () => side + CAPTION + GAP;

  function clear() {
    for (const element of drawn.values()) element.remove();
    drawn.clear();
  }

  function draw() {
    const top = -wall.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / step()) - ROWS_BEYOND) * columns;
    const last = Math.min(shown.length, (Math.ceil((top + window.innerHeight) / step()) + ROWS_BEYOND) * columns);
    for (const [place, element] of drawn) {
      if ((place < first || place >= last) && !element.contains(document.activeElement)) {
        element.remove();
        drawn.delete(place);
      }
    }
    for (let place = first; place < last; place += 1) if (!drawn.has(place)) hang(place);
  }

  function hang(place) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    item.append(button);
    item.style.width = `${side}px`;
    item.style.transform = `translate(${(place % columns) * (side + GAP)}px, ${Math.floor(place / columns) * step()}px)`;
    item.setAttribute("aria-setsize", shown.length);
    item.setAttribute("aria-posinset", place + 1);
    button.type = "button";
    button.tabIndex = place === current ? 0 : -1;
    button.onclick = (event) => {
      select(place);
      if (event.ctrlKey || event.metaKey) gallery.likes.select();
      else open(place);
    };
    drawn.set(place, item);
    // Elements stay in the order of the pictures, which is the order in which they are read out.
    const after = [...drawn].filter(([other]) => other > place).sort(([a], [b]) => a - b)[0];
    wall.insertBefore(item, after ? after[1] : null);
    const tile = gallery.known(shown[place]);
    if (tile) fill(button, tile, shown[place]);
    else gallery.tile(shown[place]).then((one) => fill(button, one, shown[place]), (error) => { button.textContent = error.message; });
  }

  function fill(button, tile, index) {
    const picture = document.createElement("span");
    picture.className = "picture";
    picture.style.height = `${side}px`;
    if (tile.thumbnail) {
      const image = document.createElement("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = (tile.prompt || tile.name).slice(0, 200);
      // The browser takes what its screen needs: a tile is `side` wide at most.
      if (tile.small) {
        image.srcset = `${tile.small} 256w, ${tile.thumbnail} 480w`;
        image.sizes = `${side}px`;
      }
      image.src = tile.thumbnail;
      image.onerror = () => image.replaceWith(instead("its bytes cannot be shown"));
      picture.append(image);
    } else if (tile.frames?.length) {
      const image = document.createElement("img");
      image.className = "frame";
      image.alt = `So far: ${tile.stage}`;
      image.src = tile.frames.at(-1);
      picture.append(image);
    } else picture.append(instead(tile.file ? ending(tile.name) : tile.reason || tile.state, !tile.file && !CALM.has(tile.state)));
    picture.dataset.state = tile.state;
    picture.dataset.frames = tile.frames?.length ?? 0;
    const caption = document.createElement("span");
    caption.className = "caption";
    const under = tile.row ? [tile.stage, tile.name] : [tile.stage];
    // What is still to come bears the name of its row or its stage: it is said once.
    const shown = [...new Set(under)].filter((word) => word && word !== (tile.row || tile.name));
    caption.append(words("b", tile.row || tile.name), words("small", shown.join(" · ")));
    button.replaceChildren(picture, caption);
    const isChosen = gallery.likes.has(index), liked = gallery.likes.label(tile);
    picture.classList.toggle("chosen", isChosen);
    if (liked || isChosen) {
      const like = words("i", `${isChosen ? "✓ " : ""}${liked}`);
      like.setAttribute("role", "img");
      like.setAttribute("aria-label", [isChosen && "selected", tile.favourite && "favourite", tile.stars && `${tile.stars} stars`].filter(Boolean).join(", "));
      picture.append(like);
    }
    const underWay = gallery.decisions.mark(index);
    if (underWay) picture.append(words("em", underWay));
    else if (tile.stand && tile.stand !== "open") {
      const mark = words("em", tile.stand);
      mark.className = tile.stand;
      picture.append(mark);
    } else if (tile.state !== "output") picture.append(words("em", SAID[tile.state] ?? tile.state.replaceAll("_", " ")));
  }

  const ending = (name) => (name.includes(".") ? name.slice(name.lastIndexOf(".") + 1).toUpperCase() : "FILE");

  function instead(text, isMissing) {
    const element = words("span", text);
    element.className = isMissing ? "instead missing" : "instead";
    return element;
  }

  function words(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }

  // Draw a tile anew: something was said of it. It keeps the focus.
  function renew(place) {
    const item = drawn.get(place), tile = gallery.known(shown[place]);
    if (item && tile) fill(item.firstChild, tile, shown[place]);
  }

  function show(indices) {
    shown = indices;
    current = 0;
    layout();
  }

  // Tiles came or changed: what is looked at stays where it is, and so does the focus.
  function change(indices, changed) {
    const at = shown[current], isSame = indices.length === shown.length && indices.every((index, place) => index === shown[place]);
    shown = indices;
    current = Math.max(0, shown.indexOf(at));
    if (!isSame) return layout();
    for (const [place, item] of drawn) {
      const tile = changed.has(shown[place]) && gallery.known(shown[place]);
      if (tile) fill(item.firstChild, tile, shown[place]);
    }
  }

  function select(place, hasFocus = false) {
    if (!shown.length) return;
    const before = drawn.get(current)?.firstChild;
    if (before) before.tabIndex = -1;
    current = Math.min(Math.max(place, 0), shown.length - 1);
    const top = wall.offsetTop + Math.floor(current / columns) * step();
    if (top < window.scrollY + 90) window.scrollTo(0, top - 90);
    else if (top + step() > window.scrollY + window.innerHeight) window.scrollTo(0, top + step() - window.innerHeight);
    draw();
    const button = drawn.get(current)?.firstChild;
    if (button) {
      button.tabIndex = 0;
      if (hasFocus) button.focus({ preventScroll: true });
    }
  }

  let isAsked = false;
  window.addEventListener("scroll", () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => { isAsked = false; draw(); });
  }, { passive: true });
  new ResizeObserver(layout).observe(wall.parentElement);

  return {
    show, change, select, layout, renew,
    whenOpened(call) { open = call; },
    get shown() { return shown; },
    get current() { return current; },
    get columns() { return columns; },
  };
})();
