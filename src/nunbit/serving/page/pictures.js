/* Pictures of the user: read, made smaller, photographed. A picture is {image, uri, thumb, kind, marks, past, seen}. */
import { paintOn } from "./draw.js";

export const LARGEST = 2048;
const KEPT = /^data:image\/(png|jpeg|webp|gif|bmp);/, HEAVY = 4_000_000;

const dataUri = (file) => new Promise((good, bad) => { const r = new FileReader(); r.onload = () => good(r.result); r.onerror = bad; r.readAsDataURL(file); });
export async function load(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  if (!image.naturalWidth) throw new Error("a picture without a size");
  return image;
}
/* A canvas as a data: URI; photographs, and what would be heavy as PNG, as JPEG. */
function encode(canvas, kind) {
  const png = kind === "image/jpeg" ? "" : canvas.toDataURL("image/png");
  return png && png.length < HEAVY ? png : canvas.toDataURL("image/jpeg", 0.92);
}
function scaled(source, width, height, largest, paper = "") {
  const scale = Math.min(1, largest / Math.max(width, height)), canvas = document.createElement("canvas"), c = canvas.getContext("2d");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  if (paper) { c.fillStyle = paper; c.fillRect(0, 0, canvas.width, canvas.height); }
  c.imageSmoothingQuality = "high";
  c.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
const thumbOf = (source, width, height) => scaled(source, width, height, 192, "#fff").toDataURL("image/jpeg", 0.85);

/* Of a file, or of a data: URI. */
export async function readPicture(file) {
  const given = typeof file === "string" ? file : await dataUri(file), kind = (/^data:([\w/+.-]+)/.exec(given) || ["", ""])[1];
  const image = await load(given), { naturalWidth: w, naturalHeight: h } = image;
  const whole = { kind, marks: [], past: [], seen: null, thumb: thumbOf(image, w, h) };
  if (Math.max(w, h) <= LARGEST && KEPT.test(given) && given.length < HEAVY) return { ...whole, image, uri: given };
  const uri = encode(scaled(image, w, h, LARGEST, kind === "image/jpeg" ? "#fff" : ""), kind);
  return { ...whole, image: await load(uri), uri };
}
/* What is sent of a picture: itself, or itself with the marks drawn on it. */
export function sent(item) {
  if (!item.marks.length) return { uri: item.uri, thumb: item.thumb };
  if (!item.drawn) {
    const canvas = document.createElement("canvas");
    paintOn(canvas, item);
    item.drawn = { uri: encode(canvas, item.kind), thumb: thumbOf(canvas, canvas.width, canvas.height) };
  }
  return item.drawn;
}
/* Photograph through a <dialog> with a <video>; null when the user closes it. Fails where there is no camera. */
export async function photograph(dialog) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  const video = dialog.querySelector("video");
  video.srcObject = stream;
  dialog.showModal();
  try {
    await video.play();
    const taken = await new Promise((done) => {
      dialog.querySelector("[data-take]").onclick = () => done(scaled(video, video.videoWidth, video.videoHeight, LARGEST));
      dialog.onclose = () => done(null);
    });
    return taken && (await new Promise((done) => taken.toBlob((b) => done(new File([b], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92)));
  } finally {
    stream.getTracks().forEach((t) => t.stop());
    video.srcObject = null;
    if (dialog.open) dialog.close();
  }
}
