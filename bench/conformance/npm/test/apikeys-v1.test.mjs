// All the keys of an API, and keys that come by their hashes, with @unkey/api 0.38.0.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";
import { client, newApi, newKey, ok, outcome, refused } from "../stack.mjs";

const unkey = client();
const hashOf = (plain) => ({ value: createHash("sha256").update(plain).digest("base64"), variant: "sha256_base64" });

test("an API's keys are listed in pages, and end with it", async () => {
  const apiId = await newApi();
  const all = [];
  for (let i = 0; i < 5; i++) all.push(await newKey({ apiId, externalId: i % 2 ? "odd" : "even" }));
  const seen = [];
  for (let cursor; ; ) {
    const page = ok(await unkey.apis.listKeys({ apiId, limit: 2, cursor }));
    assert.equal(page.total, 5);
    if (page.keys.length === 0) break;
    seen.push(...page.keys.map(({ id }) => id));
    cursor = page.cursor;
  }
  assert.deepEqual(seen, all.map(({ keyId }) => keyId).sort());
  const odd = ok(await unkey.apis.listKeys({ apiId, externalId: "odd" }));
  assert.equal(odd.keys.length, 2);
  assert.ok(odd.keys.every(({ identity }) => identity.externalId === "odd"));
  await outcome("VALID", all[0].key);
  assert.deepEqual(ok(await unkey.apis.delete({ apiId })), {});
  await outcome("NOT_FOUND", all[0].key);
  refused(await unkey.apis.listKeys({ apiId }), "NOT_FOUND", apiId);
});

test("keys come by their hashes", async () => {
  const apiId = await newApi();
  const plain = [randomUUID(), randomUUID(), randomUUID()];
  const batch = plain.slice(0, 2).map((text) => ({ apiId, hash: hashOf(text), remaining: 3 }));
  const { keyIds } = ok(await unkey.migrations.createKeys(batch));
  assert.equal(keyIds.length, 2);
  assert.equal((await outcome("VALID", plain[1])).keyId, keyIds[1]);
  refused(await unkey.migrations.createKeys(batch), "CONFLICT", "exists");
  const queued = { migrationId: "m", apiId, keys: [{ hash: hashOf(plain[2]) }] };
  for (let i = 0; i < 2; i++) assert.deepEqual(ok(await unkey.migrations.enqueueKeys(queued)), {});
  await outcome("VALID", plain[2]);
});
