// The GPP reference encoder, spoken to in lines of JSON with the specification's
// field names.
//
//   node gpp.mjs generate COUNT SEED   prints {"text", "json"}: objects that it made
//   node gpp.mjs decode                reads texts, prints {"text", "json"}: what it
//                                      read and how it writes that again
import { createInterface } from "node:readline";
import { GppModel, RangeEntry } from "@iabgpp/cmpapi";
import { Random } from "./random.mjs";

// The encoder's names where they are not the specification's.
const tcfeu = {
  SpecialFeatureOptIns: "SpecialFeatureOptins", PurposesConsent: "PurposeConsents", PurposesLITransparency: "PurposeLegitimateInterests",
  TcfPolicyVersion: "PolicyVersion", UseNonStandardTexts: "UseNonStandardStacks", PublisherCC: "PublisherCountryCode",
  VendorConsent: "VendorConsents", VendorLegitimateInterest: "VendorLegitimateInterests", PubRestrictions: "PublisherRestrictions",
  DisclosedVendors: "VendorsDisclosed", AllowedVendors: "VendorsAllowed",
  PubPurposesConsent: "PublisherConsents", PubPurposesLITransparency: "PublisherLegitimateInterests",
  CustomPurposesConsent: "PublisherCustomConsents", CustomPurposesLITransparency: "PublisherCustomLegitimateInterests",
};
const plain = ["CmpId", "CmpVersion", "ConsentScreen", "ConsentLanguage", "VendorListVersion", "TcfPolicyVersion"];
const shapes = {
  tcfeuv2: {
    names: tcfeu, publisher: "PublisherTC",
    scalars: [...plain, "IsServiceSpecific", "UseNonStandardTexts", "PurposeOneTreatment", "PublisherCC"],
    fields: { SpecialFeatureOptIns: 12, PurposesConsent: 24, PurposesLITransparency: 24 },
    ids: ["VendorConsent", "VendorLegitimateInterest"],
    pub: ["PubPurposesConsent", "PubPurposesLITransparency", "CustomPurposesConsent", "CustomPurposesLITransparency"],
  },
  tcfcav1: {
    names: {}, publisher: "PublisherPurposes",
    scalars: [...plain, "UseNonStandardStacks"],
    fields: { SpecialFeatureExpressConsent: 12, PurposesExpressConsent: 24, PurposesImpliedConsent: 24 },
    ids: ["VendorExpressConsent", "VendorImpliedConsent"],
    pub: ["PubPurposesExpressConsent", "PubPurposesImpliedConsent", "CustomPurposesExpressConsent", "CustomPurposesImpliedConsent"],
  },
};

// What the encoder knows of the US sections it tells itself: the fields of a new one.
const states = ["usnat", "usca", "usva", "usco", "usut", "usct", "usfl", "usmt", "usor", "ustx", "usde", "usia", "usne",
  "usnh", "usnj", "ustn", "usmn", "usmd", "usin", "usky", "usri"];
const fresh = Object.fromEntries(states.map((name) => {
  const model = new GppModel();
  model.setFieldValue(name, "MspaCoveredTransaction", 1);
  return [name, model.getSection(name)];
}));
const hidden = ["GpcSegmentType", "GpcSegmentIncluded", "SensitiveDataConsentSegmentIncluded"];
const late = ["usin", "usky", "usri"];

const subsection = (name) => (late.includes(name) ? "SensitiveDataProcessing" : "Gpc" in fresh[name] ? "Gpc" : "");

function generateTCF(random, name) {
  const shape = shapes[name];
  const at = new Date(Math.floor(random.next() * 4e10) * 100);
  const json = { Version: name === "tcfeuv2" ? 2 : 1, Created: at, LastUpdated: at };
  for (const f of shape.scalars) {
    json[f] = f === "IsServiceSpecific" ? true : /^(Use|PurposeOne)/.test(f) ? random.coin() : /Language|CC$/.test(f) ? random.letters()
      : random.upTo(f === "ConsentScreen" || f === "TcfPolicyVersion" ? 63 : 4095);
  }
  for (const [f, n] of Object.entries(shape.fields)) json[f] = random.field(n, f === "PurposesLITransparency" ? [1, 3, 4, 5, 6] : []);
  for (const f of shape.ids) json[f] = random.ids();
  if (random.coin(0.4)) {
    json.PubRestrictions = Array.from({ length: 1 + random.upTo(4) }, (_, i) => ({ PurposeId: i + 1, RestrictionType: random.upTo(3), VendorIds: random.ids(true) }));
  }
  const custom = random.pick([0, 0, 5, 63]);
  json[shape.publisher] = { NumCustomPurposes: custom };
  shape.pub.forEach((f, i) => (json[shape.publisher][f] = random.field(i < 2 ? 24 : custom)));
  const disclosed = random.ids();
  if (name === "tcfeuv2" || disclosed.length > 0) json.DisclosedVendors = disclosed;
  return json;
}

function generateUS(random, name) {
  const json = {};
  const sub = random.coin(0.7);
  const value = (f) => (f.startsWith("Mspa") && f.endsWith("Transaction") ? 1 + random.upTo(1) : random.upTo(2));
  for (const [f, v] of Object.entries(fresh[name])) {
    if (hidden.includes(f)) continue;
    if (f === "Version" || f === "MspaVersion") json[f] = v;
    else if (f === "Gpc") sub && (json[f] = random.coin());
    else if (f === "SensitiveDataProcessing" && late.includes(name)) sub && (json[f] = v.map(() => random.upTo(2)));
    else json[f] = Array.isArray(v) ? v.map(() => random.upTo(2)) : value(f);
  }
  if (name === "usnat" && random.coin()) {
    json.Version = 1;
    json.SensitiveDataProcessing.length = 12;
    json.KnownChildSensitiveDataConsents.length = 2;
  }
  return json;
}

function generate(random) {
  const sections = {};
  if (random.coin(0.3)) sections.tcfeuv2 = generateTCF(random, "tcfeuv2");
  if (random.coin(0.3)) sections.tcfcav1 = generateTCF(random, "tcfcav1");
  if (random.coin(0.3)) {
    sections.uspv1 = { Version: 1, Notice: random.pick(["Y", "N", "-"]), OptOutSale: random.pick(["Y", "N", "-"]), LspaCovered: random.pick(["Y", "N", "-"]) };
  }
  const share = random.pick([0.05, 0.2, 1]);
  for (const name of states) if (random.coin(share)) sections[name] = generateUS(random, name);
  return sections;
}

const bools = (ids, n) => Array.from({ length: n }, (_, i) => ids.includes(i + 1));
const idsOf = (bits) => bits.flatMap((bit, i) => (bit ? [i + 1] : []));

function setTCF(model, name, json) {
  const { names, publisher, scalars, fields, ids, pub } = shapes[name];
  const set = (f, v) => model.setFieldValue(name, names[f] ?? f, v);
  for (const f of scalars) set(f, json[f]);
  for (const [f, n] of Object.entries(fields)) set(f, bools(json[f], n));
  for (const f of ids) set(f, json[f]);
  set("PubRestrictions", (json.PubRestrictions ?? []).map((r) => new RangeEntry(r.PurposeId, r.RestrictionType, r.VendorIds)));
  if (json[publisher]) {
    const n = json[publisher].NumCustomPurposes;
    set("NumCustomPurposes", n);
    pub.forEach((f, i) => set(f, bools(json[publisher][f], i < 2 ? 24 : n)));
  }
  if (json.DisclosedVendors) set("DisclosedVendors", json.DisclosedVendors);
  set("Created", new Date(json.Created));
  set("LastUpdated", new Date(json.LastUpdated));
}

function encode(sections) {
  const model = new GppModel();
  for (const [name, json] of Object.entries(sections)) {
    if (shapes[name]) setTCF(model, name, json);
    else {
      for (const [f, v] of Object.entries(json)) model.setFieldValue(name, f, v);
      for (const [flag, f] of [["GpcSegmentIncluded", "Gpc"], ["SensitiveDataConsentSegmentIncluded", "SensitiveDataProcessing"]]) {
        // hasField knows the fields that are written only.
        if (fresh[name] && subsection(name) === f) model.setFieldValue(name, flag, f in json);
      }
    }
  }
  return model.encode();
}

function getTCF(model, name, text) {
  const { names, publisher, scalars, fields, ids, pub } = shapes[name];
  const get = (f) => model.getFieldValue(name, names[f] ?? f);
  const json = { Version: get("Version"), Created: get("Created"), LastUpdated: get("LastUpdated") };
  for (const f of scalars) json[f] = get(f);
  for (const f of Object.keys(fields)) json[f] = idsOf(get(f));
  for (const f of ids) json[f] = get(f);
  const restrictions = get("PubRestrictions");
  if (restrictions.length > 0) json.PubRestrictions = restrictions.map((r) => ({ PurposeId: r.getKey(), RestrictionType: r.getType(), VendorIds: r.getIds() }));
  const types = text.split(".").slice(1).map((segment) => segment[0]);
  if (types.some((c) => c >= "Y" && c <= "f")) {
    json[publisher] = { NumCustomPurposes: get("NumCustomPurposes") };
    for (const f of pub) json[publisher][f] = idsOf(get(f));
  }
  if (types.some((c) => c >= "I" && c <= "P")) json.DisclosedVendors = get("DisclosedVendors");
  if (types.some((c) => c >= "Q" && c <= "X")) json.AllowedVendors = get("AllowedVendors");
  return json;
}

function getUS(model, name, text) {
  const json = { ...model.getSection(name) };
  const sub = text.includes(".");
  for (const f of hidden) delete json[f];
  if (!sub) delete json.Gpc;
  if (!sub && late.includes(name)) delete json.SensitiveDataProcessing;
  return json;
}

function decode(text) {
  const model = new GppModel(text);
  const parts = text.split("~").slice(1);
  const names = { 2: "tcfeuv2", 5: "tcfcav1", 6: "uspv1", ...Object.fromEntries(states.map((n, i) => [7 + i, n])) };
  const sections = {};
  model.getSectionIds().forEach((id, i) => {
    const name = names[id];
    sections[name] = shapes[name] ? getTCF(model, name, parts[i]) : getUS(model, name, parts[i]);
  });
  return sections;
}

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const [mode, count, seed] = process.argv.slice(2);
if (mode === "generate") {
  const random = new Random(Number(seed));
  for (let i = 0; i < Number(count); i++) {
    const sections = generate(random);
    say({ text: encode(sections), json: { Sections: sections } });
  }
} else {
  for await (const text of createInterface({ input: process.stdin })) {
    try {
      const sections = decode(text);
      let again;
      try {
        again = encode(sections);
      } catch (e) {
        again = `not written again: ${e.message ?? e}`;
      }
      say({ json: { Sections: sections }, text: again });
    } catch (e) {
      say({ error: String(e.message ?? e) });
    }
  }
}
