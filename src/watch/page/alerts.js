// Verdicts of fake that held, with what was recorded of them.

import { el, follow, getJson } from "./api.js";
import { because, faceName, moment, ratio, score, tag, warningTexts } from "./words.js";

const PAGE = 20;
const AGAIN_MS = 3000;

const file = (name) => `/api/v1/recordings/${encodeURIComponent(name)}`;

function video(event, recording) {
  const none = (text) => el("p", { class: "none" }, text);
  if (!recording) {
    const text = event.recording ? "The recording has made room for newer ones." : "Nothing was recorded.";
    return none(text);
  }
  if (recording.unfinished) return none("It is being recorded …");
  if (!recording.video) return none(`There is no video: ${recording.failure ?? "its file is gone"}.`);
  return el("video", {
    src: file(recording.video), controls: true, preload: "metadata", playsinline: true,
    "aria-label": `Recording of camera ${event.camera}, ${event.time}`,
  });
}

function stills(event, recording) {
  const names = recording?.stills ?? [];
  if (!names.length) return null;
  const pictures = names.map((name, n) => el("li", {}, el("a", { href: file(name) },
    el("img", { src: file(name), loading: "lazy", alt: `${faceName(event.track)} of camera ${event.camera}, still ${n + 1}` }))));
  return el("ul", { class: "stills", "aria-label": "Stills of the face" }, pictures);
}

function card({ event, recording }) {
  const numbers = [score(event.score), ratio(event.llr)].filter((text) => text).join(", ");
  const why = because(event.label, event.reason, event["reason-text"]);
  return el("article", { class: "box" },
      el("div", { class: "alert-card" },
        el("div", {}, video(event, recording)),
        el("div", {},
          el("h2", {}, moment(event.time)),
          el("p", {}, tag(event.label), ` ${faceName(event.track)}: ${numbers}`),
          why ? el("p", { class: "muted" }, why) : null,
          warningTexts([event]),
          el("dl", {},
            el("dt", {}, "Camera"), el("dd", {}, el("a", { href: `#/cameras/${encodeURIComponent(event.camera ?? "")}` }, event.camera ?? "")),
            el("dt", {}, "Classifier"), el("dd", {}, event["model-name"] ?? "none"),
            event.threshold === undefined ? null : [el("dt", {}, "Threshold"), el("dd", {}, event.threshold.toFixed(3), event["operating-point"] ? ` (${event["operating-point"]})` : "")],
            event.clips === undefined ? null : [el("dt", {}, "Clips"), el("dd", {}, String(event.clips))]),
          stills(event, recording))));
}

export function show(main, signal) {
  const note = el("p", { class: "muted" }, "Asking for the alerts …");
  const list = el("div", {});
  const older = el("button", { type: "button", hidden: true }, "Older alerts");
  main.append(
    el("p", { class: "proof" }, "An alert is a verdict of fake that held. It is a reason to look, and no proof."),
    note, list, older);
  // What is shown, so that a video that plays is never replaced.
  const shown = new Map();
  const place = (alert, before) => {
    const id = alert.event.id;
    const state = JSON.stringify(alert.recording);
    const known = shown.get(id);
    if (known?.state === state) return;
    const element = card(alert);
    if (known) known.element.replaceWith(element);
    else if (before) list.prepend(element);
    else list.append(element);
    shown.set(id, { element, state });
  };
  let next = null;
  const load = async (query, before) => {
    const answer = await getJson(`/api/v1/alerts?${new URLSearchParams({ limit: PAGE, ...query })}`, signal);
    const alerts = before ? answer.alerts.toReversed() : answer.alerts;
    alerts.forEach((alert) => place(alert, before));
    note.textContent = "There has been no alert.";
    note.hidden = shown.size > 0;
    return answer.next;
  };
  const proceed = async (query) => {
    try {
      next = await load(query, false);
      older.hidden = next === null;
    } catch (error) {
      note.textContent = error.message;
      note.hidden = false;
    }
  };
  older.addEventListener("click", () => proceed({ before: next }));
  const renew = () => !signal.aborted && load({}, true).catch(() => {});
  // Recordings become finished without an event.
  const timer = setInterval(() => {
    const unfinished = [...shown.values()].some(({ state }) => state.includes('"unfinished":true'));
    if (unfinished && !document.hidden) renew();
  }, AGAIN_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  const begin = async () => {
    await proceed({});
    if (signal.aborted) return;
    if (shown.size === 0 && note.textContent !== "There has been no alert.") setTimeout(begin, AGAIN_MS);
    else follow({ type: "alert" }, null, signal, renew);
  };
  begin();
}
