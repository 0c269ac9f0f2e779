// The live part of the demo page. All markup comes escaped from the server;
// this script only puts it in its place.
"use strict";

const one = (selector, root = document) => root.querySelector(selector);
const part = (name, root = document) => one(`[data-part="${name}"]`, root);
const keep = 40; // rows of a panel

function parse(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  return t.content;
}

// ---- the chosen customer -------------------------------------------------

const picker = one("#customer");
const problem = one("[data-problem]");
let asked = 0; // the newest question; an older one's answer is passed over

// post sends a form's values and swaps in the parts that come back.
async function post(action, values, compare) {
  const mine = ++asked;
  document.body.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(action, {
      method: "POST", body: new URLSearchParams(values), headers: { "Accord-Parts": "1" },
    });
    const text = await response.text();
    if (mine !== asked) return;
    problem.textContent = response.ok ? "" : text;
    if (response.ok) swap(parse(text), compare);
  } catch {
    if (mine === asked) problem.textContent = "The server does not answer. Is it still running? Try again.";
  } finally {
    if (mine === asked) document.body.removeAttribute("aria-busy");
  }
}

// swap shows the new switches and the new answer; compare keeps the old answer
// beside it.
function swap(fresh, compare) {
  const switches = part("switches", fresh), answer = part("answer", fresh);
  const id = switches.dataset.id, chosen = one("[data-chosen]");
  const now = part("answer"), before = part("before");
  if (compare) {
    before.replaceChildren(...now.cloneNode(true).childNodes);
    mark(answer, before);
  } else if (id !== chosen.value) {
    before.replaceChildren(...blank.cloneNode(true).childNodes);
  }
  const focused = document.activeElement?.id;
  part("switches").replaceChildren(...switches.childNodes);
  now.replaceChildren(...answer.childNodes);
  if (focused) document.getElementById(focused)?.focus();
  one("[data-said]").textContent = switches.dataset.said;
  chosen.value = id;
  // The list is as old as the page; a newer customer joins it when chosen.
  if (![...picker.options].some((o) => o.value === id)) picker.add(new Option(switches.dataset.name, id));
  picker.value = id;
  history.replaceState(null, "", "?customer=" + encodeURIComponent(id));
}
const blank = part("before").cloneNode(true);

// mark points out the products that were not in the answer before.
function mark(answer, before) {
  const old = new Set([...before.querySelectorAll("[data-item]")].map((e) => e.dataset.item));
  for (const e of answer.querySelectorAll("[data-item]")) {
    if (old.has(e.dataset.item)) continue;
    e.classList.add("fresh");
    const note = document.createElement("small");
    note.textContent = "new";
    e.append(note);
  }
}

document.addEventListener("submit", (e) => {
  const live = e.target.dataset.live;
  if (!live) return;
  e.preventDefault();
  post("/demo/" + live, new FormData(e.target), live === "choice");
});

picker.addEventListener("change", () => post("/demo/show", { customer: picker.value }, false));

document.addEventListener("click", (e) => {
  const link = e.target.closest?.("a[data-customer]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  post("/demo/show", { customer: link.dataset.customer }, false);
});

// ---- what happens ---------------------------------------------------------

const link = one("[data-link]"), pause = one("[data-pause]"), missed = one("[data-missed]");
let paused = false;

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
});

const stream = new EventSource("/demo/events");
stream.onopen = () => say("live");
stream.onerror = () => say("connecting again");

function say(state) {
  link.textContent = state;
  link.classList.toggle("on", state === "live");
}

for (const name of ["events", "decisions", "refusals"]) {
  const list = document.getElementById(name);
  stream.addEventListener(name, (e) => {
    if (paused) return;
    list.prepend(parse(JSON.parse(e.data).html));
    while (list.children.length > keep) list.lastElementChild.remove();
  });
}

stream.addEventListener("counters", (e) => {
  const c = JSON.parse(e.data);
  for (const name of ["events", "decisions", "refused", "share"]) one(`[data-count="${name}"]`).textContent = c[name];
  missed.hidden = c.missed === 0;
  missed.textContent = `${c.missed.toLocaleString("en")} more happened than the lists can show`;
});
