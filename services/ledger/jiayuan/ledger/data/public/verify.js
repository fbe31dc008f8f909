/* Checks the proofs that stand in this page, in the reader's browser: RFC 8785, RFC 9162, C2SP signed-note.
   What it says is as good as the page it came with; verify.py, from elsewhere, needs no trust in this site. */
"use strict";
(function (root) {
  const text = new TextEncoder();
  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const unhex = (s) => {
    if (typeof s !== "string" || !/^(?:[0-9a-f]{2})*$/.test(s)) throw new Error("no hexadecimal digits");
    return Uint8Array.from(s.match(/../g) || [], (d) => parseInt(d, 16));
  };
  const unbase64 = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
  const join = (...parts) => Uint8Array.from(parts.flatMap((p) => Array.from(p)));

  // RFC 8785: ECMAScript's own way to write numbers and texts, members by their UTF-16 code units.
  function canonical(value) {
    if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
    if (value !== null && typeof value === "object")
      return "{" + Object.keys(value).sort().map((k) => JSON.stringify(k) + ":" + canonical(value[k])).join(",") + "}";
    return JSON.stringify(value);
  }

  // GB/T 32905-2016; browsers have no SM3.
  function sm3(data) {
    const rotate = (x, n) => ((x << (n % 32)) | (x >>> ((32 - n) % 32))) >>> 0;
    const p0 = (x) => (x ^ rotate(x, 9) ^ rotate(x, 17)) >>> 0;
    const p1 = (x) => (x ^ rotate(x, 15) ^ rotate(x, 23)) >>> 0;
    const length = (((data.length + 8) >> 6) + 1) << 6;
    const bytes = new Uint8Array(length);
    bytes.set(data);
    bytes[data.length] = 0x80;
    const view = new DataView(bytes.buffer);
    view.setUint32(length - 8, Math.floor(data.length / 0x20000000));
    view.setUint32(length - 4, (data.length << 3) >>> 0);
    let v = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];
    for (let at = 0; at < length; at += 64) {
      const w = [];
      for (let j = 0; j < 16; j++) w[j] = view.getUint32(at + 4 * j);
      for (let j = 16; j < 68; j++)
        w[j] = (p1((w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15)) >>> 0) ^ rotate(w[j - 13], 7) ^ w[j - 6]) >>> 0;
      let [a, b, c, d, e, f, g, h] = v;
      for (let j = 0; j < 64; j++) {
        const t = j < 16 ? 0x79cc4519 : 0x7a879d8a;
        const ss1 = rotate((rotate(a, 12) + e + rotate(t, j)) >>> 0, 7);
        const ss2 = (ss1 ^ rotate(a, 12)) >>> 0;
        const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
        const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
        const tt1 = ((ff >>> 0) + d + ss2 + ((w[j] ^ w[j + 4]) >>> 0)) >>> 0;
        const tt2 = ((gg >>> 0) + h + ss1 + w[j]) >>> 0;
        [a, b, c, d, e, f, g, h] = [tt1, a, rotate(b, 9), c, p0(tt2), e, rotate(f, 19), g];
      }
      v = [a, b, c, d, e, f, g, h].map((x, i) => (x ^ v[i]) >>> 0);
    }
    const out = new DataView(new ArrayBuffer(32));
    v.forEach((x, i) => out.setUint32(4 * i, x));
    return new Uint8Array(out.buffer);
  }

  async function digest(data, hash) {
    if (hash === "sm3") return sm3(data);
    if (hash === "sha256") return new Uint8Array(await root.crypto.subtle.digest("SHA-256", data));
    throw new Error("unknown hash " + hash);
  }

  // RFC 9162, 2.1.3.2. Sizes are below 2^53, so no bitwise operators.
  async function rootOf(leaf, index, size, proof, hash) {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw new Error("the leaf is not in the tree");
    const node = (left, right) => digest(join([1], left, right), hash);
    let fn = index, sn = size - 1, r = await digest(join([0], leaf), hash);
    const half = () => { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); };
    for (const one of proof) {
      const p = unhex(one);
      if (p.length !== 32 || sn === 0) throw new Error("the proof is too long");
      if (fn % 2 === 1 || fn === sn) {
        r = await node(p, r);
        while (fn % 2 === 0 && fn !== 0) half();
      } else r = await node(r, p);
      half();
    }
    if (sn !== 0) throw new Error("the proof is too short");
    return r;
  }

  function checkpointOf(note) {
    const end = note.lastIndexOf("\n\n");
    if (end < 0) throw new Error("no signed note");
    const body = note.slice(0, end + 1), lines = body.split("\n");
    const size = Number(lines[1]);
    if (!/^(0|[1-9][0-9]*)$/.test(lines[1]) || !Number.isSafeInteger(size)) throw new Error("no checkpoint");
    const hash = lines[3] === "hash sm3" ? "sm3" : "sha256";
    return { body, origin: lines[0], size, root: unbase64(lines[2]), hash, signatures: note.slice(end + 2).split("\n") };
  }

  // true: signed by one of the keys; null: this browser knows no Ed25519. Throws otherwise.
  async function signed(checkpoint, keys) {
    for (const key of keys) {
      const [name, id, public_] = key.split(/\+(.{8})\+/);
      const bytes = unbase64(public_);
      const head = text.encode(name + "\n");
      const full = new Uint8Array(await root.crypto.subtle.digest("SHA-256", join(head, bytes)));
      if (bytes[0] !== 1 || bytes.length !== 33 || hex(full.slice(0, 4)) !== id) continue;
      for (const line of checkpoint.signatures) {
        const parts = /^\u2014 (\S+) (\S+)$/.exec(line);
        if (!parts || parts[1] !== name) continue;
        const signature = unbase64(parts[2]);
        if (hex(signature.slice(0, 4)) !== id) continue;
        let imported;
        try {
          imported = await root.crypto.subtle.importKey("raw", bytes.slice(1), { name: "Ed25519" }, false, ["verify"]);
        } catch (error) {
          return null;
        }
        const message = text.encode(checkpoint.body);
        if (await root.crypto.subtle.verify({ name: "Ed25519" }, imported, signature.slice(4), message)) return true;
        throw new Error("the signature does not hold");
      }
    }
    throw new Error("nobody who is trusted has signed");
  }

  // The checkpoint's signature: true, or null where it can't be looked at. Throws when the proof doesn't hold.
  async function check(proof, keys) {
    if (proof.format !== "jiayuan-ledger-proof/1") throw new Error("no proof");
    const checkpoint = checkpointOf(proof.checkpoint);
    const leaf = text.encode(canonical(proof.leaf));
    const found = await rootOf(leaf, proof.index, checkpoint.size, proof.proof, checkpoint.hash);
    if (!same(found, checkpoint.root)) throw new Error("the leaf is not what was signed");
    return signed(checkpoint, keys);
  }

  async function show() {
    const block = root.document.getElementById("proofs"), verdict = root.document.getElementById("verdict");
    if (!block || !verdict) return;
    const given = JSON.parse(block.textContent), words = given.words;
    verdict.textContent = words.checking;
    try {
      if (!root.crypto || !root.crypto.subtle) { verdict.textContent = words.unchecked; return; }
      let all = true;
      for (const proof of given.proofs) all = (await check(proof, given.keys)) === true && all;
      verdict.textContent = all ? words.holds : words.unsigned;
    } catch (error) {
      verdict.textContent = words.broken + " " + error.message;
    }
  }

  if (typeof module !== "undefined") module.exports = { canonical, check, hex, sm3 };
  else show();
})(typeof window === "undefined" ? globalThis : window);
