/* What the page knows, and who wants to hear of a change. Parts of the page share this file instead of calling each other. */
export const state = {
  pictures: [], current: null, view: "plain", lit: null, // `lit`: what is highlighted in the view: {boxes} or {row, relation}
  turns: [], editing: null, shots: [], shotPicture: null, abort: null, withoutPicture: false,
  model: "", about: null, takesPictures: true, online: undefined, keyMissing: false, blind: false, kept: true,
};
const hearers = {};
/* Topics: "language", "server", "pictures", "view", "turns" (their list), "turn" (one, given along), "light", "marks", "seen" (a picture), "restored" (the picture to show). */
export const on = (topics, f) => topics.split(" ").forEach((topic) => (hearers[topic] ||= []).push(f));
export const emit = (topic, about) => (hearers[topic] || []).forEach((f) => f(about));

export const remember = (name, value) => { try { localStorage.setItem(`nunbit.${name}`, value); } catch { /* a private window */ } };
export const recall = (name) => { try { return localStorage.getItem(`nunbit.${name}`); } catch { return null; } };
export const mostPictures = () => (state.about && state.about.max_pictures) || 8;
