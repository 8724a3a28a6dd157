// How verifications ended, with @unkey/api 0.38.0. Counts are at most a second behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, fields, newApi, newKey, ok, refused, verify } from "../stack.mjs";

const unkey = client();
const hour = 3_600_000;

/** Asks until the answer is as it should be, for a second and a half. */
async function soon(ask, fits) {
  const end = Date.now() + 1500;
  for (;;) {
    const answer = ok(await ask());
    if (fits(answer) || Date.now() > end) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("verifications are counted by key, owner, identity, tag and hour", async () => {
  const apiId = await newApi();
  const owned = await newKey({ apiId, externalId: `ann_${apiId}`, remaining: 3 });
  const other = await newKey({ apiId });
  for (const tags of [["a", "b"], ["a"], []]) {
    await verify(owned.key, { tags });
  }
  await verify(owned.key, { tags: ["a"] }); // used up
  await verify(other.key, { apiId: "api_other" }); // forbidden
  const [start, end] = [Date.now() - hour, Date.now() + hour];
  const ask = (query = {}) => () => unkey.analytics.getVerifications({ apiId, start, end, ...query });

  const [sum] = await soon(ask(), ([row]) => row.total === 5);
  fields(sum, { valid: 3, usageExceeded: 1, forbidden: 1, rateLimited: 0, total: 5 });
  fields((await ask({ groupBy: "key", orderBy: "total", order: "desc", limit: 1 })()).result[0], { keyId: owned.keyId, total: 4 });
  const [ann] = ok(await ask({ groupBy: "identity", externalId: `ann_${apiId}` })());
  fields(ann, { valid: 3, usageExceeded: 1 });
  assert.equal(ann.identity.externalId, `ann_${apiId}`);
  assert.deepEqual(ok(await ask({ groupBy: "tag" })()).map(({ tag, total }) => [tag, total]).sort(), [["a", 3], ["b", 1]]);
  assert.deepEqual(ok(await ask({ groupBy: "tags", keyId: owned.keyId, tag: "b" })()).map(({ tags, total }) => [tags, total]), [[["a", "b"], 1]]);
  const series = ok(await ask({ groupBy: "hour" })());
  assert.deepEqual(series.map(({ time }) => time), [0, 1, 2].map((n) => start - (start % hour) + n * hour));
  assert.equal(series.reduce((n, { total }) => n + total, 0), 5);

  for (const whose of [{ keyId: owned.keyId }, { ownerId: `ann_${apiId}` }]) {
    const { verifications } = ok(await unkey.keys.getVerifications({ ...whose, start, end, granularity: "day" }));
    assert.equal(verifications.reduce((n, { success }) => n + success, 0), 3);
    assert.equal(verifications.reduce((n, { usageExceeded }) => n + usageExceeded, 0), 1);
  }
  assert.deepEqual(ok(await unkey.keys.getVerifications({ keyId: other.keyId })).verifications, []);
});

test("questions that make no sense are refused", async () => {
  const apiId = await newApi();
  refused(await unkey.analytics.getVerifications({ apiId, start: 2, end: 1 }), "BAD_REQUEST", "start: ");
  refused(await unkey.analytics.getVerifications({ apiId }), "BAD_REQUEST", "start: ");
  refused(await unkey.analytics.getVerifications({ apiId: "api_unknown", start: 1 }), "NOT_FOUND", "api_unknown");
  refused(await unkey.keys.getVerifications({}), "BAD_REQUEST", "keyId: ");
  refused(await unkey.keys.getVerifications({ keyId: "key_unknown" }), "NOT_FOUND", "key_unknown");
});
