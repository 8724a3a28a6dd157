// The error shape, as @unkey/api 0.38.0 and a plain client see it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, newKey, ok, raw, refused } from "../stack.mjs";

const unkey = client();

test("a bad request names the path of the first field that is wrong", async () => {
  refused(await unkey.apis.create({ name: "ab" }), "BAD_REQUEST", "name: ");
  refused(await unkey.keys.create({}), "BAD_REQUEST", "apiId: ");
  refused(await unkey.keys.verify({}), "BAD_REQUEST", "key: ");
  refused(await unkey.keys.verify({ key: "x", tags: [""] }), "BAD_REQUEST", "tags.0: ");
  refused(await unkey.keys.updateRemaining({ keyId: "key_x", op: "double", value: 1 }), "BAD_REQUEST", "op: ");
});

test("what is not there is NOT_FOUND and named", async () => {
  refused(await unkey.apis.get({ apiId: "api_unknown" }), "NOT_FOUND", "api_unknown");
  refused(await unkey.keys.get({ keyId: "key_unknown" }), "NOT_FOUND", "key_unknown");
});

test("a bad root key is UNAUTHORIZED on every endpoint but verifyKey, and changes nothing", async () => {
  const { keyId } = await newKey({ remaining: 5 });
  const stranger = client("tollgate_nobody_made_this_root_key_at_all");
  for (const answer of [
    await stranger.apis.create({ name: "abc" }),
    await stranger.apis.get({ apiId: "api_x" }),
    await stranger.keys.create({ apiId: "api_x" }),
    await stranger.keys.get({ keyId }),
    await stranger.keys.update({ keyId, enabled: false }),
    await stranger.keys.updateRemaining({ keyId, op: "set", value: 9 }),
    await stranger.keys.delete({ keyId }),
  ]) {
    refused(answer, "UNAUTHORIZED", "key not found");
  }
  assert.equal(ok(await unkey.keys.get({ keyId })).remaining, 5);
});

test("each kind of error has its status, and its request id in body and header", async () => {
  const stranger = { authorization: "Bearer tollgate_nobody_made_this_root_key_at_all" };
  for (const [status, code, answer] of [
    [400, "BAD_REQUEST", await raw("apis.createApi", { name: 7 })],
    [400, "BAD_REQUEST", await raw("apis.createApi", "{")],
    [403, "UNAUTHORIZED", await raw("apis.createApi", { name: "abc" }, stranger)],
    [403, "UNAUTHORIZED", await raw("apis.createApi", { name: "abc" }, {})],
    [404, "NOT_FOUND", await raw("keys.getKey?keyId=key_unknown")],
    [404, "NOT_FOUND", await raw("keys.nobodyServesThis")],
  ]) {
    assert.equal(answer.status, status);
    refused(answer.body, code);
    assert.equal(answer.headers.get("unkey-request-id"), answer.body.error.requestId);
    assert.match(answer.headers.get("content-type"), /^application\/json/);
  }
});

test("unknown fields are ignored", async () => {
  const { status, body } = await raw("apis.createApi", { name: "abc", nobody: { knows: ["this"] } });
  assert.equal(status, 200);
  assert.equal(body.name, "abc");
});
