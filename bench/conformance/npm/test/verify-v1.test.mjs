// Verifying with @unkey/api 0.38.0.
import assert from "node:assert/strict";
import { test } from "node:test";
import { and, or, Unkey } from "unkey-api-v1";
import { client, fields, fullDraft, newApi, newKey, ok, outcome, quietWindow, raw, refused, url, verify, windowEnd } from "../stack.mjs";

const unkey = client();

test("a valid answer shows every field", async () => {
  const duration = quietWindow();
  const draft = { apiId: await newApi(), ...fullDraft(duration) };
  const { keyId, key } = await newKey(draft);
  const { status, headers, body } = await raw("keys.verifyKey", { key, apiId: draft.apiId, tags: ["path=/orders"] });
  assert.equal(status, 200);
  fields(body, {
    keyId,
    valid: true,
    code: "VALID",
    name: "every field",
    ownerId: "user_7",
    meta: draft.meta,
    expires: draft.expires,
    remaining: 999,
    enabled: true,
    environment: "test",
    roles: ["admin", "writer"],
    permissions: ["docs.read", "docs.write"],
    ratelimit: { limit: 10, remaining: 9, reset: windowEnd(duration) },
  });
  fields(body.identity, { externalId: "user_7", meta: {} });
  assert.match(body.identity.id, /^id_/);
  assert.match(body.requestId, /^req_/);
  assert.equal(headers.get("unkey-request-id"), body.requestId);
  // What the client hands on is the same answer, one verification later.
  const { requestId, remaining, ratelimit, ...rest } = body;
  fields(await verify(key, { apiId: draft.apiId }), rest);
});

test("verifying needs no root key", async () => {
  const { key } = await newKey();
  const anybody = new Unkey({ rootKey: "public", baseUrl: url, retry: { attempts: 0 } });
  fields(ok(await anybody.keys.verify({ key })), { valid: true, code: "VALID" });
  const { status, headers } = await raw("keys.verifyKey", { key }, {});
  assert.equal(status, 200);
  assert.equal(headers.get("access-control-allow-origin"), "*");
});

test("an unknown key is NOT_FOUND and shows nothing else", async () => {
  assert.deepEqual(Object.keys(await outcome("NOT_FOUND", "live_doesnotexist")).sort(), ["code", "requestId", "valid"]);
});

test("a key of another API is FORBIDDEN", async () => {
  const { key } = await newKey();
  await outcome("FORBIDDEN", key, { apiId: await newApi() });
});

test("disabling and enabling bite at once", async () => {
  const { keyId, key } = await newKey({ enabled: false });
  for (const enabled of [false, true, false, true]) {
    ok(await unkey.keys.update({ keyId, enabled }));
    fields(await outcome(enabled ? "VALID" : "DISABLED", key), { keyId, enabled });
  }
});

test("an expiry in the past is EXPIRED; null takes it away", async () => {
  const { keyId, key } = await newKey();
  await outcome("VALID", key);
  ok(await unkey.keys.update({ keyId, expires: Date.now() - 60_000 }));
  await outcome("EXPIRED", key);
  ok(await unkey.keys.update({ keyId, expires: null }));
  await outcome("VALID", key);
});

test("a key expires by the clock, with nobody touching it", async () => {
  const expires = Date.now() + 1500;
  const { key } = await newKey({ expires });
  await outcome("VALID", key);
  await new Promise((resolve) => setTimeout(resolve, expires - Date.now() + 50));
  await outcome("EXPIRED", key);
});

test("the first failure decides", async () => {
  const { keyId, key } = await newKey({ remaining: 1, ratelimit: { limit: 1, duration: quietWindow() } });
  await outcome("VALID", key);
  ok(await unkey.keys.update({ keyId, enabled: false, expires: Date.now() - 60_000 }));
  const authorization = { permissions: "nobody.has.this" };
  const apiId = await newApi();
  await outcome("DISABLED", key, { apiId, authorization });
  ok(await unkey.keys.update({ keyId, enabled: true }));
  await outcome("FORBIDDEN", key, { apiId, authorization });
  await outcome("EXPIRED", key, { authorization });
  ok(await unkey.keys.update({ keyId, expires: null }));
  await outcome("INSUFFICIENT_PERMISSIONS", key, { authorization });
  await outcome("RATE_LIMITED", key);
  ok(await unkey.keys.update({ keyId, ratelimit: null }));
  await outcome("USAGE_EXCEEDED", key);
});

test("permission queries: plain names and trees, no wildcards; a refusal costs nothing", async () => {
  const { keyId, key } = await newKey({ permissions: ["a", "b.c", "d:e"], remaining: 100 });
  let spent = 0;
  for (const [permissions, code] of [
    ["a", "VALID"],
    ["z", "INSUFFICIENT_PERMISSIONS"],
    ["A", "INSUFFICIENT_PERMISSIONS"],
    ["*", "INSUFFICIENT_PERMISSIONS"],
    ["b.*", "INSUFFICIENT_PERMISSIONS"],
    [and("a", "b.c"), "VALID"],
    [and("a", "z"), "INSUFFICIENT_PERMISSIONS"],
    [or("z", "d:e"), "VALID"],
    [or("y", "z"), "INSUFFICIENT_PERMISSIONS"],
    [and(or("z", "a"), and("b.c", or("d:e", "y"))), "VALID"],
    [or(and("a", "z"), and("y", "a")), "INSUFFICIENT_PERMISSIONS"],
  ]) {
    await outcome(code, key, { authorization: { permissions } });
    spent += code === "VALID" ? 1 : 0;
  }
  assert.equal(ok(await unkey.keys.get({ keyId })).remaining, 100 - spent);
});

test("a malformed permission query is 400", async () => {
  const { key } = await newKey();
  for (const permissions of [{ and: [] }, { or: [] }, {}, 7, [], { not: ["a"] }, { and: ["a", 7] }]) {
    refused(await unkey.keys.verify({ key, authorization: { permissions } }), "BAD_REQUEST", "ermission");
  }
});

test("credits run out exactly", async () => {
  const { keyId, key } = await newKey({ remaining: 3 });
  for (const remaining of [2, 1, 0]) {
    fields(await outcome("VALID", key), { remaining });
  }
  fields(await outcome("USAGE_EXCEEDED", key), { remaining: 0 });
  fields(await outcome("USAGE_EXCEEDED", key), { remaining: 0 });
  assert.equal(ok(await unkey.keys.get({ keyId })).remaining, 0);
});

test("a cost above the balance is refused and the balance stays", async () => {
  const { key } = await newKey({ remaining: 3 });
  for (const [cost, code, remaining] of [
    [4, "USAGE_EXCEEDED", 3],
    [2, "VALID", 1],
    [2, "USAGE_EXCEEDED", 1],
    [1, "VALID", 0],
    [0, "VALID", 0],
    [1, "USAGE_EXCEEDED", 0],
  ]) {
    fields(await outcome(code, key, { remaining: { cost } }), { remaining });
  }
});

test("a limit stops exactly, says when its window ends, and a refusal is not counted", async () => {
  const duration = quietWindow();
  const { keyId, key } = await newKey({ remaining: 50, ratelimit: { limit: 3, duration } });
  for (const [code, remaining] of [["VALID", 2], ["VALID", 1], ["VALID", 0], ["RATE_LIMITED", 0], ["RATE_LIMITED", 0]]) {
    fields(await outcome(code, key), { ratelimit: { limit: 3, remaining, reset: windowEnd(duration) } });
  }
  assert.equal(ok(await unkey.keys.get({ keyId })).remaining, 47);
});

test("naming a stored limit replaces its cost; cost 0 looks and counts nothing", async () => {
  const { key } = await newKey({ ratelimit: { limit: 10, duration: quietWindow() } });
  for (const [cost, code, remaining] of [
    [4, "VALID", 6],
    [0, "VALID", 6],
    [7, "RATE_LIMITED", 6],
    [6, "VALID", 0],
    [0, "VALID", 0],
    [1, "RATE_LIMITED", 0],
  ]) {
    const answer = await outcome(code, key, { ratelimits: [{ name: "default", cost }] });
    fields(answer.ratelimit, { limit: 10, remaining });
  }
});

test("several limits are charged together or not at all", async () => {
  const duration = quietWindow();
  const { key } = await newKey({ ratelimit: { limit: 10, duration } });
  const tokens = (cost) => ({ ratelimits: [{ name: "tokens", limit: 5, duration, cost }] });
  await outcome("VALID", key, tokens(3));
  await outcome("RATE_LIMITED", key, tokens(3));
  await outcome("RATE_LIMITED", key, tokens(3));
  fields((await outcome("VALID", key, { ratelimits: [{ name: "default", cost: 0 }] })).ratelimit, { remaining: 9 });
  await outcome("VALID", key, tokens(2));
});

test("refused for credits takes no token", async () => {
  const duration = quietWindow();
  const { key } = await newKey({ remaining: 1, ratelimit: { limit: 10, duration } });
  await outcome("VALID", key);
  await outcome("USAGE_EXCEEDED", key);
  await outcome("USAGE_EXCEEDED", key);
  const peek = await outcome("VALID", key, { remaining: { cost: 0 }, ratelimits: [{ name: "default", cost: 0 }] });
  fields(peek.ratelimit, { limit: 10, remaining: 9 });
});

test("the deprecated ratelimit cost is accepted and ignored", async () => {
  const { key } = await newKey({ ratelimit: { limit: 10, duration: quietWindow() } });
  fields((await outcome("VALID", key, { ratelimit: { cost: 5 } })).ratelimit, { remaining: 9 });
});

test("a limit nobody knows is 400 and costs nothing", async () => {
  const { keyId, key } = await newKey({ remaining: 5 });
  for (const limit of [{}, { limit: 5 }, { duration: 5000 }]) {
    refused(await unkey.keys.verify({ key, ratelimits: [{ name: "tokens", ...limit }] }), "BAD_REQUEST", `ratelimit "tokens" was requested but does not exist for key "${keyId}"`);
  }
  assert.equal(ok(await unkey.keys.get({ keyId })).remaining, 5);
});

test("an ad-hoc limit that cannot work is 400, never let through", async () => {
  const { key } = await newKey();
  const good = { name: "tokens", limit: 5, duration: 5000 };
  for (const bad of [{ limit: 0 }, { limit: -1 }, { duration: 0 }, { duration: 999 }, { cost: -1 }, { name: "" }, { limit: 1.5 }]) {
    refused(await unkey.keys.verify({ key, ratelimits: [{ ...good, ...bad }] }), "BAD_REQUEST", "ratelimits.0");
  }
});
