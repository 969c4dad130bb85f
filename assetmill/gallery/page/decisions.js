// What a reviewer has said, until the server has taken it. Nobody waits for an answer: they go on at once. What
// was not taken is told at its picture, with what was typed, and can be sent again.
"use strict";

gallery.decisions = (() => {
  const sending = new Map(); // index -> the last word on that picture that has no answer yet
  const refused = new Map(); // index -> the word that was not taken, its picture's `name` and the `problem`
  let last = Promise.resolve();

  // Words go one after another: of two on one picture the later one counts.
  function send(index, tile, word) {
    refused.delete(index);
    sending.set(index, word);
    told(index);
    last = last.then(() => sendOne(index, tile, word));
    return last;
  }

  async function sendOne(index, tile, word) {
    let isTaken = false;
    try {
      const { kind, reason, point } = word;
      gallery.said(index, await gallery.send("reviews", { kind, asset_id: tile.id, sha256: tile.sha256, reason, point }));
      isTaken = true;
    } catch (error) {
      refused.set(index, { ...word, name: tile.name, problem: error.message });
    }
    if (sending.get(index) === word) sending.delete(index);
    told(index);
    return isTaken;
  }

  function told(index) {
    gallery.grid.renew(gallery.grid.shown.indexOf(index));
    gallery.next.say(false);
  }

  // Wait until everything that was said has its answer.
  async function settled() {
    while (sending.size) await last;
  }

  // What the wall shows of it on the picture, "" when nothing is under way.
  function mark(index) {
    if (sending.has(index)) return `${sending.get(index).kind} …`;
    return refused.has(index) ? "not taken" : "";
  }

  window.addEventListener("beforeunload", (event) => { if (sending.size || refused.size) event.preventDefault(); });

  return {
    send, settled, mark,
    isSending: (index) => sending.has(index),
    refused: (index) => refused.get(index),
    forget: (index) => { if (refused.delete(index)) told(index); },
    get sent() { return sending.size; },
    get lost() { return [...refused.keys()]; },
  };
})();
