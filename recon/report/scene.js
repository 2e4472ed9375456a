// Draws the cameras and a sample of the scene's points; dragging turns, the wheel zooms.
const scene = JSON.parse(document.getElementById("scene-data").textContent);
const canvas = document.getElementById("scene");
const view = { yaw: 0.4, pitch: 0.3, zoom: 1.8 };

function rotate([x, y, z]) {
  // y points down in the data and on the canvas alike.
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const [a, b] = [cy * x + sy * z, -sy * x + cy * z];
  return [a, cp * y + sp * b, -sp * y + cp * b];
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  const unit = (view.zoom * Math.min(canvas.width, canvas.height)) / 2.4;
  const place = (point) => {
    const [x, y, z] = rotate(point);
    const scale = unit / (1 + 0.25 * z);
    return [canvas.width / 2 + scale * x, canvas.height / 2 + scale * y, z];
  };
  const points = scene.points.map((point, i) => [...place(point), scene.colours[i]]);
  points.sort((a, b) => b[2] - a[2]);
  for (const [x, y, , colour] of points) {
    context.fillStyle = colour;
    context.fillRect(x - 1.5 * ratio, y - 1.5 * ratio, 3 * ratio, 3 * ratio);
  }
  context.lineWidth = 1.5 * ratio;
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  for (const camera of scene.cameras) {
    const [eye, ...corners] = camera.corners.map(place);
    context.strokeStyle = context.fillStyle = camera.held_out ? "#c60" : "#06c";
    context.beginPath();
    corners.forEach((corner, i) => {
      const next = corners[(i + 1) % 4];
      context.moveTo(eye[0], eye[1]);
      context.lineTo(corner[0], corner[1]);
      context.lineTo(next[0], next[1]);
    });
    context.stroke();
    context.fillText(camera.name.replace(/\.[^.]*$/, ""), eye[0] + 4 * ratio, eye[1] - 4 * ratio);
  }
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
draw();
