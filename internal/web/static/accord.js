// accord.js asks people what may be used, keeps to it, and lets them change it.
//
//   <script src="https://accord.example/accord.js" defer></script>
//
//   accord.init({ url, key, shopToken?, language?, banner? })   // once a page
//   accord.consent("personalization")                           // true or false, now
//   accord.choose({ personalization: true })                    // signed, in force when it resolves
//   accord.track("Product Viewed", { product_id: "P-1" })
//   accord.tell({ likes: ["Green tea"], avoids: [] })           // categories; the next answer follows
//   accord.decide({ n: 8 })                                     // items, personal, receipt
//   accord.identify(shopToken, traits?)                         // the shop vouches for a customer
//   accord.signOut()                                            // who comes next is somebody else
//   accord.ask()                                                // opens the choices again
//   accord.me()                                                 // address of the person's own page
//
// "accord:change" is sent to document whenever a choice may have changed.
//
// Nothing is stored in the browser and no id is made before there is something
// that may be used: who refuses all stays nobody. An event leaves with the fields
// that the choices of the moment allow, and not at all where they allow none. The
// server holds to the same rules; here they keep data from leaving.
//
// It needs nothing else, has no inline code or style, and runs under
// "script-src SERVER; connect-src SERVER" without more.
"use strict";
(() => {
  const WORDS = {}; // by language; the server fills it in, and the banner's style
  const STYLE = "";
  const MAX_QUEUE = 100, MAX_RECEIPTS = 10, BATCH = 20, LINGER = 2000;
  const USE = 'call accord.init({ url: "https://accord.example", key: "wk_…" })';

  let config, words, notice, declaration;
  let purposes = [], history = [], linked = false;
  let memory = blank();
  let begin;
  const ready = new Promise((resolve) => { begin = resolve; });

  // ---- what the browser keeps ------------------------------------------------

  // known is the person of whom the server held a choice when it was last asked.
  function blank() { return { visitor: "", refused: "", known: "", queue: [], receipts: [], answered: 0 }; }

  // Storage may be forbidden; then the page remembers until it is left.
  function load() {
    try { Object.assign(memory, JSON.parse(config.storage.getItem(config.name))); } catch { /* as new */ }
  }

  function save() {
    try {
      if (JSON.stringify(memory) === JSON.stringify(blank())) config.storage.removeItem(config.name);
      else config.storage.setItem(config.name, JSON.stringify(memory));
    } catch { /* until the page is left */ }
  }

  // ---- who it is --------------------------------------------------------------

  const visitorID = () => memory.visitor.split(".")[1] || "";

  const userID = () => subject(config.shopToken);

  function subject(token) {
    try {
      const claims = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (c) => c.charCodeAt(0)))).sub || "";
    } catch { return ""; }
  }

  // people are the customer and the visitor, as far as they are known here; person
  // is the one whose choices count.
  const people = () => [userID() && { user_id: userID() }, visitorID() && { anonymous_id: visitorID() }].filter(Boolean);
  const person = () => people()[0] || null;

  let becoming;
  async function somebody() {
    if (person()) return;
    becoming ||= call("POST", "/v1/visitor").finally(() => { becoming = null; });
    memory.visitor = (await becoming).token;
    save();
  }

  // ---- the server --------------------------------------------------------------

  // reach is fetch that says where a developer looks what may be wrong: the browser
  // itself hides from the page why it let nothing through.
  let leaving = false;
  async function reach(path, options) {
    try {
      return await fetch(config.url + path, { credentials: "omit", referrerPolicy: "no-referrer", ...options });
    } catch (e) {
      if (!leaving) console.error(`accord: ${config.url} did not answer; is it running, and is the key made with --origin ${location.origin}?`);
      throw e;
    }
  }

  async function call(method, path, body) {
    const headers = { Authorization: "Bearer " + config.key };
    if (memory.visitor) headers["Accord-Visitor"] = memory.visitor;
    if (config.shopToken) headers["Accord-Shop-Token"] = config.shopToken;
    if (config.jurisdiction) headers["Accord-Jurisdiction"] = config.jurisdiction;
    if (body) headers["Content-Type"] = "application/json";
    const response = await reach(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (["bad_key", "origin"].includes(answer.code)) console.error("accord: " + answer.detail);
    throw Object.assign(new Error(answer.detail || response.statusText), { status: response.status, code: answer.code });
  }

  // A public text: without a key, and the browser may keep it.
  async function text(path) {
    const response = await reach(path);
    if (!response.ok) throw new Error(path + ": " + response.status);
    return response.json();
  }

  // ---- what holds ----------------------------------------------------------------

  async function refresh() {
    let answer = { purposes: [], history: [] };
    if (person()) {
      try {
        answer = await call("GET", "/v1/consent?" + new URLSearchParams(person()));
      } catch (e) {
        if (e.code !== "bad_proof") throw e;
        // A proof has ended. The shop's ends first; then the visitor is nobody again.
        if (config.shopToken) config.shopToken = ""; else memory.visitor = "";
        save();
        return refresh();
      }
    }
    if (forgotten(answer)) return refresh();
    const by = Object.fromEntries(answer.purposes.map((p) => [p.purpose, p]));
    history = answer.history;
    linked = Boolean(answer.linked);
    purposes = notice.purposes.map((n) => {
      const d = declaration.purposes.find((p) => p.id === n.id) || {};
      const unasked = d.signal && signalled() ? { holds: false, reason: "signal" } : d.basis === "consent" ? { holds: false, reason: "no_choice" } : { holds: true, reason: "allowed" };
      return { ...n, basis: d.basis, choosable: Boolean(d.choosable), signal: Boolean(d.signal), account: account(n.id), state: "unset", ...unasked, ...by[n.id] };
    });
  }

  // forgotten notices that somebody whose choices the server held has none there any
  // more: they erased themselves, here or elsewhere, and this browser forgets them too.
  function forgotten({ history, linked }) {
    const id = JSON.stringify(person()), held = history.length > 0 || Boolean(linked);
    if (!person() || held === (memory.known === id)) return false;
    memory = held ? { ...memory, known: id } : blank();
    save();
    return !held;
  }

  // account is where among the items of a purpose the number of a customer's account
  // stands, -1 for nowhere: the notice names first how people are known.
  const account = (id) => declaration.identifiers.filter((i) => i.purposes.includes(id)).findIndex((i) => i.kind === "user_id");

  // signalled reports whether the browser asks for privacy (Global Privacy Control), and
  // signalRefuses what of all that can be chosen it says no to now.
  const signalled = () => navigator.globalPrivacyControl === true;
  const signalRefuses = () => signalled() ? choosable().filter((p) => p.signal && !p.holds) : [];

  const holds = (id) => purposes.some((p) => p.id === id && p.holds);
  const again = ["no_choice", "expired", "notice_changed", "unknown_notice"];
  const open = () => purposes.some((p) => p.basis === "consent" && !p.holds && again.includes(p.reason)) &&
    (person() || memory.refused !== notice.version);

  function changed() { document.dispatchEvent(new CustomEvent("accord:change")); }

  // ---- choosing ---------------------------------------------------------------------

  async function choose(wanted, { method = "page", evidence } = {}) {
    await ready;
    const choices = {};
    for (const id of Object.keys(wanted).sort()) {
      const p = choosable().find((x) => x.id === id);
      if (!p) throw new Error(`accord.choose: "${id}" is not one of ${choosable().map((x) => x.id).join(", ")}`);
      choices[id] = wanted[id] ? "given" : p.basis !== "consent" ? "objected" : p.state === "given" ? "withdrawn" : "refused";
    }
    if (!person() && Object.values(choices).every((state) => state === "refused")) {
      memory.refused = notice.version; // and nobody is made an id for it
      save();
      close();
      changed();
      return;
    }
    await somebody();
    const at = new Date().toISOString();
    const body = { person: person(), choices, method, notice: notice.version, language: notice.language };
    if (evidence) body.evidence = evidence;
    const signature = await sign(body, at).catch(() => null);
    try {
      await call("PUT", "/v1/consent", signature ? { ...body, signature } : body);
    } catch (e) {
      // A clock that is wrong must not keep anybody from choosing: the record then
      // says that it is not signed.
      if (!signature || e.code !== "bad_signature") throw e;
      await call("PUT", "/v1/consent", body);
    }
    memory.refused = "";
    save();
    await refresh();
    close();
    changed();
  }

  const b64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const random = () => b64(crypto.getRandomValues(new Uint8Array(16)));

  // sign says what was chosen in the person's own name. The key was made in this
  // browser and cannot leave it, so nobody else can have said it.
  async function sign({ person, choices, notice, language }, at) {
    const keys = await keyPair();
    const statement = JSON.stringify({
      accord: "choice/1", controller: declaration.controllers[0].id, person, choices, notice, language, at, nonce: random(),
    });
    const value = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, new TextEncoder().encode(statement));
    return { algorithm: "ES256", key: b64(await crypto.subtle.exportKey("spki", keys.publicKey)), value: b64(value), statement };
  }

  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  async function shelf(mode) {
    const request = indexedDB.open("accord", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("keys");
    return (await done(request)).transaction("keys", mode).objectStore("keys");
  }

  const keptPair = async () => done((await shelf("readonly")).get(config.name));

  async function keyPair() {
    const kept = await keptPair();
    if (kept) return kept;
    const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    await done((await shelf("readwrite")).put(made, config.name));
    return made;
  }

  // signer is the thumbprint of the key of this browser, "" if none was made.
  async function signer() {
    const keys = person() && await keptPair().catch(() => null);
    return keys ? b64(await crypto.subtle.digest("SHA-256", await crypto.subtle.exportKey("spki", keys.publicKey))) : "";
  }

  // ---- events ---------------------------------------------------------------------------

  // allowed returns the paths of what may leave now.
  function allowed(where, event) {
    return declaration.fields.filter((f) => f.where === where && (f.event || "") === event && f.purposes.some(holds)).map((f) => f.path);
  }

  // only returns value with these paths alone; undefined for nothing.
  function only(value, paths, at = "") {
    if (paths.includes(at)) return value;
    if (Array.isArray(value)) {
      const list = value.map((v) => only(v, paths, at + "[]")).filter((v) => v !== undefined);
      return list.length ? list : undefined;
    }
    if (typeof value !== "object" || value === null) return undefined;
    const kept = Object.entries(value).map(([k, v]) => [k, only(v, paths, at ? at + "." + k : k)]).filter(([, v]) => v !== undefined);
    return kept.length ? Object.fromEntries(kept) : undefined;
  }

  async function track(event, properties = {}) {
    const timestamp = new Date().toISOString();
    await ready;
    if (!only(properties, allowed("event", event))) return;
    await somebody();
    memory.queue.push({ event, properties, timestamp, messageId: random(), ...ids() });
    memory.queue.splice(0, memory.queue.length - MAX_QUEUE);
    save();
    if (memory.queue.length >= BATCH) await flush(); else linger();
  }

  const ids = () => userID() ? { userId: userID() } : { anonymousId: visitorID() };

  let waiting;
  function linger() { waiting ||= setTimeout(() => { waiting = 0; flush(); }, LINGER); }

  // take takes the next batch off the queue, cut to what may leave now: events of
  // before a withdrawal that still wait are held to it.
  function take() {
    const events = memory.queue.splice(0, BATCH);
    save();
    const batch = events.map((e) => ({ ...e, type: "track", properties: only(e.properties, allowed("event", e.event)) })).filter((e) => e.properties);
    const accord = { visitor: memory.visitor || undefined, shop_token: config.shopToken || undefined };
    return { events, body: batch.length && JSON.stringify({ writeKey: config.key, sentAt: new Date().toISOString(), context: { accord }, batch }) };
  }

  // giveBack puts a batch back that did not arrive, as far as is known: the ids of its
  // events keep them from counting twice.
  function giveBack(events) {
    memory.queue.unshift(...events);
    save();
  }

  async function flush() {
    while (memory.queue.length) {
      const { events, body } = take();
      if (!body) continue;
      // As text, so that no question goes before it; the server reads JSON whatever it is called.
      const response = await reach("/v1/batch", { method: "POST", body, keepalive: true }).catch(() => null);
      if (response && response.status < 500 && response.status !== 429) continue;
      return giveBack(events);
    }
  }

  function leave() {
    leaving = true;
    while (config && memory.queue.length) {
      const { events, body } = take();
      if (!body || navigator.sendBeacon(config.url + "/v1/batch", body)) continue;
      return giveBack(events);
    }
  }

  // tell says what the person likes, or would rather not see. A list that is absent
  // stays as it was, an empty one takes back. Where no purpose of it holds nothing
  // leaves.
  async function tell(preferences) {
    await ready;
    const told = only(preferences, allowed("trait", ""));
    if (!told) return { kept: false, preferences: {} };
    await somebody();
    const answer = await call("PUT", "/v1/preferences", { person: person(), preferences: told });
    changed();
    return answer;
  }

  // ---- answers, customers ------------------------------------------------------------------

  async function decide({ purpose, n, exclude, place, session } = {}) {
    await ready;
    await flush(); // what was just done counts for the answer
    const answer = await call("POST", "/v1/decide", {
      person: person() || undefined, purpose, n, exclude, language: notice.language, moment: { channel: "web", place, session },
    });
    if (answer.receipt.durable !== "no") {
      memory.receipts = [answer.receipt.id, ...memory.receipts].slice(0, MAX_RECEIPTS);
      memory.answered = Date.now();
      save();
    }
    return answer;
  }

  async function identify(shopToken, traits = {}) {
    await ready;
    vouched(shopToken);
    await flush(); // what was done before belongs to who did it
    await prove(shopToken);
    const kept = only(traits, allowed("trait", ""));
    if (memory.visitor || kept) {
      await call("POST", "/v1/identify", { userId: userID(), anonymousId: visitorID() || undefined, traits: kept, messageId: random() });
      await refresh();
    }
    changed();
    if (config.banner && open()) ask();
  }

  // vouched refuses what names nobody before anything is done with it.
  function vouched(shopToken) {
    if (!subject(shopToken)) throw new Error("accord: the shop's token is no JWT with a sub; let your server sign one for the customer");
  }

  // prove takes the shop's token. Where it does not hold nobody is signed in; where
  // it was the visitor's that had ended, the shop's is tried again without it.
  async function prove(shopToken) {
    let before;
    do {
      before = memory.visitor;
      config.shopToken = shopToken;
      await refresh();
      if (config.shopToken) return;
    } while (before !== memory.visitor);
    changed();
    throw Object.assign(new Error("accord: the shop's token was refused; is it signed with a key that the declaration names, for accord, and not over?"), { code: "bad_proof" });
  }

  // signOut unlinks, and forgets the visitor too: whoever uses the browser next is
  // somebody else, and is asked anew. It forgets also where the server cannot be
  // asked, and then says so.
  async function signOut() {
    await ready;
    await flush();
    const two = { anonymous_id: visitorID(), user_id: userID() };
    const fault = two.anonymous_id && two.user_id && await call("POST", "/v1/unlink", two).then(() => null, (e) => e);
    await forget();
    if (config.banner && open()) ask();
    if (fault) throw fault;
  }

  // part says "this is not me": this browser and the account are linked no more, and
  // the page knows the account no more.
  async function part() {
    await ready;
    await call("POST", "/v1/unlink", { anonymous_id: visitorID(), user_id: userID() || undefined });
    config.shopToken = "";
    await refresh();
    changed();
  }

  // telling are the lists in which a person can tell what they prefer.
  const telling = () => ["likes", "avoids"].filter((path) => declaration.fields.some((f) => f.where === "trait" && f.path === path));

  async function forget() {
    config.shopToken = "";
    memory = blank();
    save();
    try { sessionStorage.removeItem("me"); } catch { /* forbidden, so there is none */ } // where /me is of this origin
    await shelf("readwrite").then((s) => done(s.delete(config.name))).catch(() => null);
    await refresh();
    changed();
  }

  async function me() {
    await ready;
    const session = {
      key: config.key, visitor: memory.visitor, shop: config.shopToken, receipts: memory.receipts.join(","), answered: memory.answered,
      refused: memory.refused, signer: await signer(), back: location.href.split("#")[0],
    };
    return config.url + "/me?language=" + notice.language + "#" + new URLSearchParams(Object.entries(session).filter(([, v]) => v));
  }

  // ---- the banner ------------------------------------------------------------------------------

  function el(tag, attributes = {}, ...children) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : v !== false && e.setAttribute(k, v === true ? "" : v);
    e.append(...children);
    return e;
  }

  // more is the second layer of a purpose's text, behind a touch.
  const more = (p) => p.detail.length === 0 ? "" : el("details", {}, el("summary", {}, words.banner.more), ...p.detail.map((d) => el("div", {},
    el("p", {}, el("strong", {}, d.title), d.text ? " " + d.text : ""),
    d.items?.length ? el("ul", {}, ...d.items.map((i) => el("li", {}, i))) : "")));

  // panel is a shadow tree: the page's styles do not reach it, so that no page makes
  // refusing harder than accepting. --accord-accent and --accord-font do.
  let host;
  function panel() {
    if (!host) {
      host = el("div", { id: "accord" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      host.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
      document.body.prepend(host); // early for who goes by keyboard
    }
    return host.shadowRoot;
  }

  // close puts the banner away and gives the focus back, if nothing else took it.
  let before;
  function close() {
    const here = [host, document.body].includes(document.activeElement);
    host?.remove();
    host = null;
    if (here) before?.focus?.();
    before = null;
  }

  const choosable = () => purposes.filter((p) => p.choosable);
  const all = (value) => Object.fromEntries(choosable().map((p) => [p.id, value]));

  // show puts one of the two layers up. Refuse and accept are one touch each on
  // both, and the same in all but their words.
  function show(detailed) {
    const root = panel(), b = words.banner, boxes = {};
    const fault = el("p", { class: "fault", role: "alert" });
    const disable = (yes) => root.querySelectorAll("button").forEach((x) => { x.disabled = yes; });
    const act = (name, wanted) => async () => {
      disable(true);
      await choose(wanted(), { method: "banner", evidence: `banner of ${notice.version}, button ${name}` }).catch(() => {
        fault.textContent = b.fault;
        disable(false);
      });
    };
    const button = (name, text, onclick, quiet = false) => el("button", { type: "button", class: quiet && "quiet", "data-act": name, onclick }, text);
    const item = (p) => {
      if (!detailed) return el("li", {}, el("strong", {}, p.title), " ", p.sentence);
      boxes[p.id] = el("input", { type: "checkbox", role: "switch", "aria-describedby": "s-" + p.id });
      boxes[p.id].checked = p.holds;
      return el("li", {},
        el("label", {}, p.title, boxes[p.id]),
        el("p", { id: "s-" + p.id }, p.sentence),
        more(p));
    };
    const heading = el("h2", { id: "h", tabindex: "-1" }, b.title.replace("{shop}", declaration.controllers[0].name));
    root.replaceChildren(el("section", { role: "dialog", "aria-modal": "false", "aria-labelledby": "h", lang: words.language },
      heading,
      el("p", {}, b.intro),
      ...(signalRefuses().length ? [el("p", { class: "note", "data-signal": true }, b.signal.replace("{purposes}", signalRefuses().map((p) => p.title).join(", ")))] : []),
      el("ul", {}, ...choosable().map(item)),
      fault,
      el("div", { class: "row" },
        button("refuse", detailed ? b.refuseAll : b.refuse, act("refuse", () => all(false))),
        button("accept", detailed ? b.acceptAll : b.accept, act("accept", () => all(true))),
        detailed
          ? button("save", b.save, act("save", () => Object.fromEntries(Object.entries(boxes).map(([id, box]) => [id, box.checked]))), true)
          : button("detail", b.choose, () => show(true), true)),
      el("p", { class: "note" }, b.later)));
    if (detailed) heading.focus();
  }

  async function ask() {
    await ready;
    before = document.activeElement;
    show(person() !== null || memory.refused !== "");
  }

  // ---- the beginning -----------------------------------------------------------------------------

  // texts reads what is kept and why: by the declaration, and in the person's words.
  async function texts() {
    [declaration, notice] = await Promise.all([
      text("/v1/declaration"), text("/v1/notice?" + new URLSearchParams({ language: words.language })),
    ]);
  }

  async function init({ url, key, shopToken, visitor, language, banner = true, storage, jurisdiction } = {}) {
    if (!/^https?:\/\//.test(url)) throw new Error("accord: url is not the address of a server; " + USE);
    if (!/^wk_[\w-]{20,}$/.test(key)) throw new Error("accord: key is not a write key; `accord key add --kind write` makes one. Then " + USE);
    if (shopToken) vouched(shopToken);
    config = { url: url.replace(/\/+$/, ""), key, shopToken: shopToken || "", banner, jurisdiction };
    config.name = "accord " + config.url;
    try { config.storage = storage || localStorage; } catch { /* forbidden */ }
    load();
    if (visitor) memory.visitor = visitor;
    const known = [language || "", document.documentElement.lang, ...navigator.languages].map((l) => l.slice(0, 2).toLowerCase()).find((l) => WORDS[l]);
    words = { language: known || "en", ...WORDS[known || "en"] };
    await texts();
    await refresh();
    addEventListener("pagehide", leave);
    // What was chosen elsewhere meanwhile, on /me or in another tab, holds here too.
    document.addEventListener("visibilitychange", async () => {
      if (document.visibilityState === "hidden") return leave();
      leaving = false;
      load();
      await refresh().then(changed, () => null);
    });
    begin();
    changed();
    if (memory.queue.length) linger();
    if (banner && open()) show(false);
  }

  window.accord = {
    init, ask, choose, consent: holds, track, tell, decide, identify, signOut, me,
    // For the person's own page.
    person, people, purposes: () => purposes, history: () => history, linked: () => linked, signalled, signalRefuses, signer, call, forget, part, telling, more, words: () => words,
  };
})();
