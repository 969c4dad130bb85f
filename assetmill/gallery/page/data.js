// What the page knows. Data comes as scripts that call `gallery.wall` and `gallery.chunk`: a page that was opened
// from a folder may load scripts, and nothing else.
"use strict";

const gallery = (() => {
  const MOST_CHUNKS = 60; // of 100 tiles each: what was seen long ago is asked for again
  const MOST_AGAIN = 5;
  const chunks = new Map();
  const waiting = new Map();
  const early = new Map(); // tiles of which an event told while their chunk was on its way: it may be older
  let facts = null, who = null;

  function wall(told) {
    facts = told;
  }

  // Who looks: their name, and the token without which nothing is taken from this page.
  function session(told) {
    who = told;
  }

  function chunk(number, tiles) {
    for (const [place, tile] of early.get(number) ?? []) tiles[place] = tile;
    early.delete(number);
    chunks.set(number, tiles);
    while (chunks.size > MOST_CHUNKS) chunks.delete(chunks.keys().next().value);
    const asked = waiting.get(number);
    waiting.delete(number);
    if (asked) asked.resolve(tiles);
  }

  function load(number) {
    if (chunks.has(number)) {
      const tiles = chunks.get(number);
      chunks.delete(number);
      chunks.set(number, tiles);
      return Promise.resolve(tiles);
    }
    if (!waiting.has(number)) {
      const asked = {};
      asked.promise = new Promise((resolve, reject) => Object.assign(asked, { resolve, reject }));
      waiting.set(number, asked);
      const script = document.createElement("script");
      script.src = `tiles/${String(number).padStart(4, "0")}.js`;
      script.onload = () => script.remove();
      script.onerror = () => {
        script.remove();
        waiting.delete(number);
        early.delete(number);
        asked.reject(new Error("these pictures cannot be read"));
      };
      document.head.append(script);
    }
    return waiting.get(number).promise;
  }

  // A tile that is known already, or undefined: the grid draws at once what it can.
  function known(index) {
    return chunks.get(Math.floor(index / facts.chunk))?.[index % facts.chunk];
  }

  async function tile(index) {
    return (await load(Math.floor(index / facts.chunk)))[index % facts.chunk];
  }

  const isLiked = (like, wanted) => (wanted === "favourite" ? like >= 8 : like % 8 >= Number(wanted));

  // Indices of the tiles that match. Words are looked for in prompts too, so all tiles are read, once.
  async function matching({ text, stage, state, stand, liked, check, least, most }, isStale) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let index = 0; index < facts.total; index += 1) {
      if (stage && facts.stages[facts.stage[index]] !== stage) continue;
      if (state && facts.states[facts.state[index]] !== state) continue;
      if (stand && facts.stands[facts.stand[index]] !== stand) continue;
      if (liked && !isLiked(facts.likes[index] ?? 0, liked)) continue;
      if (words.length || check || least || most) {
        const one = await tile(index);
        if (isStale()) return null;
        const said = `${one.name} ${one.row} ${one.stage} ${one.prompt ?? ""} ${one.id ?? ""}`.toLowerCase();
        if (!words.every((word) => said.includes(word))) continue;
        if (check && !(one.checks ?? []).some((found) => found.state === check)) continue;
        const cost = one.cost ?? one.between?.[1] ?? null;
        if ((least || most) && (cost === null || cost < Number(least || 0) || cost > Number(most || Infinity))) continue;
      }
      found.push(index);
    }
    return found;
  }

  // What somebody has just said of a tile, so that the wall shows it without being read again.
  function said(index, told) {
    Object.assign(known(index) ?? {}, told);
    if (!facts.stands.includes(told.stand)) facts.stands.push(told.stand);
    facts.stand[index] = facts.stands.indexOf(told.stand);
  }

  // Another tile at a place, or one more: the rest of what is known stays.
  function changed(index, tile) {
    const number = Math.floor(index / facts.chunk);
    if (chunks.has(number)) chunks.get(number)[index % facts.chunk] = tile;
    else if (waiting.has(number)) early.set(number, (early.get(number) ?? new Map()).set(index % facts.chunk, tile));
    else if (index === facts.total && index % facts.chunk === 0) chunk(number, [tile]);
    facts.total = Math.max(facts.total, index + 1);
    const said = [["stages", "stage", tile.stage], ["states", "state", tile.state], ["stands", "stand", tile.stand ?? ""]];
    for (const [words, numbers, word] of said) {
      if (!facts[words].includes(word)) facts[words].push(word);
      facts[numbers][index] = facts[words].indexOf(word);
    }
  }

  // Send the server what somebody has said or asked, and return its answer.
  async function sent(path, said) {
    const order = { method: "POST", headers: { "Content-Type": "application/json", "X-Gallery-Token": who.token }, body: JSON.stringify(said) };
    let reply = await fetch(path, order);
    // Somebody decides quicker than the server takes it: nothing of it was taken, and it is sent again.
    for (let again = 0; reply.status === 429 && reply.headers.has("Retry-After") && again < MOST_AGAIN; again += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(reply.headers.get("Retry-After"))));
      reply = await fetch(path, order);
    }
    if (!reply.ok) throw new Error(await reply.text());
    return reply;
  }

  const send = async (path, said) => (await sent(path, said)).json();
  const fetchFile = async (path, said) => (await sent(path, said)).blob();

  async function ask(path) {
    const reply = await fetch(path);
    if (!reply.ok) throw new Error(await reply.text());
    return reply.json();
  }

  return { send, fetchFile, ask, changed, wall, session, chunk, said, known, tile, matching, get facts() { return facts; }, get who() { return who; } };
})();
