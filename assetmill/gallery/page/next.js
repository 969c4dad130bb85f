// What is drawn after the decisions: a page beside this one shows it with its price, and nothing begins before a yes.
"use strict";

gallery.next = (() => {
  const bar = document.getElementById("decided"), again = document.getElementById("lost");
  const address = () => (gallery.who?.next ? `../../again/${encodeURIComponent(gallery.who.next)}` : "");

  const open = () => { if (address()) window.location.assign(address()); };

  // How far somebody is, and once everything is decided what comes then.
  function say(wasSaid) {
    const { facts, who } = gallery, count = (word) => facts.stand.filter((number) => facts.stands[number] === word).length;
    const { sent, lost } = gallery.decisions;
    const left = count("open"), rejected = count("rejected"), decided = count("approved") + rejected;
    bar.hidden = !who?.reviewer || !(decided || sent || lost.length);
    const how = [left ? `${decided} decided, ${left} to go.` : `All decided: ${decided - rejected} approved, ${rejected} rejected.`];
    if (sent) how.push(`${sent} being sent.`);
    if (lost.length) how.push(`${lost.length} not taken.`);
    bar.querySelector("b").textContent = how.join(" ");
    again.hidden = !lost.length;
    const link = bar.querySelector("a");
    link.hidden = !address() || sent > 0 || (left > 0 && !rejected);
    link.href = address();
    if (wasSaid && !left && !sent && !lost.length && who?.then_run) open();
  }

  again.addEventListener("click", async () => {
    const [first] = gallery.decisions.lost;
    await gallery.showAll();
    gallery.viewer.open(gallery.grid.shown.indexOf(first));
  });

  return { open, say, get isThere() { return Boolean(address()); } };
})();
