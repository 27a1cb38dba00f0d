// Shows what model.onnx says of a picked picture: classes, labels, values, or keypoints drawn on it.

import { openModel, readPixels } from "./model.js";

const [file, state, picture, answers] = ["file", "state", "picture", "answers"].map((id) =>
  document.getElementById(id),
);

const started = openModel("model.onnx");
started.then(
  () => {
    file.disabled = false;
    state.textContent = "Choose a picture.";
  },
  (error) => (state.textContent = String(error)),
);

file.addEventListener("change", async () => {
  const [picked] = file.files;
  if (!picked) return;
  file.disabled = true;
  state.textContent = "Reading ...";
  try {
    const model = await started;
    const pixels = await readPixels(picked);
    const boxes = model.needsBoxes ? [0, 0, pixels.width, pixels.height] : null; // one subject, which fills it
    const start = performance.now();
    const found = await model.ask(pixels, boxes);
    const spent = performance.now() - start;
    show(pixels, found, model.facts);
    state.textContent = `${pixels.width} x ${pixels.height} pixels, ${spent.toFixed(0)} ms`;
  } catch (error) {
    state.textContent = `${picked.name} cannot be used: ${error.message ?? error}`;
  } finally {
    file.disabled = false;
  }
});

function show({ data, width, height }, found, facts) {
  const context = picture.getContext("2d");
  [picture.width, picture.height, picture.hidden] = [width, height, false];
  const shown = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    shown.data.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    shown.data[4 * i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
  answers.replaceChildren();
  if (facts.task.kind === "points") {
    context.fillStyle = "red";
    const radius = Math.max(2, Math.max(width, height) / 200);
    for (let i = 0; i < found.length; i += 2) {
      context.beginPath();
      // Whole coordinates are the middle of a pixel, and those of a canvas are its corner.
      context.arc(found[i] + 0.5, found[i + 1] + 0.5, radius, 0, 2 * Math.PI);
      context.fill();
    }
    return;
  }
  const names = facts.labels ?? facts.names ?? found.map((_, i) => `value ${i}`);
  const rows = found.map((value, i) => [names[i], value]);
  if (facts.labels) rows.sort((a, b) => b[1] - a[1]);
  for (const [name, value] of rows) {
    const row = answers.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = facts.labels ? `${(100 * value).toFixed(1)} %` : String(value);
  }
}
