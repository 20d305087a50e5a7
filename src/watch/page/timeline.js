// Scores of clips and verdicts of faces over time, as a drawing.

import { el, svg } from "./api.js";
import { because, clock, faceName, score } from "./words.js";

const LEAST_WIDTH = 280;
const USUAL_WIDTH = 960;
const LEFT = 44;
const RIGHT = 8;
const TOP = 12;
const PLOT = 200;
const LANES = 8;
const LANE = 16;
const MOST = 5000;
const REDRAW_MS = 1000;
const SPANS = [[5, "5 minutes"], [30, "30 minutes"], [180, "3 hours"], [1440, "24 hours"]];
const LABELS = ["fake", "real", "uncertain", "insufficient", "unscored"];

const milliseconds = (event) => new Date(event.time).getTime();

export class Timeline {
  constructor(signal) {
    this.clips = [];
    this.verdicts = new Map();
    this.alerts = [];
    this.threshold = null;
    this.minutes = SPANS[0][0];
    this.plot = el("div", {});
    this.summary = el("p", { class: "muted" });
    const choice = el("select", { id: "span" }, SPANS.map(([minutes, text]) => el("option", { value: minutes }, text)));
    choice.addEventListener("change", () => {
      this.minutes = Number(choice.value);
      this.draw();
    });
    this.element = el("div", {},
      el("p", {}, el("label", { for: "span" }, "The last "), choice), this.plot, legend(), this.summary);
    const timer = setInterval(() => !document.hidden && this.draw(), REDRAW_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.draw();
  }

  add(event) {
    const at = milliseconds(event);
    if (event.type === "clip") {
      const value = event["fused-score"] ?? event.score;
      const said = this.verdicts.get(event.track)?.at(-1)?.label;
      // A score is shown with what was said of the face by then, or with why it counts for nothing.
      const label = event.sufficient === false ? "insufficient" : (said ?? "insufficient");
      const why = because(event.sufficient === false ? "insufficient" : "", event.reason, event["reason-text"]);
      this.clips.push({ at, value, label, track: event.track, why });
      if (event.threshold !== undefined) this.threshold = event.threshold;
      if (this.clips.length > MOST) this.clips.shift();
    } else if (event.type === "verdict") {
      this.lane(event.track).push({ at, label: event.label, score: event.score });
      if (event.threshold !== undefined) this.threshold = event.threshold;
    } else if (event.type === "track-start") {
      this.lane(event.track).push({ at, label: "insufficient" });
    } else if (event.type === "track-end") {
      this.lane(event.track).push({ at, label: null });
    } else if (event.type === "alert") {
      this.alerts.push({ at, track: event.track, score: event.score });
    }
  }

  lane(track) {
    if (!this.verdicts.has(track)) this.verdicts.set(track, []);
    return this.verdicts.get(track);
  }

  // What was said of a face from when to when, within the span that is shown.
  spans(from, to) {
    const lanes = [];
    for (const [track, changes] of this.verdicts) {
      const parts = changes
        .map((change, n) => ({ ...change, until: changes[n + 1]?.at ?? to }))
        .filter((part) => part.label && part.until > from && part.at < to)
        .map((part) => ({ ...part, at: Math.max(part.at, from) }));
      if (parts.length) lanes.push({ track, parts });
    }
    return lanes.slice(-LANES);
  }

  draw() {
    const to = Date.now();
    const from = to - this.minutes * 60000;
    // One unit is one pixel, so that text is as large on a phone as elsewhere.
    const width = Math.max(this.plot.clientWidth || USUAL_WIDTH, LEAST_WIDTH);
    const right = width - RIGHT;
    const lanes = this.spans(from, to);
    const clips = this.clips.filter((clip) => clip.at >= from);
    const alerts = this.alerts.filter((alert) => alert.at >= from);
    const height = TOP + PLOT + 30 + lanes.length * LANE + (lanes.length ? 8 : 0);
    const x = (at) => LEFT + ((at - from) / (to - from)) * (right - LEFT);
    const y = (value) => TOP + (1 - value) * PLOT;
    const drawing = svg("svg", { class: "timeline", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Scores of clips over time; the table below says the same in words" });
    [0, 0.5, 1].forEach((value) => drawing.append(
      svg("line", { class: "grid", x1: LEFT, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1)),
    ));
    const ticks = width < 600 ? 2 : 4;
    for (let n = 0; n <= ticks; n += 1) {
      const at = from + ((to - from) * n) / ticks;
      const anchor = n === 0 ? "start" : n === ticks ? "end" : "middle";
      drawing.append(svg("text", { x: x(at), y: TOP + PLOT + 18, "text-anchor": anchor }, clock(new Date(at))));
    }
    if (this.threshold !== null)
      drawing.append(svg("line", { class: "threshold", x1: LEFT, x2: right, y1: y(this.threshold), y2: y(this.threshold) }));
    drawing.append(...clips.map((clip) => svg("circle", { class: `dot ${clip.label}`, cx: x(clip.at).toFixed(1), cy: y(clip.value).toFixed(1), r: 4 },
      svg("title", {}, `${faceName(clip.track)}, ${clip.label}: ${score(clip.value)}${clip.why ? `, ${clip.why}` : ""}`))));
    drawing.append(...alerts.map((alert) => svg("path", { class: "alert", d: `M${x(alert.at) - 7} ${TOP - 8}h14l-7 12z` },
      svg("title", {}, `Alert: ${faceName(alert.track)}, fake: ${score(alert.score)}`))));
    lanes.forEach((lane, n) => drawing.append(...drawLane(lane, x, TOP + PLOT + 30 + n * LANE)));
    this.plot.replaceChildren(drawing);
    this.summary.textContent = describe(clips, alerts, lanes);
  }
}

function drawLane({ track, parts }, x, top) {
  const name = svg("text", { x: LEFT - 6, y: top + 11, "text-anchor": "end" }, `face ${track}`);
  const bars = parts.map((part) => svg("rect", {
    class: `dot ${part.label}`, x: x(part.at).toFixed(1), y: top, rx: 2, height: LANE - 4,
    width: Math.max(x(part.until) - x(part.at), 2).toFixed(1),
  }, svg("title", {}, `${faceName(track)}: ${part.label}`)));
  return [name, ...bars];
}

// The drawing in words.
function describe(clips, alerts, lanes) {
  if (!clips.length && !lanes.length) return "Nothing was seen in this time.";
  const counts = LABELS.map((label) => [label, clips.filter((clip) => clip.label === label).length])
    .filter(([, count]) => count)
    .map(([label, count]) => `${count} of faces that were ${label}`);
  const scored = counts.length ? `${clips.length} scored clips: ${counts.join(", ")}.` : "No scored clip.";
  return `${scored} ${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"}. Upper part: each dot is the score of a clip, 0 (real) to 1 (fake); hollow ones count for nothing. Lower part: what was said of each face.`;
}

function legend() {
  const item = (shape, text) => el("li", {}, svg("svg", { class: "timeline", viewBox: "0 0 14 14", "aria-hidden": true }, shape), text);
  const dot = (label) => svg("circle", { class: `dot ${label}`, cx: 7, cy: 7, r: 5 });
  return el("ul", { class: "legend", "aria-label": "Legend" },
    item(dot("fake"), "fake"), item(dot("real"), "real"), item(dot("uncertain"), "uncertain"),
    item(dot("insufficient"), "insufficient: counts for nothing"),
    item(svg("path", { class: "alert", d: "M0 1h14l-7 12z" }), "alert"),
    item(svg("line", { class: "threshold", x1: 0, x2: 14, y1: 7, y2: 7 }), "threshold"));
}
