// Changing the picture on the screen: where, in what words, at which price. Nothing is spent before a yes to it.
"use strict";

gallery.change = (() => {
  const form = document.forms.change, canvas = document.getElementById("paint"), stage = document.getElementById("stage");
  const told = document.getElementById("priced"), picture = document.getElementById("picture");
  const drawing = canvas.getContext("2d", { willReadFrequently: true });
  let tile = null, offer = null, strokes = [], from = 0;

  const isOn = () => !form.hidden;

  function show(found) {
    tile = found;
    const can = Boolean(gallery.who?.can_change && tile.id && tile.thumbnail);
    document.querySelector("[data-do=change]").hidden = !can;
    form.reset();
    document.querySelector("[data-do=undo]").hidden = !(tile.before && tile.pipeline === "edit");
    stop();
  }

  function start() {
    if (document.querySelector("[data-do=change]").hidden) return;
    if (isOn()) return stop();
    form.hidden = false;
    document.getElementById("review").hidden = true;
    canvas.width = picture.naturalWidth;
    canvas.height = picture.naturalHeight;
    canvas.hidden = false;
    stage.classList.add("painting");
    strokes = [];
    draw();
    ask();
    form.instruction.focus();
  }

  function stop() {
    form.hidden = canvas.hidden = true;
    stage.classList.remove("painting");
    offer = null;
    if (tile) gallery.review.show(tile);
  }

  // Whatever changes what would be drawn makes the price another one.
  function ask() {
    offer = null;
    told.textContent = strokes.length ? "Only what is marked may change." : "Nothing is marked: all of it may change.";
    form.elements.price.hidden = false;
    form.elements.confirm.hidden = true;
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };

  function draw() {
    drawing.clearRect(0, 0, canvas.width, canvas.height);
    for (const stroke of strokes) {
      drawing.globalCompositeOperation = stroke.tool === "erase" ? "destination-out" : "source-over";
      drawing.strokeStyle = drawing.fillStyle = "#e0218a";
      drawing.lineWidth = stroke.width;
      drawing.lineCap = drawing.lineJoin = "round";
      const [[x, y]] = stroke.points, [toX, toY] = stroke.points.at(-1);
      drawing.beginPath();
      if (stroke.tool === "box") drawing.fillRect(Math.min(x, toX), Math.min(y, toY), Math.abs(toX - x), Math.abs(toY - y));
      else {
        drawing.moveTo(x, y);
        for (const [overX, overY] of stroke.points) drawing.lineTo(overX, overY);
        if (stroke.points.length === 1) drawing.lineTo(x + 0.01, y);
        drawing.stroke();
      }
    }
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    const width = (Number(form.width.value) / 100) * Math.min(canvas.width, canvas.height);
    strokes.push({ tool: form.tool.value, width, points: [at(event)] });
    draw();
    ask();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const { points, tool } = strokes.at(-1);
    if (tool === "box") points[1] = at(event);
    else points.push(at(event));
    draw();
  });
  // Kept from the stage, which would pan.
  for (const name of ["pointerdown", "dblclick"]) canvas.addEventListener(name, (event) => event.stopPropagation());

  // White where it may change, on black, as large as the picture; nothing when nothing is marked.
  async function mask() {
    // Who types at once asks before the picture has come, and the sheet has no size yet.
    if (!strokes.length) return null;
    if (!drawing.getImageData(0, 0, canvas.width, canvas.height).data.some((value, index) => index % 4 === 3 && value)) return null;
    const sheet = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const ink = sheet.getContext("2d");
    ink.drawImage(canvas, 0, 0);
    for (const [how, colour] of [["source-in", "#fff"], ["destination-over", "#000"]]) {
      ink.globalCompositeOperation = how;
      ink.fillStyle = colour;
      ink.fillRect(0, 0, sheet.width, sheet.height);
    }
    const blob = await new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let text = "";
    for (let start = 0; start < bytes.length; start += 32768) text += String.fromCharCode(...bytes.subarray(start, start + 32768));
    return btoa(text);
  }

  const usd = (amount) => `$${amount.toFixed(amount < 1 ? 4 : 2)}`;

  async function price() {
    const mine = (from += 1), of = tile;
    told.textContent = "What would it cost …";
    try {
      const order = { asset_id: of.id, sha256: of.sha256, instruction: form.instruction.value, mask: await mask() };
      const found = await gallery.send("prices", order);
      if (mine !== from || !isOn() || of !== tile) return;
      offer = found;
      const { expected, ceiling } = offer.price;
      told.textContent = ceiling ? `About ${usd(expected)}, never more than ${usd(ceiling)}, with ${offer.model}.` : "This very change is there already: it costs nothing.";
      form.elements.price.hidden = true;
      form.elements.confirm.hidden = false;
      form.elements.confirm.textContent = ceiling ? `Draw it for at most ${usd(ceiling)}` : "Show it";
      form.elements.confirm.focus();
    } catch (error) {
      if (mine === from) told.textContent = `Not possible: ${error.message}`;
    }
  }

  async function confirm() {
    const { offer: name, price: { ceiling } } = offer;
    form.elements.confirm.hidden = true;
    told.textContent = "Beginning …";
    try {
      const { at: index } = await gallery.send("changes", { offer: name, most_usd: ceiling });
      gallery.live.listen();
      await gallery.live.known(index);
      stop();
      await gallery.showAll();
      await gallery.viewer.open(gallery.grid.shown.indexOf(index));
    } catch (error) {
      ask();
      told.textContent = `Nothing was begun: ${error.message}`;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (offer) confirm();
    else price();
  });
  form.instruction.addEventListener("input", ask);
  form.elements.clear.addEventListener("click", () => { strokes = []; draw(); ask(); });
  form.elements.back.addEventListener("click", () => { strokes.pop(); draw(); ask(); });
  form.elements.leave.addEventListener("click", stop);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    stop();
    stage.focus();
  });

  // The picture that it was made from is still there: undoing is going back to it.
  async function undo() {
    if (document.querySelector("[data-do=undo]").hidden) return;
    if (tile.before.at === null) return void window.open(tile.before.file, "_blank", "noopener");
    await gallery.showAll();
    await gallery.viewer.open(gallery.grid.shown.indexOf(tile.before.at));
  }

  return { show, start, stop, undo, get isOn() { return isOn(); } };
})();
