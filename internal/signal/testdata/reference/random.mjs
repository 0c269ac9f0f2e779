// A seeded generator of random numbers (mulberry32), so that every run makes the
// same objects.
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // next is a number from 0 up to 1, without 1.
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  // upTo is a whole number from 0 to n, n included.
  upTo(n) {
    return Math.floor(this.next() * (n + 1));
  }

  coin(share = 0.5) {
    return this.next() < share;
  }

  pick(list) {
    return list[this.upTo(list.length - 1)];
  }

  letters() {
    return String.fromCharCode(65 + this.upTo(25), 65 + this.upTo(25));
  }

  // field is a set of ids from 1 to n.
  field(n, without = []) {
    const share = this.next();
    const ids = [];
    for (let id = 1; id <= n; id++) {
      if (this.coin(share) && !without.includes(id)) ids.push(id);
    }
    return ids;
  }

  // ids is a set of vendors: none, few, most, or runs, up to a greatest id that is
  // small, like today's list, or rarely anything.
  ids(few = false) {
    const top = this.pick(few ? [5, 40, 300] : [0, 5, 44, 45, 46, 47, 60, 150, 800, 1500, 1500, 3000]);
    const kind = this.pick(["few", "share", "runs", "edge"]);
    const set = new Set();
    if (top === 0) return [];
    if (kind === "few") for (let i = this.upTo(6); i >= 0; i--) set.add(1 + this.upTo(top - 1));
    if (kind === "edge") {
      if (this.coin(0.2)) set.add(65535);
      for (let i = this.upTo(top / 12); i >= 0; i--) set.add(1 + this.upTo(top - 1));
    }
    if (kind === "share") {
      const share = few ? 0.1 : this.next();
      for (let id = 1; id <= top; id++) if (this.coin(share)) set.add(id);
    }
    if (kind === "runs") {
      for (let i = this.upTo(8); i >= 0; i--) {
        const from = 1 + this.upTo(top - 1);
        const to = Math.min(top, from + this.upTo(60));
        for (let id = from; id <= to; id++) set.add(id);
      }
    }
    return [...set].sort((a, b) => a - b);
  }
}
