// The customer's own page. Who they are comes in the address's fragment, which
// no server sees, and stays in this entry of the tab's history.
"use strict";
(async () => {
  const one = (selector) => document.querySelector(selector);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const session = take();

  function el(tag, attributes, ...children) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) if (v !== false) e.setAttribute(k, v === true ? "" : v);
    e.append(...children);
    return e;
  }

  // take reads who it is from the fragment, and takes it out of the address, which
  // others may see. It is kept under a number that this entry of the history knows:
  // a reload goes on, a page that is opened afresh knows nobody, and none does after
  // accord.js signed out.
  function take() {
    const said = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    if (said.key) said.at = crypto.getRandomValues(new Uint32Array(2)).join("-");
    if (said.at) history.replaceState({ at: said.at }, "", location.pathname + location.search);
    try {
      if (said.key) keep(said);
      const kept = JSON.parse(sessionStorage.getItem("me"));
      return kept?.at === history.state?.at && kept || {};
    } catch { return said; } // storage is forbidden: until the page is left
  }

  function keep(session) { sessionStorage.setItem("me", JSON.stringify(session)); }

  function close() {
    try { sessionStorage.removeItem("me"); } catch { /* forbidden */ }
    location.replace(location.pathname + location.search);
  }

  if (!session.key) {
    one("[data-closed]").hidden = false;
    return;
  }

  let w, reading;
  const date = (t) => new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" }).format(new Date(t));
  const day = (t) => new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long" }).format(new Date(t));
  const time = (t) => el("time", { datetime: t }, date(t));
  const title = (id) => accord.purposes().find((p) => p.id === id)?.title || id;
  const say = (text) => { one("[data-said]").textContent = text; };
  const fail = (text) => { one("[data-fault]").textContent = text; };
  const list = (name, items, none) => one(`[data-part="${name}"]`).replaceChildren(...(items.length ? items : [el("li", { class: "none" }, none)]));

  // ---- the parts --------------------------------------------------------------

  function who() {
    const person = accord.person();
    one("[data-who]").textContent = !person ? w.me.nobody : person.user_id ? fill(w.me.customer, { id: person.user_id }) : w.me.visitor;
    one("[data-linked]").hidden = !accord.linked();
    one("[data-not-me]").hidden = !accord.linked() || !accord.people().some((p) => p.anonymous_id);
    one("[data-erase]").hidden = !person;
  }

  // signal says that the browser's privacy signal is honoured, and what that changes.
  function signal() {
    const refused = accord.signalRefuses();
    one("[data-signal]").hidden = !accord.signalled();
    one("[data-signal]").textContent = refused.length ? fill(w.me.signal, { purposes: refused.map((p) => p.title).join(", ") }) : w.me.signalNone;
  }

  function choices() {
    signal();
    const ordered = [...accord.purposes()].sort((a, b) => b.choosable - a.choosable);
    list("choices", ordered.map((p) => {
      const id = "p-" + p.id;
      const knob = p.choosable && accord.person()
        ? el("button", { type: "button", class: "switch", role: "switch", id: "b-" + p.id, "aria-checked": String(p.holds), "aria-labelledby": id, "aria-describedby": "t-" + p.id },
          el("span", { class: "knob", "aria-hidden": "true" }), el("span", { class: "state", "aria-hidden": "true" }, p.holds ? w.me.on : w.me.off))
        : "";
      if (knob) knob.addEventListener("click", () => flip(p.id, !p.holds));
      return el("li", {},
        el("div", { class: "head" }, el("h3", { id }, p.title), knob),
        el("p", { id: "t-" + p.id }, p.sentence),
        p.choosable ? el("p", { class: "note" }, standing(p)) : el("p", { class: "note" }, fill(w.me.fixed, { why: w.me[p.basis] || p.basis })),
        accord.more(p));
    }));
  }

  function standing(p) {
    if (session.refused && !accord.person() && !p.holds) return w.me.refused;
    if (p.state === "unset") return p.holds ? w.states.given : w.reasons.no_choice;
    return (p.holds || p.state !== "given" ? w.states[p.state] : w.reasons[p.reason] || p.why) + (p.since ? ", " + date(p.since) : "");
  }

  // newest runs what asks the server, and shows what the last asking brought.
  function newest(ask, show) {
    let turn = 0;
    return async () => {
      const mine = ++turn;
      const answer = await (accord.person() ? ask().catch(() => null) : {});
      if (mine === turn) show(answer);
    };
  }

  const aboutMe = (path, more) => accord.call("GET", path + "?" + new URLSearchParams({ ...accord.person(), ...more }));

  const line = (text, ...notes) => el("li", {}, el("strong", {}, text), ...notes.filter(Boolean).map((n) => el("p", { class: "note" }, n)));

  const often = (c) => [fill(w.me.heldSince, { count: c.count, since: day(c.since) }), c.until && fill(w.me.heldUntil, { until: day(c.until) })].filter(Boolean).join("; ");

  function use(d) {
    const titles = (list) => list.map((p) => p.title).join(", ");
    if (d.purposes.length === 0) return w.me.heldUnused;
    return d.in_use ? fill(w.me.for, { purposes: titles(d.purposes.filter((p) => p.in_use)) }) : fill(w.me.heldWaits, { purposes: titles(d.purposes) });
  }

  const held = newest(() => aboutMe("/v1/held", { language: document.documentElement.lang }), (h) => {
    if (!h) return list("held", [], w.me.heldFault);
    const beside = [[w.me.heldUndeclared, h.undeclared], [w.me.heldChoices, h.choices, h.records], [w.me.heldReceipts, h.receipts]];
    list("held", [
      ...(h.complete === false ? [el("li", {}, w.me.heldPartial)] : []),
      ...(h.data || []).map((d) => line(d.text, often(d), use(d))),
      ...(h.identifiers || []).map((i) => line(i.text, w.me.heldID)),
      ...beside.filter(([, c]) => c?.count).map(([text, c, note]) => line(text, often(c), note)),
    ], w.me.heldNone);
  });

  // Any key can sign; which one it was says more.
  async function past() {
    const here = [session.signer, await accord.signer()].filter(Boolean);
    const by = (r) => !r.signed ? w.me.unsigned : here.includes(r.signature?.thumbprint) ? w.me.signed : w.me.signedOther;
    // A choice that reached several ids of the person was made once.
    const lines = new Map();
    for (const r of accord.history()) {
      for (const c of r.choices) {
        const once = [c.purpose, c.state, c.at, c.method].join();
        if (!lines.has(once)) lines.set(once, { ...c, by: by(r), as: r.visitor && w.me.asVisitor });
      }
    }
    list("history", [...lines.values()].reverse().map((c) => el("li", {}, time(c.at), ": ", el("strong", {}, title(c.purpose)), " ", w.states[c.state] || c.state,
      el("span", { class: "note" }, " (" + [w.methods[c.method] || c.method, c.as, c.by, c.late && w.me.late].filter(Boolean).join("; ") + ")"))), w.me.historyNone);
  }

  const settled = 1500; // ms until the server can read back the receipt of an answer

  async function receipts() {
    await new Promise((resolve) => setTimeout(resolve, Number(session.answered || 0) + settled - Date.now()));
    const ids = (session.receipts || "").split(",").filter(Boolean);
    const found = await Promise.all(ids.map((id) => accord.call("GET", "/v1/receipts/" + encodeURIComponent(id)).catch(() => null)));
    list("receipts", found.filter(Boolean).map((r) => el("li", {},
      el("p", {}, time(r.time), ": ", el("strong", {}, r.personal ? w.me.personal : w.me.general)),
      el("p", {}, r.used.length ? fill(w.me.used, { what: r.used.map((u) => (w.kinds[u.kind] || u.kind) + ": " + u.count).join(", ") }) : w.me.usedNone),
      el("p", { class: "note" }, fill(w.me.why, { why: r.decision === "allowed" && !r.personal ? w.me.nothing : w.reasons[r.decision] || r.why })),
      el("p", { class: "note" }, fill(w.me.receipt, { id: r.id })))), w.me.receiptsNone);
  }

  // ---- what is told -------------------------------------------------------------

  const told = newest(() => accord.telling().length ? aboutMe("/v1/preferences") : Promise.resolve({}), (answer) => {
    const holds = answer?.purposes?.some((p) => p.holds);
    one("[data-told]").hidden = !answer?.purposes?.length;
    one("[data-tell]").hidden = one('[data-part="told"]').hidden = !holds;
    one("[data-needs]").hidden = holds;
    one("[data-needs]").textContent = holds ? "" : fill(w.me.toldNeeds, { purposes: (answer?.purposes || []).map((p) => title(p.purpose)).join(", ") });
    for (const button of document.querySelectorAll("[data-tell] button")) button.hidden = !accord.telling().includes(button.value);
    const preferences = answer?.preferences || {};
    one("[data-tell]").preferences = preferences;
    list("told", [["likes", w.me.youLike], ["avoids", w.me.youAvoid]].flatMap(([path, frame]) => (preferences[path] || []).map((category) => {
      const text = fill(frame, { category });
      const back = el("button", { type: "button", "aria-label": w.me.remove + ": " + text }, w.me.remove);
      back.addEventListener("click", () => tell({ [path]: preferences[path].filter((c) => c !== category) }));
      return el("li", { class: "head" }, text, back);
    })), w.me.toldNone);
  });

  async function tell(preferences) {
    fail("");
    try {
      const { kept } = await accord.tell(preferences);
      if (kept) say(w.me.saidTold);
      else fail(w.me.fault);
    } catch {
      fail(w.me.fault);
    }
    one("#category").focus();
  }

  const categories = async (prefix, limit) => (await accord.call("GET", "/v1/categories?" + new URLSearchParams({ prefix, limit }))).categories.map((c) => c.name);

  let typed;
  async function suggest() {
    const mine = typed = one("#category").value;
    const found = await categories(mine, 20).catch(() => []);
    if (mine === typed) one("#categories").replaceChildren(...found.map((value) => el("option", { value })));
  }

  // choose tells what stands in the field, if the shop has it. What is liked is not
  // avoided too.
  async function choose(event) {
    event.preventDefault();
    fail("");
    const path = event.submitter?.value || "likes", value = one("#category").value.trim();
    const preferences = event.target.preferences;
    const name = (await categories(value, 500).catch(() => [])).find((c) => c.toLowerCase() === value.toLowerCase());
    if (!name) return fail(w.me.toldUnknown);
    if ((preferences[path] || []).length >= 20) return fail(w.me.toldFull);
    one("#category").value = "";
    const change = { [path]: [...new Set([...preferences[path] || [], name])] };
    const other = accord.telling().find((p) => p !== path && preferences[p]?.includes(name));
    if (other) change[other] = preferences[other].filter((c) => c !== name);
    await tell(change);
  }

  // ---- what can be done ---------------------------------------------------------

  async function flip(id, on) {
    if (reading) return;
    reading = true;
    fail("");
    try {
      await accord.choose({ [id]: on }, { method: "portal", evidence: "switch on /me" });
      say(fill(on ? w.me.saidOn : w.me.saidOff, { purpose: title(id) }));
    } catch {
      fail(w.me.fault);
    } finally {
      reading = false;
    }
    document.getElementById("b-" + id)?.focus();
  }

  function sure(open) {
    one("[data-sure]").hidden = !open;
    one("[data-ask]").hidden = open;
    one(open ? "[data-keep]" : "[data-ask]").focus();
  }

  async function erase() {
    fail("");
    try {
      for (const person of accord.people()) await accord.call("POST", "/v1/erase", { person });
      await accord.forget();
      for (const name of ["visitor", "shop", "receipts", "refused", "signer"]) session[name] = "";
      try { keep(session); } catch { /* forbidden */ }
      await receipts();
      say(w.me.erased);
    } catch {
      fail(w.me.fault);
    }
    sure(false);
  }

  async function notMe() {
    fail("");
    try {
      await accord.part();
      session.shop = "";
      try { keep(session); } catch { /* forbidden */ }
      say(w.me.parted);
    } catch {
      fail(w.me.fault);
    }
    one("[data-close]").focus(); // the button is gone
  }

  function draw() { who(); choices(); held(); told(); past(); }

  document.addEventListener("accord:change", () => { w = accord.words(); draw(); });
  one("[data-ask]").addEventListener("click", () => sure(true));
  one("[data-keep]").addEventListener("click", () => sure(false));
  one("[data-yes]").addEventListener("click", erase);
  one("[data-not-me]").addEventListener("click", notMe);
  one("[data-tell]").addEventListener("submit", choose);
  one("#category").addEventListener("focus", suggest);
  one("#category").addEventListener("input", suggest);
  one("[data-close]").addEventListener("click", close);
  for (const a of document.querySelectorAll("nav a")) a.hash = "at=" + session.at; // it is the same entry in another language
  if (/^https?:/.test(session.back)) {
    one("[data-back]").href = session.back;
    one("[data-back]").hidden = false;
  }
  try {
    await accord.init({
      url: location.origin, key: session.key, visitor: session.visitor, shopToken: session.shop,
      language: document.documentElement.lang, banner: false, storage: { getItem: () => null, setItem() {}, removeItem() {} },
    });
    one("main").hidden = false;
    await receipts();
  } catch (e) {
    fail(document.body.dataset.sorry);
    throw e;
  }
})();
