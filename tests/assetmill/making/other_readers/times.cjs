// Says how long each frame of an animation is shown, in milliseconds: GIF and WebP by libvips, APNG by apng-js.
const fs = require("fs");

const file = process.argv[2];
if (file.endsWith(".png")) {
  const parse = require("apng-js").default;
  const bytes = fs.readFileSync(file);
  const { frames } = parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  console.log(JSON.stringify(frames.map((frame) => frame.delay)));
} else {
  require("sharp")(file, { animated: true })
    .metadata()
    .then(({ delay }) => console.log(JSON.stringify(delay)));
}
