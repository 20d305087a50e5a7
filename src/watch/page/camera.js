// One camera: its picture, the faces on it, and what was said of them over time.

import { el, follow, getJson, poll, replace } from "./api.js";
import { Timeline } from "./timeline.js";
import { Picture } from "./wall.js";
import { because, faceLine, faceName, moment, score, tag, time, warningTexts } from "./words.js";

const ROWS = 50;
const PAGE = 1000;

const FIGURES = [
  ["frames-in", "frames came"],
  ["frames-analysed", "frames analysed"],
  ["clips-scored", "clips scored"],
  ["clips-skipped", "clips for which there was no time"],
  ["clips-failed", "clips that failed"],
  ["reconnects", "connections lost"],
  ["alerts", "alerts"],
];

function about(camera) {
  const video = camera.video;
  const frames = video ? `${video.width} × ${video.height}, ${video["frame-rate"]} frames/s` : "unknown";
  const figures = camera.figures;
  const rows = [
    ["State", [tag(camera.state), " since ", moment(camera.since)]],
    camera.reason ? ["Reason", camera.reason] : null,
    ["Address", camera.uri],
    ["Frames", frames],
    camera["last-frame"] ? ["Newest frame", time(camera["last-frame"])] : null,
    ["Latency", `${figures["latency-p50-ms"].toFixed(0)} ms, 95 % within ${figures["latency-p95-ms"].toFixed(0)} ms`],
    ["Since the start", FIGURES.map(([name, text]) => `${figures[name].toLocaleString("en")} ${text}`).join(", ")],
  ];
  return rows.filter((row) => row).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

// What happened, as a row of a table; null where a table would only be longer by it.
function row(event) {
  const cells = (face, label, text) => [time(event.time), face, label, text];
  const why = () => because(event.label, event.reason, event["reason-text"]);
  switch (event.type) {
    case "verdict":
    case "alert": {
      const name = event.type === "alert" ? "alert" : `was ${event["label-before"]}`;
      return cells(faceName(event.track), tag(event.label), [score(event.score), name, why()].filter((t) => t).join("; "));
    }
    case "track-start":
      return cells(faceName(event.track), "", "is followed from now on");
    case "track-end":
      return cells(faceName(event.track), event.label ? tag(event.label) : "", `is not followed any more: ${event.reason}`);
    case "camera":
      return cells("", tag(event.state), event.reason ?? "");
    default:
      return null;
  }
}

async function past(id, timeline, table, signal) {
  const filter = { camera: id };
  const query = new URLSearchParams({ ...filter, limit: PAGE });
  const recent = await getJson(`/api/v1/events?${query}`, signal);
  let rows = [];
  const add = (event) => {
    timeline.add(event);
    const cells = row(event);
    if (cells) rows = [cells, ...rows].slice(0, ROWS);
  };
  const draw = () => table.replaceChildren(...rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))));
  recent.events.toReversed().forEach(add);
  draw();
  follow(filter, recent.events[0]?.id, signal, (event) => {
    add(event);
    draw();
  });
}

export function show(main, signal, id, heading) {
  heading.textContent = `Camera ${id}`;
  document.title = `Camera ${id} – m2sd watch`;
  const note = el("p", { class: "muted", hidden: true });
  const faces = el("ul", { class: "faces" });
  const warnings = el("div", { class: "warnings" });
  const facts = el("dl", {});
  const picture = new Picture(id, signal, 0);
  const timeline = new Timeline(signal);
  const table = el("tbody", {});
  const head = ["Time", "Face", "Label", "What happened"].map((name) => el("th", { scope: "col" }, name));
  const events = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events of this camera" },
    el("table", {}, el("thead", {}, el("tr", {}, head)), table));
  main.append(
    note,
    el(
      "div",
      { class: "columns" },
      el("div", {}, el("div", { class: "card" }, picture.element)),
      el("div", {},
        el("section", { class: "box" }, el("h2", {}, "Faces on the newest frame"), faces, warnings),
        el("section", { class: "box" }, el("h2", {}, "Camera"), facts)),
    ),
    el("section", { class: "box" }, el("h2", {}, "Scores and verdicts over time"), timeline.element),
    el("section", { class: "box" }, el("h2", {}, "What happened"), events),
  );
  poll(`/api/v1/cameras/${id}`, signal, (camera, error) => {
    note.textContent = error?.message ?? "";
    note.hidden = !error;
    if (error) return;
    picture.cameraIs(camera.state);
    if (heading.textContent !== camera.name) heading.textContent = camera.name;
    const lines = camera.faces.map(faceLine);
    replace(faces, lines.length ? lines : [el("li", { class: "muted" }, "None")]);
    replace(warnings, warningTexts(camera.faces));
    replace(facts, about(camera));
  });
  const again = () => {
    if (signal.aborted) return;
    past(id, timeline, table, signal).catch((error) => {
      note.textContent = error.message;
      setTimeout(again, 2000);
    });
  };
  again();
}
