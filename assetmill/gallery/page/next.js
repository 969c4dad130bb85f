// What is drawn after the decisions: a page beside this one shows it with its price, and nothing begins before a yes.
"use strict";

gallery.next = (() => {
  const bar = document.getElementById("decided");
  const address = () => (gallery.who?.next ? `../../again/${encodeURIComponent(gallery.who.next)}` : "");

  const open = () => { if (address()) window.location.assign(address()); };

  // How far somebody is, and once everything is decided what comes then.
  function say(wasSaid) {
    const { facts, who } = gallery, count = (word) => facts.stand.filter((number) => facts.stands[number] === word).length;
    const left = count("open"), rejected = count("rejected"), decided = count("approved") + rejected;
    bar.hidden = !who?.reviewer || !decided;
    bar.querySelector("b").textContent = left ? `${decided} decided, ${left} to go.` : `All decided: ${decided - rejected} approved, ${rejected} rejected.`;
    const link = bar.querySelector("a");
    link.hidden = !address() || (left > 0 && !rejected);
    link.href = address();
    if (wasSaid && !left && who?.then_run) open();
  }

  return { open, say, get isThere() { return Boolean(address()); } };
})();
