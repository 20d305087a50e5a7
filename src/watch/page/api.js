// What the page asks of the server, and whether the server still answers.

const POLL_MS = 1000;
const TIMEOUT_MS = 10000;
// Events that are asked for at once, and the id before all others.
const PART = 1000;
const NO_ID = "0".repeat(26);

// The last time that the server answered, and who wants to know when that changes.
const link = { lostSince: null, listeners: new Set() };

function answered() {
  if (link.lostSince === null) return;
  link.lostSince = null;
  link.listeners.forEach((listener) => listener(null));
}

function failed() {
  if (link.lostSince !== null) return;
  link.lostSince = new Date();
  link.listeners.forEach((listener) => listener(link.lostSince));
}

export function onConnection(listener) {
  link.listeners.add(listener);
}

// The answer to a request. A server that does not answer, and one that wants a login, are dealt with.
async function request(path, signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const both = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let response;
  try {
    response = await fetch(path, { signal: both, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    failed();
    throw new Error("the server does not answer");
  }
  answered();
  if (response.status === 401) {
    location.assign("/login");
    throw new Error("a login is needed");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `the server answers ${response.status}`);
}

export async function getJson(path, signal) {
  return (await request(path, signal)).json();
}

export async function getPicture(camera, signal) {
  const path = `/api/v1/cameras/${encodeURIComponent(camera)}/snapshot.jpg`;
  return (await request(path, signal)).blob();
}

// Asks again and again until the view ends. A hidden page asks for nothing.
export function poll(path, signal, show, everyMs = POLL_MS) {
  const ask = async () => {
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        const answer = await getJson(path, signal);
        if (signal.aborted) return;
        show(answer, null);
      } catch (error) {
        if (signal.aborted) return;
        show(null, error);
      }
    }
    setTimeout(ask, everyMs);
  };
  ask();
}

// Events as they happen, behind those that are known, until the view ends. They are asked for again and
// again: a stream would hold one of the six connections that a browser has to a server, in all tabs
// together.
export async function follow(filter, after, signal, show) {
  let last = after;
  while (!signal.aborted) {
    try {
      if (last === null || last === undefined) last = await newest(signal);
      else if (!document.hidden) last = await catchUp(filter, last, signal, show);
    } catch {
      // The next try comes soon, and the reader is told that the server is lost.
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function newest(signal) {
  const { events } = await getJson("/api/v1/events?limit=1", signal);
  return events[0]?.id ?? NO_ID;
}

async function catchUp(filter, after, signal, show) {
  let last = after;
  for (;;) {
    const query = new URLSearchParams({ ...filter, after: last, limit: PART });
    const { events } = await getJson(`/api/v1/events?${query}`, signal);
    for (const event of events) {
      if (signal.aborted) return last;
      show(event);
      last = event.id;
    }
    if (events.length < PART) return last;
  }
}

// An element with attributes and children; text stays text, whatever it holds.
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// Puts children in the place of those that are there, unless they say the same: what somebody has
// focused, selected or is being read stays.
export function replace(element, ...children) {
  const next = el("div", {}, ...children);
  if (next.innerHTML === element.innerHTML) return;
  element.replaceChildren(...next.childNodes);
}
