/* Drawing on a picture: marks are kept as shapes in picture pixels, painted over the picture, and sent as part of it. */
const clamp = (x, most) => Math.max(0, Math.min(most, x));

const FAR_PX = 6;

export class Drawing {
  /* `changed(what)` is called with "begun", "placed", "removed", and where nothing came of it with "short" (hardly moved),
     "off" (no pen is chosen) or "elsewhere" (another tab is open). */
  constructor(canvas, changed) {
    Object.assign(this, { canvas, changed, pen: "circle", enabled: true, item: null, begun: null, cursor: null, tried: null });
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => { if (this.begun && !this.cursor) this.move(this.at(e)); });
    canvas.addEventListener("pointerup", (e) => this.up(e));
    canvas.addEventListener("pointercancel", () => this.drop());
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("blur", () => { if (this.cursor) { this.cursor = null; this.drop(); } });
  }
  show(item) { Object.assign(this, { item, begun: null, cursor: null, tried: null }); this.paint(); }
  /* Pointer position in picture pixels. The canvas keeps the picture's shape inside its box (object-fit: contain). */
  at(e) {
    const box = this.canvas.getBoundingClientRect(), c = this.canvas, s = Math.min(box.width / c.width, box.height / c.height);
    const along = (given, start, room, size) => clamp((given - start - (room - size * s) / 2) / s, size);
    return [along(e.clientX, box.left, box.width, c.width), along(e.clientY, box.top, box.height, c.height)];
  }
  down(e) {
    if (!this.item || e.button !== 0) return;
    this.tried = [e.clientX, e.clientY];
    if (e.pointerType !== "touch") this.canvas.setPointerCapture(e.pointerId);
    if (!this.pen || !this.enabled) return;
    this.cursor = null;
    this.begin(this.at(e));
  }
  up(e) {
    const far = this.tried && Math.hypot(e.clientX - this.tried[0], e.clientY - this.tried[1]) > FAR_PX;
    this.tried = null;
    if (this.begun && !this.cursor) this.end(this.at(e)); else if (far) this.changed(this.enabled ? "off" : "elsewhere");
  }
  begin(p) { this.begun = { pen: this.pen, points: [p, p] }; }
  move(p) { if (this.begun.pen === "free") this.begun.points.push(p); else this.begun.points[1] = p; this.paint(); }
  end(p) {
    this.move(p);
    const mark = this.begun, far = Math.max(...mark.points.map((q) => Math.hypot(q[0] - mark.points[0][0], q[1] - mark.points[0][1])));
    this.begun = null;
    if (far > 4) this.change([...this.item.marks, mark], "placed"); else { this.paint(); this.changed("short"); }
  }
  drop() { this.begun = this.tried = null; this.paint(); }
  /* Every state of the marks is kept, so that clearing them can be undone like drawing them. */
  change(marks, what) { this.item.past.push(this.item.marks); this.set(marks, what); }
  set(marks, what) { this.item.marks = marks; this.item.drawn = null; this.paint(); this.changed(what); }
  undo() { if (this.item && this.item.past.length) this.set(this.item.past.pop(), "removed"); }
  wipe() { if (this.item && this.item.marks.length) this.change([], "removed"); }
  key(e) {
    const { width, height } = this.canvas, step = Math.max(width, height) / (e.shiftKey ? 10 : 40);
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!this.item || e.altKey) return;
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "z") { e.preventDefault(); this.undo(); return; }
    if (e.key === "Enter" && !(this.pen && this.enabled)) { this.changed(this.enabled ? "off" : "elsewhere"); return; }
    if (!this.pen || !this.enabled || (!by && !["Enter", "Escape"].includes(e.key))) return;
    e.preventDefault();
    this.cursor ??= [width / 2, height / 2];
    if (by) {
      this.cursor = [clamp(this.cursor[0] + by[0] * step, width), clamp(this.cursor[1] + by[1] * step, height)];
      if (this.begun) this.move(this.cursor);
    } else if (e.key === "Escape") this.begun = null;
    else if (this.begun) this.end(this.cursor);
    else { this.begin(this.cursor); this.changed("begun"); }
    this.paint();
  }
  paint() {
    if (!this.item) return;
    paintOn(this.canvas, this.item, this.begun);
    if (!this.cursor) return;
    const c = this.canvas.getContext("2d"), [x, y] = this.cursor, r = Math.max(this.canvas.width, this.canvas.height) / 40;
    c.beginPath(); c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r);
    for (const [colour, width] of [["#fff", r / 3], ["#111", r / 8]]) { c.strokeStyle = colour; c.lineWidth = width; c.stroke(); }
  }
}

/* The picture and its marks, in the picture's own pixels. */
export function paintOn(canvas, item, begun = null) {
  canvas.width = item.image.naturalWidth;
  canvas.height = item.image.naturalHeight;
  const c = canvas.getContext("2d"), unit = Math.max(2, Math.max(canvas.width, canvas.height) / 140);
  c.drawImage(item.image, 0, 0);
  for (const mark of begun ? [...item.marks, begun] : item.marks) for (const [colour, width] of [["#fff", 2], ["#e11d48", 1]]) stroke(c, mark, colour, width * unit, unit);
}
function stroke(c, mark, colour, width, unit) {
  const a = mark.points[0], b = mark.points.at(-1);
  c.strokeStyle = colour; c.lineWidth = width; c.lineCap = c.lineJoin = "round";
  c.beginPath();
  if (mark.pen === "box") c.rect(Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]));
  else if (mark.pen === "circle") c.ellipse((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.abs(a[0] - b[0]) / 2 + 0.1, Math.abs(a[1] - b[1]) / 2 + 0.1, 0, 0, 7);
  else if (mark.pen === "arrow") {
    const turn = Math.atan2(b[1] - a[1], b[0] - a[0]), head = 5 * unit;
    c.moveTo(...a); c.lineTo(...b);
    for (const side of [-0.5, 0.5]) { c.moveTo(...b); c.lineTo(b[0] - head * Math.cos(turn + side), b[1] - head * Math.sin(turn + side)); }
  } else mark.points.forEach((p, i) => (i ? c.lineTo(...p) : c.moveTo(...p)));
  c.stroke();
}
