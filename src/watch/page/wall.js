// All cameras at a glance: picture, state, faces, newest verdicts.

import { el, follow, getJson, getPicture, poll, replace } from "./api.js";
import { because, faceLine, faceName, ratio, score, tag, time, warningTags, warningTexts } from "./words.js";

// Whether pictures move.
export const pictures = { paused: false };

// Browsers have six connections to a server: some stay free for everything else.
const AT_ONCE = 3;
const BETWEEN_MS = 250;
const AFTER_ERROR_MS = 2000;
const VERDICTS = 30;

let busy = 0;
const queue = [];

async function inTurn(work) {
  if (busy >= AT_ONCE) await new Promise((resolve) => queue.push(resolve));
  busy += 1;
  try {
    return await work();
  } finally {
    busy -= 1;
    queue.shift()?.();
  }
}

// A camera's picture, renewed while it can be seen.
export class Picture {
  constructor(camera, signal, betweenMs = BETWEEN_MS) {
    this.camera = camera;
    this.betweenMs = betweenMs;
    this.signal = signal;
    this.seen = false;
    this.state = "online";
    this.url = null;
    this.image = el("img", { alt: "", hidden: true });
    this.note = el("p", {}, "No picture yet");
    this.element = el("div", { class: "picture" }, this.image, this.note);
    this.watcher = new IntersectionObserver((entries) => {
      this.seen = entries.some((entry) => entry.isIntersecting);
    });
    this.watcher.observe(this.element);
    signal.addEventListener("abort", () => this.end());
    this.renew();
  }

  end() {
    this.ended = true;
    this.watcher.disconnect();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  // A first picture comes also where pictures are paused.
  wanted() {
    const comes = this.seen && this.state === "online" && !document.hidden;
    return comes && (!pictures.paused || !this.url);
  }

  // A camera that shows nothing is not asked: each question would wait for a picture.
  cameraIs(state) {
    if (this.state === state) return;
    this.state = state;
    if (state !== "online") this.fail(`the camera is ${state}`);
  }

  async renew() {
    let wait = this.wanted() ? this.betweenMs : BETWEEN_MS;
    if (this.wanted()) {
      try {
        const picture = await inTurn(() => getPicture(this.camera, this.signal));
        if (!this.ended) this.show(picture);
      } catch (error) {
        if (!this.ended) this.fail(error.message);
        wait = AFTER_ERROR_MS;
      }
    }
    if (!this.ended) setTimeout(() => this.renew(), wait);
  }

  show(picture) {
    const before = this.url;
    this.url = URL.createObjectURL(picture);
    this.image.src = this.url;
    this.image.alt = `What camera ${this.camera} shows, with a box around each face`;
    this.image.hidden = false;
    this.note.hidden = true;
    this.element.classList.remove("old");
    if (before) URL.revokeObjectURL(before);
  }

  fail(text) {
    this.note.textContent = `${this.url ? "Old picture" : "No picture"}: ${text}`;
    this.note.hidden = false;
    this.element.classList.add("old");
  }
}

class Card {
  constructor(camera, signal) {
    this.ender = new AbortController();
    signal.addEventListener("abort", () => this.ender.abort());
    this.picture = new Picture(camera.id, this.ender.signal);
    this.name = el("a", { href: `#/cameras/${camera.id}` }, camera.name);
    this.state = el("span", {});
    this.reason = el("p", { class: "muted" });
    this.faces = el("ul", { class: "faces" });
    this.warnings = el("div", { class: "warnings" });
    const title = el("h2", {}, this.name, this.state);
    const inside = el("div", { class: "inside" }, title, this.reason, this.faces, this.warnings);
    this.element = el("article", { class: "card" }, this.picture.element, inside);
  }

  show(camera) {
    if (this.name.textContent !== camera.name) this.name.textContent = camera.name;
    replace(this.state, tag(camera.state));
    this.picture.cameraIs(camera.state);
    this.reason.textContent = camera.reason ?? "";
    this.reason.hidden = !camera.reason;
    const none = camera.state === "online" ? "No face on the newest frame" : "";
    const faces = camera.faces.map(faceLine);
    replace(this.faces, faces.length || !none ? faces : [el("li", { class: "muted" }, none)]);
    replace(this.warnings, warningTexts(camera.faces));
  }

  end() {
    this.ender.abort();
    this.element.remove();
  }
}

// A verdict or an alert, as one line of a list.
export function verdictLine(event) {
  const numbers = [score(event.score), ratio(event.llr)].filter((text) => text).join(", ");
  const why = because(event.label, event.reason, event["reason-text"]);
  const what = event.type === "alert" ? "Alert: " : "";
  return el(
    "li",
    {},
    el(
      "div",
      {},
      time(event.time),
      " ",
      tag(event.label),
      ` ${what}camera `,
      el("a", { href: `#/cameras/${encodeURIComponent(event.camera ?? "")}` }, event.camera ?? ""),
      `, ${faceName(event.track).toLowerCase()}: ${numbers}`,
      warningTags(event),
    ),
    why ? el("div", { class: "muted" }, why) : null,
  );
}

async function verdicts(list, signal) {
  const filter = { type: "verdict,alert" };
  let newest = [];
  const draw = () => replace(list, newest.length ? newest.map(verdictLine) : [el("li", {}, "None yet")]);
  const recent = await getJson(`/api/v1/events?${new URLSearchParams({ ...filter, limit: VERDICTS })}`, signal);
  newest = recent.events;
  draw();
  follow(filter, newest[0]?.id, signal, (event) => {
    newest = [event, ...newest].slice(0, VERDICTS);
    draw();
  });
}

export function show(main, signal) {
  const cards = new Map();
  const wall = el("div", { class: "wall" });
  const note = el("p", { class: "muted" }, "Asking for the cameras …");
  const list = el("ul", { class: "faces", "aria-label": "Newest verdicts" });
  main.append(note, wall, el("section", { class: "box" }, el("h2", {}, "Newest verdicts"), list));
  list.closest("section").id = "verdicts";
  poll("/api/v1/cameras", signal, (answer, error) => {
    if (error) {
      note.textContent = error.message;
      note.hidden = false;
      return;
    }
    note.textContent = "There is no camera. Add one to the configuration, or with PUT /api/v1/cameras/ID.";
    note.hidden = answer.cameras.length > 0;
    const present = new Set(answer.cameras.map((camera) => camera.id));
    for (const [id, card] of cards) {
      if (present.has(id)) continue;
      card.end();
      cards.delete(id);
    }
    answer.cameras.forEach((camera) => {
      if (!cards.has(camera.id)) {
        const card = new Card(camera, signal);
        cards.set(camera.id, card);
        wall.append(card.element);
      }
      cards.get(camera.id).show(camera);
    });
  });
  const again = () => {
    if (signal.aborted) return;
    verdicts(list, signal).catch(() => setTimeout(again, AFTER_ERROR_MS));
  };
  again();
}
