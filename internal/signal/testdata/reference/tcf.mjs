// The TCF reference encoder, spoken to in lines of JSON with the specification's
// field names.
//
//   node tcf.mjs generate COUNT SEED   prints {"text", "json"}: objects that it made
//   node tcf.mjs decode                reads texts, prints {"text", "json"}: what it
//                                      read and how it writes that again
import { createInterface } from "node:readline";
import { TCModel, TCString, GVL, SegmentEncoder, PurposeRestriction } from "@iabtechlabtcf/core";
import { Random } from "./random.mjs";

const tenth = (ms) => new Date(Math.floor(ms / 100) * 100);
const names = { DisclosedVendors: "vendorsDisclosed", AllowedVendors: "vendorsAllowed", PublisherTC: "publisherTC" };
const scalars = {
  CmpId: "cmpId", CmpVersion: "cmpVersion", ConsentScreen: "consentScreen", ConsentLanguage: "consentLanguage",
  VendorListVersion: "vendorListVersion", TcfPolicyVersion: "policyVersion", IsServiceSpecific: "isServiceSpecific",
  UseNonStandardTexts: "useNonStandardTexts", PurposeOneTreatment: "purposeOneTreatment", PublisherCC: "publisherCountryCode",
};
const sets = {
  SpecialFeatureOptIns: "specialFeatureOptins", PurposesConsent: "purposeConsents",
  PurposesLITransparency: "purposeLegitimateInterests", VendorConsent: "vendorConsents",
  VendorLegitimateInterest: "vendorLegitimateInterests",
};
const publisherSets = {
  PubPurposesConsent: "publisherConsents", PubPurposesLITransparency: "publisherLegitimateInterests",
  CustomPurposesConsent: "publisherCustomConsents", CustomPurposesLITransparency: "publisherCustomLegitimateInterests",
};

function generate(random) {
  const json = {
    Version: 2,
    Created: tenth(random.next() * 4e12),
    LastUpdated: tenth(random.next() * 4e12),
    CmpId: 2 + random.upTo(4093),
    CmpVersion: random.upTo(4095),
    ConsentScreen: random.upTo(63),
    ConsentLanguage: random.coin() ? "EN" : random.letters(),
    VendorListVersion: random.upTo(4095),
    TcfPolicyVersion: random.pick([2, 4, 5, 5, 63]),
    IsServiceSpecific: random.coin(0.8),
    UseNonStandardTexts: random.coin(),
    SpecialFeatureOptIns: random.field(12),
    PurposesConsent: random.field(24),
    // The encoder takes these five out itself.
    PurposesLITransparency: random.field(24, [1, 3, 4, 5, 6]),
    PurposeOneTreatment: random.coin(),
    PublisherCC: random.letters(),
    VendorConsent: random.ids(),
    VendorLegitimateInterest: random.ids(),
  };
  const restrictions = new Map();
  if (random.coin(0.5)) {
    for (let i = random.upTo(5); i >= 0; i--) {
      const restriction = { PurposeId: 1 + random.upTo(10), RestrictionType: random.upTo(2), VendorIds: random.ids(true) };
      if (restriction.VendorIds.length > 0) restrictions.set(`${restriction.PurposeId}-${restriction.RestrictionType}`, restriction);
    }
  }
  if (restrictions.size > 0) json.PubRestrictions = [...restrictions.values()];
  if (random.coin(0.8)) json.DisclosedVendors = random.ids();
  if (random.coin(0.2)) json.AllowedVendors = random.ids();
  if (random.coin(0.6)) {
    const custom = random.pick([0, 0, 3, 24, 63]);
    json.PublisherTC = {
      PubPurposesConsent: random.field(24),
      PubPurposesLITransparency: random.field(24),
      NumCustomPurposes: custom,
      CustomPurposesConsent: random.field(custom),
      CustomPurposesLITransparency: random.field(custom),
    };
  }
  return json;
}

function toModel(json) {
  const model = new TCModel();
  model.version = 2;
  model.created = new Date(json.Created);
  model.lastUpdated = new Date(json.LastUpdated);
  for (const [ours, theirs] of Object.entries(scalars)) model[theirs] = json[ours];
  for (const [ours, theirs] of Object.entries(sets)) model[theirs].set(json[ours]);
  for (const r of json.PubRestrictions ?? []) {
    for (const id of r.VendorIds) model.publisherRestrictions.add(id, new PurposeRestriction(r.PurposeId, r.RestrictionType));
  }
  if (json.DisclosedVendors) model.vendorsDisclosed.set(json.DisclosedVendors);
  if (json.AllowedVendors) model.vendorsAllowed.set(json.AllowedVendors);
  if (json.PublisherTC) {
    model.numCustomPurposes = json.PublisherTC.NumCustomPurposes;
    for (const [ours, theirs] of Object.entries(publisherSets)) model[theirs].set(json.PublisherTC[ours]);
  }
  return model;
}

// everyVendor is a vendor list on which every vendor may do everything: the encoder
// takes out what its list does not know, and that is not what is compared here.
const everyVendor = { vendorIds: { has: () => true } };

// The vendors of a list with which the whole encoder runs in bearable time.
const smallest = 300;
const numbered = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [i + 1, { id: i + 1 }]));
const list = new GVL({
  gvlSpecificationVersion: 3, vendorListVersion: 1, tcfPolicyVersion: 5, lastUpdated: "2026-01-01T00:00:00Z",
  purposes: numbered(24), specialPurposes: {}, features: {}, specialFeatures: {}, stacks: {}, dataCategories: {},
  vendors: Object.fromEntries(Array.from({ length: smallest }, (_, i) => {
    const all = Array.from({ length: 24 }, (_, p) => p + 1);
    return [i + 1, { id: i + 1, name: `${i + 1}`, purposes: all, legIntPurposes: all, flexiblePurposes: all, specialPurposes: [], features: [], specialFeatures: [] }];
  })),
});

function encode(json, segments) {
  const model = toModel(json);
  const ids = [json.VendorConsent, json.VendorLegitimateInterest, ...(json.PubRestrictions ?? []).map((r) => r.VendorIds)].flat();
  if (Math.max(0, ...ids) <= smallest && json.ConsentLanguage === "EN") {
    // The whole encoder, with its vendor list and that list's language.
    list.vendorListVersion = json.VendorListVersion;
    list.tcfPolicyVersion = json.TcfPolicyVersion;
    model.gvl = list;
    return TCString.encode(model, { segments });
  }
  model.publisherRestrictions.gvl_ = everyVendor;
  return segments.map((segment) => SegmentEncoder.encode(model, segment)).join(".");
}

const segmentsOf = (json) => ["core", ...Object.keys(names).filter((n) => json[n]).map((n) => names[n])];

function toJSON(model, text) {
  const ids = (vector) => [...vector].filter(([, has]) => has).map(([id]) => id);
  const json = { Version: model.version, Created: model.created, LastUpdated: model.lastUpdated };
  for (const [ours, theirs] of Object.entries(scalars)) json[ours] = model[theirs];
  for (const [ours, theirs] of Object.entries(sets)) json[ours] = ids(model[theirs]);
  const restrictions = model.publisherRestrictions.getRestrictions();
  if (restrictions.length > 0) {
    json.PubRestrictions = restrictions.map((r) => ({
      PurposeId: r.purposeId, RestrictionType: r.restrictionType, VendorIds: model.publisherRestrictions.getVendors(r),
    }));
  }
  const types = text.split(".").slice(1).map((segment) => segment[0]);
  if (types.some((c) => c >= "I" && c <= "P")) json.DisclosedVendors = ids(model.vendorsDisclosed);
  if (types.some((c) => c >= "Q" && c <= "X")) json.AllowedVendors = ids(model.vendorsAllowed);
  if (types.some((c) => c >= "Y" && c <= "f")) {
    json.PublisherTC = { NumCustomPurposes: model.numCustomPurposes };
    for (const [ours, theirs] of Object.entries(publisherSets)) json.PublisherTC[ours] = ids(model[theirs]);
  }
  return json;
}

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const [mode, count, seed] = process.argv.slice(2);
if (mode === "generate") {
  const random = new Random(Number(seed));
  for (let i = 0; i < Number(count); i++) {
    const json = generate(random);
    say({ text: encode(json, segmentsOf(json)), json });
  }
} else {
  for await (const text of createInterface({ input: process.stdin })) {
    try {
      const model = TCString.decode(text);
      const json = toJSON(model, text);
      model.publisherRestrictions.gvl_ = everyVendor;
      say({ json, text: segmentsOf(json).map((segment) => SegmentEncoder.encode(model, segment)).join(".") });
    } catch (e) {
      say({ error: String(e.message ?? e) });
    }
  }
}
