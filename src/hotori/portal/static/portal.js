// What the live parts need beyond htmx: pausing, no row twice, no endless table, local times, late pictures.
"use strict";

const flow = { state: "live", button: null, label: null };

function showFlow(state) {
  flow.state = state;
  if (flow.label) flow.label.textContent = flow.label.dataset[state];
  if (flow.button) {
    const paused = state === "paused";
    flow.button.textContent = paused ? flow.button.dataset.resume : flow.button.dataset.pause;
    flow.button.setAttribute("aria-pressed", String(paused));
  }
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(time.dateTime);
    time.title = time.textContent;
    time.dataset.local = "";
    const today = moment.toDateString() === new Date().toDateString();
    const language = document.documentElement.lang;
    time.textContent = today ? moment.toLocaleTimeString(language) : moment.toLocaleString(language);
  }
}

function trim(table) {
  document.getElementById("empty")?.remove();
  while (table.rows.length > Number(table.dataset.limit)) table.rows[table.rows.length - 1].remove();
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  flow.label = document.getElementById("flow-state");
  flow.button = document.getElementById("flow-button");
  if (!flow.button) return;
  flow.button.hidden = false;
  flow.button.addEventListener("click", () => {
    // What came meanwhile is shown by asking for the page anew.
    if (flow.state === "paused") location.reload();
    else showFlow("paused");
  });
});

document.addEventListener("htmx:sseOpen", () => {
  if (flow.state === "lost") location.reload();
  else if (flow.state !== "paused") showFlow("live");
});

document.addEventListener("htmx:sseError", () => {
  if (flow.state !== "paused") showFlow("lost");
});

document.addEventListener("htmx:sseBeforeMessage", (event) => {
  const row = /id="(result-\d+)"/.exec(event.detail.data);
  const known = row && document.getElementById(row[1]);
  if (flow.state === "paused" || known) event.preventDefault();
});

document.addEventListener("htmx:sseMessage", () => {
  const table = document.getElementById("results");
  if (table) trim(table);
  localTimes(document);
});

// A prediction may be faster than its picture: ask again a few times before giving up.
document.addEventListener("error", (event) => {
  const picture = event.target;
  if (!(picture instanceof HTMLImageElement) || !picture.src.includes("/picture-files/")) return;
  const tries = Number(picture.dataset.tries || 0);
  if (tries >= 6) return;
  picture.dataset.tries = String(tries + 1);
  setTimeout(() => { picture.src = picture.src.split("?")[0] + "?try=" + (tries + 1); }, 500 * 2 ** tries);
}, true);

// A module's log: text is added at the end, which stays in sight while the reader is there; the oldest goes.
const LONGEST_LOG = 400000;

function followLog(view) {
  const label = document.getElementById("log-state");
  const button = document.getElementById("log-button");
  let paused = false, waiting = "", source = null;

  function show(state) { label.textContent = label.dataset[state]; }

  function add(text) {
    if (paused) { waiting = (waiting + text).slice(-LONGEST_LOG); return; }
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    view.append(text);
    if (view.childNodes.length > 500 || view.textContent.length > LONGEST_LOG) {
      view.textContent = view.textContent.slice(-LONGEST_LOG / 2);
    }
    if (atEnd) view.scrollTop = view.scrollHeight;
  }

  function end(words) {
    source.close();
    show("ended");
    button.hidden = true;
    const place = document.getElementById("log-problem");
    for (const text of words) {
      const line = document.createElement("p");
      line.textContent = text;
      place.append(line);
    }
  }

  source = new EventSource(view.dataset.address);
  // Each connection begins with the last lines again.
  source.addEventListener("open", () => { view.textContent = ""; waiting = ""; show(paused ? "paused" : "live"); });
  source.addEventListener("error", () => { if (source.readyState !== EventSource.CLOSED) show("lost"); });
  source.addEventListener("text", (event) => add(JSON.parse(event.data)));
  source.addEventListener("problem", (event) => end(JSON.parse(event.data)));
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    button.setAttribute("aria-pressed", String(paused));
    show(paused ? "paused" : "live");
    if (!paused) { const text = waiting; waiting = ""; add(text); }
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const view = document.getElementById("log");
  if (view) followLog(view);
});
