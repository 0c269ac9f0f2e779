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
    one("[data-erase]").hidden = !person;
  }

  function choices() {
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

  // What is used for what holds; what serves several purposes is one line. A visitor
  // has no account to be known by.
  function held() {
    const lines = new Map();
    for (const p of accord.person() ? accord.purposes().filter((p) => p.holds) : []) {
      const items = p.detail.find((d) => d.about === "used")?.items || [];
      for (const item of accord.person().user_id ? items : items.filter((_, i) => i !== p.account)) lines.set(item, [...lines.get(item) || [], p.title]);
    }
    list("held", [...lines].map(([item, titles]) => el("li", {}, item, " ", el("span", { class: "note" }, fill(w.me.for, { purposes: titles.join(", ") })))), w.me.heldNone);
  }

  // Any key can sign; which one it was says more.
  async function past() {
    const here = [session.signer, await accord.signer()].filter(Boolean);
    const by = (r) => !r.signed ? w.me.unsigned : here.includes(r.signature?.thumbprint) ? w.me.signed : w.me.signedOther;
    const lines = accord.history().flatMap((r) => r.choices.map((c) => ({ ...c, by: by(r) })));
    list("history", lines.reverse().map((c) => el("li", {}, time(c.at), ": ", el("strong", {}, title(c.purpose)), " ", w.states[c.state] || c.state,
      el("span", { class: "note" }, " (" + [w.methods[c.method] || c.method, c.by, c.late && w.me.late].filter(Boolean).join("; ") + ")"))), w.me.historyNone);
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

  function draw() { who(); choices(); held(); past(); }

  document.addEventListener("accord:change", () => { w = accord.words(); draw(); });
  one("[data-ask]").addEventListener("click", () => sure(true));
  one("[data-keep]").addEventListener("click", () => sure(false));
  one("[data-yes]").addEventListener("click", erase);
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
