/* Drawing on a picture: marks are kept as shapes, painted over the picture, and sent as part of it. */
"use strict";
class Drawing {
  constructor(canvas, changed) {
    this.canvas = canvas; this.changed = changed; this.pen = "circle"; this.item = null; this.begun = null; this.cursor = null;
    canvas.addEventListener("pointerdown", (e) => { if (!this.item) return; canvas.setPointerCapture(e.pointerId); this.begin(this.at(e)); });
    canvas.addEventListener("pointermove", (e) => { if (this.begun) this.move(this.at(e)); });
    canvas.addEventListener("pointerup", (e) => { if (this.begun) this.end(this.at(e)); });
    canvas.addEventListener("pointercancel", () => { this.begun = null; this.paint(); });
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("blur", () => { this.cursor = null; this.paint(); });
  }
  show(item) { this.item = item; this.begun = this.cursor = null; this.paint(); }
  /* Pointer position in picture pixels. The canvas keeps its shape inside its box (object-fit: contain). */
  at(e) {
    const box = this.canvas.getBoundingClientRect(), c = this.canvas, s = Math.min(box.width / c.width, box.height / c.height);
    const x = (e.clientX - box.left - (box.width - c.width * s) / 2) / s, y = (e.clientY - box.top - (box.height - c.height * s) / 2) / s;
    return [Math.max(0, Math.min(c.width, x)), Math.max(0, Math.min(c.height, y))];
  }
  begin(p) { this.begun = { pen: this.pen, points: [p, p] }; }
  move(p) { if (this.begun.pen === "free") this.begun.points.push(p); else this.begun.points[1] = p; this.paint(); }
  end(p) {
    this.move(p);
    const [a, b] = [this.begun.points[0], this.begun.points[this.begun.points.length - 1]];
    if (Math.hypot(a[0] - b[0], a[1] - b[1]) > 4 || this.begun.points.length > 4) this.item.marks.push(this.begun);
    this.begun = null; this.paint(); this.changed();
  }
  key(e) {
    const step = Math.max(this.canvas.width, this.canvas.height) / (e.shiftKey ? 10 : 40), by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!this.item || (!by && e.key !== "Enter" && e.key !== "Escape")) return;
    e.preventDefault();
    this.cursor = this.cursor || [this.canvas.width / 2, this.canvas.height / 2];
    if (e.key === "Escape") { this.begun = null; this.paint(); return; }
    if (by) {
      this.cursor = [Math.max(0, Math.min(this.canvas.width, this.cursor[0] + by[0] * step)), Math.max(0, Math.min(this.canvas.height, this.cursor[1] + by[1] * step))];
      if (this.begun) this.move(this.cursor);
    } else if (this.begun) this.end(this.cursor); else this.begin(this.cursor);
    this.paint();
  }
  undo() { if (this.item) { this.item.marks.pop(); this.paint(); this.changed(); } }
  wipe() { if (this.item) { this.item.marks = []; this.paint(); this.changed(); } }
  paint() {
    if (!this.item) return;
    Drawing.paintOn(this.canvas, this.item, this.begun);
    if (this.cursor) {
      const c = this.canvas.getContext("2d"), [x, y] = this.cursor, r = this.canvas.width / 50;
      c.strokeStyle = "#fff"; c.lineWidth = 3; c.beginPath(); c.moveTo(x - r, y); c.lineTo(x + r, y); c.moveTo(x, y - r); c.lineTo(x, y + r); c.stroke();
      c.strokeStyle = "#000"; c.lineWidth = 1; c.stroke();
    }
  }
  static paintOn(canvas, item, begun) {
    canvas.width = item.image.naturalWidth || item.image.width; canvas.height = item.image.naturalHeight || item.image.height;
    const c = canvas.getContext("2d");
    c.drawImage(item.image, 0, 0);
    for (const mark of begun ? [...item.marks, begun] : item.marks) {
      for (const [colour, width] of [["#fff", 2], ["#e11d48", 1]]) Drawing.shape(c, mark, colour, width * Math.max(3, canvas.width / 120));
    }
  }
  static shape(c, mark, colour, width) {
    const [a, b] = [mark.points[0], mark.points[mark.points.length - 1]];
    c.strokeStyle = colour; c.lineWidth = width; c.lineCap = c.lineJoin = "round"; c.beginPath();
    if (mark.pen === "box") c.rect(Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]));
    else if (mark.pen === "circle") c.ellipse((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.abs(a[0] - b[0]) / 2 + .1, Math.abs(a[1] - b[1]) / 2 + .1, 0, 0, 7);
    else if (mark.pen === "arrow") {
      const turn = Math.atan2(b[1] - a[1], b[0] - a[0]), head = Math.max(12, c.canvas.width / 25);
      c.moveTo(...a); c.lineTo(...b);
      for (const side of [-0.5, 0.5]) { c.moveTo(...b); c.lineTo(b[0] - head * Math.cos(turn + side), b[1] - head * Math.sin(turn + side)); }
    } else mark.points.forEach((p, i) => (i ? c.lineTo(...p) : c.moveTo(...p)));
    c.stroke();
  }
  /* The picture with its marks, as a data: URI. */
  static uri(item) {
    if (!item.marks.length) return item.uri;
    const canvas = document.createElement("canvas");
    Drawing.paintOn(canvas, item, null);
    return canvas.toDataURL("image/png");
  }
}
