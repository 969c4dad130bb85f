// Says where Phaser's own parsers find each sprite, in the same order of numbers as pixi.cjs. The rest of Phaser
// needs a browser: the texture that the parsers fill stands in for Phaser's.
const fs = require("fs");

const [file, parser] = process.argv.slice(2);
const data = JSON.parse(fs.readFileSync(file));
const { w, h } = data.meta.size;
const found = {};
const texture = {
  source: [{ width: w, height: h }],
  customData: {},
  add(name, _source, x, y, width, height) {
    found[name] = [x, y, width, height, 0, 0, width, height];
    return {
      customData: {},
      setTrim(wholeWidth, wholeHeight, right, down) {
        found[name] = [x, y, width, height, right, down, wholeWidth, wholeHeight];
      },
    };
  },
};
require(`./node_modules/phaser/src/textures/parsers/${parser}.js`)(texture, 0, data);
delete found.__BASE;
console.log(JSON.stringify(found));
