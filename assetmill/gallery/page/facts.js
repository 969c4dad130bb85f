// What is known of a tile, as elements. Every text is set as text: names and prompts come from anywhere.
"use strict";

gallery.facts_of = (tile) => {
  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const found = [];
  const part = (title, ...inside) => {
    const section = made("section");
    section.append(made("h3", title), ...inside);
    found.push(section);
  };
  const day = (seconds) => new Date(seconds * 1000).toLocaleString();
  const money = () => {
    if (tile.between) return `$${tile.between[0].toFixed(4)} to $${tile.between[1].toFixed(4)}`;
    return tile.cost === null || tile.cost === undefined ? "unknown" : `$${tile.cost.toFixed(4)}`;
  };
  const list = (pairs) => {
    const terms = made("dl");
    for (const [term, text] of pairs.filter(([, value]) => value)) {
      const line = made("div");
      line.append(made("dt", term), made("dd", text));
      terms.append(line);
    }
    return terms;
  };
  for (const problem of tile.forged ?? []) found.push(made("p", `A review that does not count: ${problem}`, "warning"));
  if (tile.reviews?.length) {
    const reviews = made("ol", undefined, "reviews");
    let marks = 0;
    for (const one of tile.reviews) {
      const line = made("li", undefined, one.kind);
      if (one.point) {
        marks += 1;
        line.dataset.mark = marks;
        line.append(made("i", marks, "number"));
      }
      line.append(made("b", `${one.by} ${one.kind}`), made("small", day(one.at)));
      if (one.reason) line.append(made("p", one.reason, "prose"));
      reviews.append(line);
    }
    part("Reviews", reviews);
  }
  if (tile.reason || tile.problem) found.push(made("p", tile.reason || tile.problem, ["skipped", "waiting", "interrupted"].includes(tile.state) ? "soft" : "warning"));
  if (tile.prompt) part("Prompt", made("p", tile.prompt, "prose"));
  if (tile.revised && tile.revised !== tile.prompt) part("As the model drew it", made("p", tile.revised, "prose"));
  if (tile.checks?.length) {
    const checks = made("ul", undefined, "checks");
    for (const one of tile.checks) {
      const score = one.score === null ? "" : ` ${one.score.toFixed(2)}`;
      checks.append(made("li", `${one.check}${score}${one.message ? `: ${one.message}` : ""}`, one.state));
    }
    part("Checks", checks);
  }
  part("About", list([
    ["Stage", tile.stage],
    ["Row", tile.row],
    ["Size", tile.width ? `${tile.width} × ${tile.height}` : ""],
    ["File", tile.bytes ? `${tile.type}, ${(tile.bytes / 1024).toFixed(0)} KB` : ""],
    ["Model", tile.model],
    ["Its stage cost", tile.run && tile.cost !== 0 ? money() : ""],
    ["Made", tile.created ? day(tile.created) : ""],
    ["Pipeline", tile.pipeline],
  ]));
  const now = Date.now() / 1000;
  if (tile.handles?.length) part("On the service", list(tile.handles.map((one) => [
    one.kind.replaceAll("_", " "),
    one.id + (one.expires ? (one.expires < now ? ` (expired ${day(one.expires)})` : ` (until ${day(one.expires)})`) : ""),
  ])));
  const names = list([["Run", tile.run], ["Asset", tile.id], ["Response", tile.response], ["SHA-256", tile.sha256]]);
  if (names.children.length) {
    const more = made("details");
    more.append(made("summary", "Names and digests"), names);
    found.push(more);
  }
  if (tile.file) {
    const link = made("a", "Download");
    link.href = tile.file;
    link.download = tile.name;
    found.push(link);
  }
  return found;
};
