// Creating, reading, changing and deleting with @unkey/api 0.38.0.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, fields, fullDraft, newApi, newKey, ok, outcome, quietWindow, raw, refused, windowEnd } from "../stack.mjs";

const unkey = client();
const getKey = async (keyId) => ok(await unkey.keys.get({ keyId }));

test("an API reads back as created", async () => {
  const created = ok(await unkey.apis.create({ name: "orders" }));
  assert.match(created.apiId, /^api_/);
  const read = ok(await unkey.apis.get({ apiId: created.apiId }));
  fields(read, { id: created.apiId, name: "orders" });
  assert.match(read.workspaceId, /^ws_/);
});

test("a key with every field reads back", async () => {
  const duration = quietWindow();
  const draft = { apiId: await newApi(), ...fullDraft(duration) };
  const before = Date.now();
  const { keyId, key } = await newKey(draft);
  assert.match(keyId, /^key_/);
  assert.match(key, /^live_[1-9A-HJ-NP-Za-km-z]{30,}$/);
  const read = await getKey(keyId);
  fields(read, {
    id: keyId,
    apiId: draft.apiId,
    start: key.slice(0, "live_".length + 4),
    name: "every field",
    ownerId: "user_7",
    meta: draft.meta,
    expires: draft.expires,
    remaining: 1000,
    enabled: true,
    roles: ["admin", "writer"],
    permissions: ["docs.read", "docs.write"],
    ratelimit: { async: false, limit: 10, duration, refillRate: 10, refillInterval: duration },
    plaintext: undefined,
  });
  fields(read.refill, { interval: "monthly", amount: 500, refillDay: 15 });
  fields(read.identity, { externalId: "user_7" });
  assert.ok(read.refill.lastRefillAt >= before - 1000, "a new key with a refill was last refilled when it was created");
  assert.ok(Math.abs(read.createdAt - Date.now()) < 10_000 && read.workspaceId.length > 0);
});

test("a daily refill has no day; a monthly one is on the first unless said", async () => {
  const daily = await newKey({ remaining: 5, refill: { interval: "daily", amount: 5 } });
  const { refill } = await getKey(daily.keyId);
  fields(refill, { interval: "daily", amount: 5 });
  assert.equal(refill.refillDay ?? null, null);
  const monthly = await newKey({ remaining: 5, refill: { interval: "monthly", amount: 5 } });
  fields((await getKey(monthly.keyId)).refill, { interval: "monthly", amount: 5, refillDay: 1 });
});

test("what was not asked for is absent", async () => {
  const { keyId, key } = await newKey();
  const read = await getKey(keyId);
  fields(read, { start: key.slice(0, 5), enabled: true, remaining: undefined, refill: undefined, ratelimit: undefined, expires: undefined, ownerId: undefined });
  fields(await outcome("VALID", key), { remaining: undefined, ratelimit: undefined });
});

test("a draft that contradicts itself is refused", async (t) => {
  const apiId = await newApi();
  const daily = { interval: "daily", amount: 5, refillDay: 3 };
  for (const [name, draft, code, message] of [
    ["no credits to begin with", { remaining: 0 }, "BAD_REQUEST", "remaining"],
    ["refill without a balance", { refill: { interval: "monthly", amount: 5 } }, "BAD_REQUEST"],
    ["a day for a daily refill", { remaining: 5, refill: daily }, "BAD_REQUEST"],
    ["an interval nobody knows", { remaining: 5, refill: { interval: "hourly", amount: 5 } }, "BAD_REQUEST", "refill.interval: "],
    ["refill by nothing", { remaining: 5, refill: { interval: "daily", amount: 0 } }, "BAD_REQUEST", "refill.amount: "],
    ["the 32nd", { remaining: 5, refill: { interval: "monthly", amount: 5, refillDay: 32 } }, "BAD_REQUEST", "refill.refillDay: "],
    ["recoverable, nothing seals", { recoverable: true }, "PRECONDITION_FAILED"],
    ["unknown API", { apiId: "api_unknown" }, "NOT_FOUND", "api_unknown"],
    ["prefix of 17", { prefix: "p".repeat(17) }, "BAD_REQUEST", "prefix: "],
    ["15 bytes", { byteLength: 15 }, "BAD_REQUEST", "byteLength: "],
    ["256 bytes", { byteLength: 256 }, "BAD_REQUEST", "byteLength: "],
    ["limit 0", { ratelimit: { limit: 0, duration: 1000 } }, "BAD_REQUEST", "ratelimit.limit: "],
    ["window under a second", { ratelimit: { limit: 1, duration: 999 } }, "BAD_REQUEST", "ratelimit.duration: "],
    ["an empty permission", { permissions: ["ok", ""] }, "BAD_REQUEST", "permissions.1: "],
    ["an empty role", { roles: [""] }, "BAD_REQUEST", "roles.0: "],
  ]) {
    await t.test(name, async () => refused(await unkey.keys.create({ apiId, ...draft }), code, message));
  }
});

test("an update touches what it names and nothing else", async () => {
  const { keyId } = await newKey(fullDraft(quietWindow()));
  const before = await getKey(keyId);
  assert.deepEqual(ok(await unkey.keys.update({ keyId, name: "renamed", meta: undefined })), {});
  const { updatedAt, ...rest } = { ...before, name: "renamed" };
  fields(await getKey(keyId), rest);
});

test("null clears", async (t) => {
  for (const names of [["name"], ["meta"], ["expires"], ["ratelimit"], ["refill"], ["refill", "remaining"], ["ownerId"], ["externalId"]]) {
    await t.test(names.join(" and "), async () => {
      const { keyId, key } = await newKey(fullDraft(quietWindow()));
      ok(await unkey.keys.update({ keyId, ...Object.fromEntries(names.map((name) => [name, null])) }));
      const read = await getKey(keyId);
      for (const name of names) {
        assert.deepEqual(read[name] ?? {}, {}, name);
      }
      if (names[0] === "ownerId" || names[0] === "externalId") {
        assert.equal(read.ownerId ?? null, null);
        assert.equal(read.identity ?? null, null);
      }
      await outcome("VALID", key);
    });
  }
});

test("an update changes every field, and a daily refill stays daily", async () => {
  const duration = quietWindow();
  const { keyId, key } = await newKey();
  ok(await unkey.keys.update({
    keyId,
    name: "new",
    externalId: "user_9",
    meta: { v: 2 },
    expires: 4102444800000,
    ratelimit: { limit: 7, duration },
    remaining: 9,
    refill: { interval: "daily", amount: 9 },
    roles: [{ name: "role.updated.npm", create: true }],
    permissions: [{ name: "perm.updated.npm", create: true }],
  }));
  const read = await getKey(keyId);
  fields(read, { name: "new", ownerId: "user_9", meta: { v: 2 }, expires: 4102444800000, remaining: 9, roles: ["role.updated.npm"], permissions: ["perm.updated.npm"] });
  fields(read.refill, { interval: "daily", amount: 9 });
  fields(await outcome("VALID", key, { authorization: { permissions: "perm.updated.npm" } }), {
    remaining: 8,
    ratelimit: { limit: 7, remaining: 6, reset: windowEnd(duration) },
  });
});

test("a refused update changes nothing", async (t) => {
  const { keyId } = await newKey(fullDraft(quietWindow()));
  const before = await getKey(keyId);
  for (const [name, change, code] of [
    ["unknown role", { roles: [{ name: "nobody.made.this.role" }] }, "NOT_FOUND"],
    ["unknown permission", { permissions: [{ name: "nobody.made.this.permission" }] }, "NOT_FOUND"],
    ["refill of an unlimited key", { remaining: null, refill: { interval: "daily", amount: 3 } }, "BAD_REQUEST"],
    ["a day for a daily refill", { refill: { interval: "daily", amount: 3, refillDay: 3 } }, "BAD_REQUEST"],
    ["enabled null", { enabled: null }, "BAD_REQUEST"],
  ]) {
    await t.test(name, async () => {
      refused(await unkey.keys.update({ keyId, name: "changed", ...change }), code);
      assert.deepEqual(await getKey(keyId), before);
    });
  }
});

test("updateRemaining sets, raises and lowers the balance that getKey shows", async () => {
  const { keyId, key } = await newKey({ remaining: 10 });
  for (const [op, value, remaining] of [["increment", 5, 15], ["decrement", 6, 9], ["set", 2, 2], ["set", 0, 0]]) {
    assert.deepEqual(ok(await unkey.keys.updateRemaining({ keyId, op, value })), { remaining });
    assert.equal((await getKey(keyId)).remaining, remaining);
  }
  await outcome("USAGE_EXCEEDED", key);
});

test("set to null is unlimited, which can be neither raised nor lowered", async () => {
  const { keyId, key } = await newKey({ remaining: 1 });
  assert.deepEqual(ok(await unkey.keys.updateRemaining({ keyId, op: "set", value: null })), { remaining: null });
  for (let i = 0; i < 3; i++) {
    fields(await outcome("VALID", key), { remaining: undefined });
  }
  for (const op of ["increment", "decrement"]) {
    refused(await unkey.keys.updateRemaining({ keyId, op, value: 1 }), "BAD_REQUEST");
    refused(await unkey.keys.updateRemaining({ keyId, op, value: null }), "BAD_REQUEST");
  }
});

test("a deleted key is gone for every method", async () => {
  const { keyId, key } = await newKey({ remaining: 5 });
  await outcome("VALID", key);
  assert.deepEqual(ok(await unkey.keys.delete({ keyId })), {});
  assert.deepEqual(Object.keys(await outcome("NOT_FOUND", key)).sort(), ["code", "requestId", "valid"]);
  refused(await unkey.keys.get({ keyId }), "NOT_FOUND", keyId);
  refused(await unkey.keys.update({ keyId, enabled: true }), "NOT_FOUND", keyId);
  refused(await unkey.keys.updateRemaining({ keyId, op: "set", value: 1 }), "NOT_FOUND", keyId);
  refused(await unkey.keys.delete({ keyId }), "NOT_FOUND", keyId);
});

test("deleting for good is as final", async () => {
  const { keyId, key } = await newKey();
  assert.equal((await raw("keys.deleteKey", { keyId, permanent: true })).status, 200);
  await outcome("NOT_FOUND", key);
});
