// An exported model: its metadata, the pixels of a picture as it wants them, and its answers.

import * as ort from "onnxruntime-web/wasm";

/** Open a model and return { ask, facts }: a function of pixels, and the metadata of the file. */
export async function openModel(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} cannot be read: ${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const [output] = session.outputNames;

  /** Return the answer to pixels of { data: RGB bytes, width, height }, row by row, for each row of `boxes` if any. */
  async function ask({ data, width, height }, boxes = null) {
    const inputs = { image: new ort.Tensor("uint8", data, [1, height, width, 3]) };
    if (boxes) inputs.boxes = new ort.Tensor("float32", Float32Array.from(boxes), [1, 4]);
    return Array.from((await session.run(inputs))[output].data);
  }
  return { ask, facts: readMetadata(bytes), needsBoxes: session.inputNames.includes("boxes") };
}

/** Return the RGB bytes of a picked file as transferkit reads it: upright, alpha on white, no colour management. */
export async function readPixels(file) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image", // EXIF
    colorSpaceConversion: "none", // the numbers of the file, whatever its colour profile says
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
  return { data, width, height };
}

// ONNX Runtime keeps the metadata of a file to itself in browsers. A file is a protobuf message, whose fields
// are numbers or bytes with their length before them; metadata_props are its fields 14.
function readMetadata(bytes) {
  const facts = {};
  for (const [field, entry] of fields(bytes)) {
    if (field !== 14) continue;
    const texts = Object.fromEntries([...fields(entry)].map(([i, text]) => [i, new TextDecoder().decode(text)]));
    facts[texts[1]] = JSON.parse(texts[2]);
  }
  return facts;
}

function* fields(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind === 0) number();
    else {
      const length = kind === 2 ? number() : kind === 1 ? 8 : 4;
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}
