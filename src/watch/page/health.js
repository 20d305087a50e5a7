// The networks, and how the service does.

import { el, poll, replace } from "./api.js";
import { bytes, duration, moment, tag, warningTexts } from "./words.js";

const EVERY_MS = 2000;

function table(caption, columns, rows, empty) {
  if (!rows.length) return el("p", { class: "muted" }, empty);
  const kind = (column) => (column.startsWith("#") ? "number" : null);
  const head = columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.replace("#", "")));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, n) =>
    n === 0 ? el("th", { scope: "row" }, cell) : el("td", { class: kind(columns[n]) }, cell))));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

const percent = (part) => (part === null || part === undefined ? "unknown" : `${Math.round(part * 100)} %`);
const count = (value) => value.toLocaleString("en");

function models(answer) {
  const rows = answer.models.map((model) => [
    model.name,
    model.role,
    [model.provider, model.precision].filter((text) => text).join(", "),
    model.role === "classifier"
      ? [model.training === "trained" ? el("div", {}, "trained") : null,
         model.calibrated ? el("div", {}, "calibrated") : null,
         warningTexts([model])]
      : "finds faces, and has no say in verdicts",
    percent(model.busy),
    model.sha256 ? el("code", { title: model.sha256 }, model.sha256.slice(0, 12)) : "unknown",
  ]);
  return table("Networks", ["Network", "Role", "Runs on", "What is known of it", "#Busy", "SHA-256"], rows,
    "No network is loaded yet.");
}

function service(status) {
  const process = status.process;
  const rows = [
    ["State", status.ready ? tag("ready", "ok") : tag("starting", "connecting")],
    ["Version", status.version],
    ["Running for", duration(status["uptime-seconds"])],
    ["Memory", bytes(process["resident-bytes"])],
    ["Threads", String(process.threads ?? "unknown")],
    ["Open files", String(process["open-files"] ?? "unknown")],
  ];
  return rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

function spool(status) {
  const { spool } = status;
  const lines = [
    `${count(spool.events)} events are kept, ${bytes(spool.bytes)}`,
    spool.queued ? `${count(spool.queued)} wait for the disk` : null,
    spool.refused ? `${count(spool.refused)} could not be kept` : null,
  ].filter((text) => text).join("; ");
  const rows = spool.sinks.map((sink) => [
    sink.name,
    count(sink.depth),
    count(sink.delivered),
    count(sink.dropped),
    sink["last-error"] ? [tag("failing", "failed"), ` ${sink["last-error"]}`] : tag("ok"),
  ]);
  return [
    el("p", {}, lines, spool.oldest ? [", the oldest of ", moment(spool.oldest)] : null, "."),
    spool.failure ? el("p", {}, tag("failed"), ` ${spool.failure}`) : null,
    table("Where events are sent", ["Sent to", "#Waiting", "#Delivered", "#Lost", "State"], rows,
      "Events are sent nowhere; they are kept here only."),
  ];
}

function cameras(answer) {
  const rows = answer.cameras.map((camera) => {
    const figures = camera.figures;
    return [
      el("a", { href: `#/cameras/${camera.id}` }, camera.name),
      tag(camera.state),
      count(figures["frames-in"]),
      count(figures["clips-scored"]),
      count(figures["clips-skipped"]),
      count(figures["clips-failed"]),
      `${figures["latency-p95-ms"].toFixed(0)} ms`,
      count(figures.reconnects),
      count(figures.abandoned),
    ];
  });
  return table("Cameras", ["Camera", "State", "#Frames", "#Clips", "#Skipped", "#Failed", "#Latency (95 %)", "#Reconnects", "#Abandoned"],
    rows, "There is no camera.");
}

export function show(main, signal) {
  const part = (title, path, element, render) => {
    main.append(el("section", { class: "box" }, el("h2", {}, title), element));
    poll(path, signal, (answer, error) =>
      replace(element, error ? el("p", {}, tag("failed"), ` ${error.message}`) : render(answer)), EVERY_MS);
  };
  part("Networks", "/api/v1/models", el("div", {}), models);
  const facts = el("dl", {});
  const events = el("div", {});
  main.append(el("section", { class: "box" }, el("h2", {}, "Service"), facts));
  part("Cameras", "/api/v1/cameras", el("div", {}), cameras);
  main.append(el("section", { class: "box" }, el("h2", {}, "Events"), events));
  poll("/api/v1/status", signal, (status, error) => {
    if (error) return;
    replace(facts, service(status));
    replace(events, spool(status));
  }, EVERY_MS);
}
