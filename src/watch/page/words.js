// What labels, reasons and numbers mean, in plain words.

import { el } from "./api.js";

const LABEL_TEXTS = {
  uncertain: "the evidence is not clear of the threshold",
  insufficient: "nothing can be said",
  unscored: "there is no classifier; the face is followed only",
};

const REASONS = {
  "no-operating-point": "the classifier has no threshold to hold scores against",
  "no-clip": "no clip of the face has been scored yet",
  "few-clips": "too few clips have been scored so far",
  "too-short": "the face has been seen for too short a time",
  "too-small": "the face is too small",
  blurred: "the face is blurred",
  "too-dark": "the face is too dark",
  "too-bright": "the face is too bright",
  "low-contrast": "the face has too little contrast",
  turned: "the face is turned away",
  "cut-off": "a part of the face is outside the picture",
  untrained: "the classifier has random weights, so that its scores mean nothing",
  "unknown-training": "nobody says how the classifier was trained, so that its scores are no verdicts",
};

// A word as a tag; words that are not known are shown as they are.
export function tag(word, kind = word) {
  const known = /^[a-z]+$/.test(kind) ? kind : "quiet";
  return el("span", { class: `tag ${known}` }, word);
}


// Why there is no verdict, in words; with the numbers where they are known.
export function because(label, reason, text) {
  if (reason) {
    const words = REASONS[reason] ?? reason;
    return text && text !== reason ? `${words} (${text})` : words;
  }
  return LABEL_TEXTS[label] ?? "";
}

const WARNINGS = {
  UNTRAINED: "random weights: the score means nothing",
  "UNKNOWN TRAINING": "nobody says how the classifier was trained: the score is no verdict",
  "DRAWN FACES ONLY": "exact for the drawn faces of a demonstration, and for nothing else",
  UNCALIBRATED: "how far the score can be believed has not been measured",
};

// What a reader must know of whoever scored, as words.
function warningWords({ training, calibrated }) {
  return [
    training === "untrained" ? "UNTRAINED" : null,
    training === "unknown" ? "UNKNOWN TRAINING" : null,
    training === "analytic" ? "DRAWN FACES ONLY" : null,
    training && calibrated === false ? "UNCALIBRATED" : null,
  ].filter((word) => word);
}

// The same as tags, which stand beside each score.
export function warningTags(scored) {
  return warningWords(scored).map((word) => [" ", tag(word, "warning")]);
}

// And what they mean, once for all that are shown together.
export function warningTexts(scores) {
  const words = [...new Set(scores.flatMap(warningWords))];
  return words.map((word) => el("p", { class: "muted" }, tag(word, "warning"), ` ${WARNINGS[word]}`));
}

export function score(value) {
  return value === null || value === undefined ? "no score" : `score ${value.toFixed(2)}`;
}

// The likelihood ratio in words. `llr` is its natural logarithm.
export function ratio(llr) {
  if (llr === null || llr === undefined) return "";
  const times = Math.exp(Math.min(Math.abs(llr), Math.log(1e6)));
  if (times < 1.05) return "as likely for a fake as for a real video";
  const more = Math.abs(llr) > Math.log(1e6) ? "more than " : "";
  const number = times >= 10 ? Math.round(times).toLocaleString("en") : times.toFixed(1);
  return `${more}${number} times likelier for a ${llr > 0 ? "fake" : "real"} video`;
}

export function faceName(track) {
  return track === null || track === undefined ? "Face that is not followed" : `Face ${track}`;
}

// One face with its label, and everything that a reader of its score must know.
export function faceLine(face) {
  const numbers = [score(face.score), ratio(face.llr)].filter((text) => text);
  const why = because(face.label, face.reason, face["reason-text"]);
  return el(
    "li",
    {},
    el("div", {}, tag(face.label), ` ${faceName(face.track)}: ${numbers.join(", ")}`, warningTags(face)),
    why ? el("div", { class: "muted" }, why) : null,
  );
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function format(formatter, text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : formatter.format(date);
}

export function time(text) {
  return el("time", { datetime: text }, format(TIME, text));
}

export function moment(text) {
  return el("time", { datetime: text }, format(MOMENT, text));
}

export function clock(date) {
  return TIME.format(date);
}

export function bytes(count) {
  if (count === null || count === undefined) return "unknown";
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).map(([value, unit]) => `${value} ${unit}`).join(" ");
}
