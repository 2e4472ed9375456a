// Draws the cameras and a sample of the scene's points; dragging turns, the wheel zooms.
const scene = JSON.parse(document.getElementById("scene-data").textContent);
const canvas = document.getElementById("scene");
const view = { yaw: 0.4, pitch: 0.3, zoom: 1.8 };
const eyes = scene.cameras.map((camera) => camera.corners[0]);
const middle = [0, 1, 2].map((axis) => {
  // The scene's points lie around 0, mostly within 1.
  const along = [...eyes.map((eye) => eye[axis]), -0.5, 0.5];
  return (Math.min(...along) + Math.max(...along)) / 2;
});
// Cameras may stand far from what they see; none gets behind the eye that looks at the drawing.
const extent = Math.max(1, ...eyes.map((eye) => Math.hypot(...eye.map((value, axis) => value - middle[axis]))));
const LINE = 14; // Height of a name, CSS pixels.

function rotate([x, y, z]) {
  // y points down in the data and on the canvas alike.
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const [a, b] = [cy * x + sy * z, -sy * x + cy * z];
  return [a, cp * y + sp * b, -sp * y + cp * b];
}

// A point on the canvas, CSS pixels, and its depth.
function place(point) {
  const [x, y, z] = rotate(point.map((value, axis) => (value - middle[axis]) / extent));
  const scale = (view.zoom * Math.min(canvas.clientWidth, canvas.clientHeight)) / 2.4 / (1 + 0.25 * z);
  return [canvas.clientWidth / 2 + scale * x, canvas.clientHeight / 2 + scale * y, z];
}

function isInside([left, top, right, bottom]) {
  return left >= 0 && top >= 0 && right <= canvas.clientWidth && bottom <= canvas.clientHeight;
}

// Whether all cameras are on the canvas, with room for their names.
function showsAll() {
  return scene.cameras.every((camera) =>
    camera.corners.map(place).every(([x, y]) => isInside([x - LINE, y - LINE, x + LINE, y + LINE])));
}

function drawPoints(context) {
  const points = scene.points.map((point, i) => [...place(point), scene.colours[i]]);
  points.sort((a, b) => b[2] - a[2]);
  for (const [x, y, , colour] of points) {
    context.fillStyle = colour;
    context.fillRect(x - 1.5, y - 1.5, 3, 3);
  }
}

function drawCamera(context, camera) {
  const [eye, ...corners] = camera.corners.map(place);
  context.strokeStyle = hue(camera);
  context.beginPath();
  corners.forEach((corner, i) => {
    const next = corners[(i + 1) % 4];
    context.moveTo(eye[0], eye[1]);
    context.lineTo(corner[0], corner[1]);
    context.lineTo(next[0], next[1]);
  });
  context.stroke();
}

function hue(camera) {
  return camera.held_out ? "#c60" : "#06c";
}

// The place nearest to the eye, going round it in widening rings, at which a name covers no other; null where
// there is none.
function freeBox([x, y], width, taken) {
  for (let ring = 0; ring < 12; ring++) {
    for (let turn = 0; turn < 8; turn++) {
      const angle = (Math.PI / 4) * turn - Math.PI / 4;
      const reach = 6 + ring * LINE;
      const at = [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
      const left = at[0] - (width * (1 - Math.cos(angle))) / 2;
      const top = at[1] - (LINE * (1 - Math.sin(angle))) / 2;
      const box = [left, top, left + width, top + LINE];
      const isFree = taken.every((b) => box[2] < b[0] || b[2] < box[0] || box[3] < b[1] || b[3] < box[1]);
      if (isFree && isInside(box)) return box;
    }
  }
  return null;
}

// The names of the cameras and where they stand, the nearest camera's first; a name that finds no place is
// left out.
function names(context) {
  const taken = [];
  const ordered = scene.cameras.map((camera) => [camera, place(camera.corners[0])]);
  ordered.sort(([, a], [, b]) => a[2] - b[2]);
  return ordered.flatMap(([camera, eye]) => {
    const box = freeBox(eye, context.measureText(camera.name).width, taken);
    if (box) taken.push(box);
    return box ? [{ camera, eye, box }] : [];
  });
}

function drawName(context, { camera, eye, box }) {
  const [left, top, right, bottom] = box;
  const near = [Math.max(left, Math.min(right, eye[0])), Math.max(top, Math.min(bottom, eye[1]))];
  context.strokeStyle = context.fillStyle = hue(camera);
  context.beginPath();
  context.moveTo(eye[0], eye[1]);
  context.lineTo(near[0], near[1]);
  context.stroke();
  context.save();
  context.strokeStyle = "Canvas"; // the page's own colour, light or dark
  context.lineWidth = 4;
  context.strokeText(camera.name, left, bottom - 3);
  context.restore();
  context.fillText(camera.name, left, bottom - 3);
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  drawPoints(context);
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.font = "12px system-ui, sans-serif";
  scene.cameras.forEach((camera) => drawCamera(context, camera));
  names(context).forEach((name) => drawName(context, name));
}

canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  view.yaw -= event.movementX / 150;
  view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + event.movementY / 150));
  draw();
});
canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  view.zoom *= Math.exp(-event.deltaY / 600);
  draw();
}, { passive: false });
window.addEventListener("resize", draw);
while (view.zoom > 0.3 && !showsAll()) view.zoom *= 0.96;
draw();
