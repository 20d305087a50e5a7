// The page: which view is shown, and what is the same in all of them.

import { el, follow, getJson, onConnection } from "./api.js";
import { clock } from "./words.js";
import { pictures } from "./wall.js";
import * as wall from "./wall.js";
import * as camera from "./camera.js";
import * as alerts from "./alerts.js";
import * as health from "./health.js";

const main = document.getElementById("main");

// Views by address. Each shows itself until its signal is aborted.
const ROUTES = [
  [/^$/, wall, "Cameras", "#/"],
  [/^cameras\/([A-Za-z0-9_-]{1,64})$/, camera, "Camera", "#/"],
  [/^alerts$/, alerts, "Alerts", "#/alerts"],
  [/^health$/, health, "Models and health", "#/health"],
];

let current = null;

function show(byReader) {
  const path = location.hash.replace(/^#\/?/, "");
  const found = ROUTES.map(([pattern, ...route]) => [pattern.exec(path), ...route]).find(([match]) => match);
  const [match, view, title, entry] = found ?? [null, null, "Not found", null];
  current?.abort();
  current = new AbortController();
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.getAttribute("href") === entry) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  const heading = el("h1", { tabindex: -1 }, title);
  main.replaceChildren(heading);
  document.title = `${title} – m2sd watch`;
  if (view) view.show(main, current.signal, match[1], heading);
  else main.append(el("p", {}, "There is nothing here. ", el("a", { href: "#/" }, "To the cameras")));
  // Whoever reads by voice or moves by keyboard is where the new content begins.
  if (byReader) heading.focus();
}

function connection() {
  const banner = document.getElementById("lost");
  onConnection((lostSince) => {
    document.body.classList.toggle("is-lost", lostSince !== null);
    banner.hidden = lostSince === null;
    banner.replaceChildren(
      ...(lostSince === null
        ? []
        : [el("p", {}, `The server has not answered since ${clock(lostSince)}. What you see is old. Trying again …`)]),
    );
  });
}

function pause() {
  const button = document.getElementById("pause");
  const set = (paused) => {
    button.setAttribute("aria-pressed", String(paused));
    pictures.paused = paused;
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
  // Whoever wants no motion decides when there is some.
  set(matchMedia("(prefers-reduced-motion: reduce)").matches);
}

// Alerts are told wherever the reader is.
function announce() {
  const place = document.getElementById("announcements");
  follow({ type: "alert" }, null, new AbortController().signal, (event) => {
    place.textContent = `Alert: camera ${event.camera}, face ${event.track}, label ${event.label}`;
  });
}

// The address stays that of the view.
function skip() {
  document.querySelector(".skip").addEventListener("click", (click) => {
    click.preventDefault();
    main.focus();
  });
}

// Whoever had to log in may log out.
async function login() {
  try {
    const status = await getJson("/api/v1/status");
    document.getElementById("logout").hidden = !status["needs-token"];
  } catch {
    setTimeout(login, 5000);
  }
}

connection();
pause();
announce();
skip();
login();
addEventListener("hashchange", () => show(true));
// A page that is kept for the way back must not go on asking.
addEventListener("pagehide", () => current?.abort());
addEventListener("pageshow", (event) => event.persisted && show(false));
show(false);
