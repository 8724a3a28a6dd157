// @unkey/ratelimit 2.1.4.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Overrides, Ratelimit } from "unkey-ratelimit-v2";
import { quietWindow, rootKey, unique, url, windowEnd } from "../stack-v2.mjs";

const duration = quietWindow();

test("a limiter lets exactly its limit through", async () => {
  const limiter = new Ratelimit({ rootKey, baseUrl: url, namespace: unique("mail"), limit: 5, duration });
  const answers = await Promise.all(Array.from({ length: 20 }, () => limiter.limit("u1")));
  assert.equal(answers.filter((a) => a.success).length, 5);
  const { success, limit, remaining, reset } = await limiter.limit("u2", { cost: 3 });
  assert.deepEqual({ success, limit, remaining, reset }, { success: true, limit: 5, remaining: 2, reset: windowEnd(duration) });
  assert.equal((await limiter.limit("u2", { limit: { limit: 100, duration } })).remaining, 96);
});

test("overrides are set, read, listed and deleted", async () => {
  const namespace = unique("mail");
  const overrides = new Overrides({ rootKey, baseUrl: url });
  const limiter = new Ratelimit({ rootKey, baseUrl: url, namespace, limit: 5, duration });
  await limiter.limit("u1");
  const { data } = await overrides.setOverride({ namespace, identifier: "u1", limit: 0, duration });
  const blocked = await limiter.limit("u1");
  assert.deepEqual([blocked.success, blocked.limit], [false, 0]);
  const override = { overrideId: data.overrideId, identifier: "u1", limit: 0, duration };
  assert.deepEqual((await overrides.getOverride({ namespace, identifier: "u1" })).data, override);
  assert.deepEqual((await overrides.listOverrides({ namespace })).data, [override]);
  await overrides.deleteOverride({ namespace, identifier: "u1" });
  assert.equal((await limiter.limit("u3")).success, true);
});

test("a limiter that is refused says so", async () => {
  const limiter = new Ratelimit({ rootKey: "unknown_root_key", baseUrl: url, namespace: unique("mail"), limit: 5, duration, timeout: false });
  await assert.rejects(limiter.limit("u1"));
});
