// Says where PixiJS finds each sprite: [x, y, width, height, moved right, moved down, whole width, whole height].
const fs = require("fs");
const { BaseTexture } = require("@pixi/core");
const { Spritesheet } = require("@pixi/spritesheet");

const data = JSON.parse(fs.readFileSync(process.argv[2]));
const { w, h } = data.meta.size;
const scale = Number(data.meta.scale);
const base = new BaseTexture(null, { resolution: scale });
base.setRealSize(w, h, scale);
new Spritesheet(base, data).parse().then((textures) => {
  const found = {};
  for (const [name, texture] of Object.entries(textures)) {
    const { frame, orig, trim } = texture;
    const moved = trim ? [trim.x, trim.y] : [0, 0];
    const box = [frame.x, frame.y, frame.width, frame.height, ...moved, orig.width, orig.height];
    found[name] = box.map((one) => Math.round(one * scale));
  }
  console.log(JSON.stringify(found));
});
