// Limits without a key, with @unkey/api 0.38.0 and @unkey/ratelimit 0.5.5.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { NoopRatelimit, Overrides, Ratelimit } from "unkey-ratelimit-v1";
import { client, fields, ok, quietWindow, refused, rootKey, url, windowEnd } from "../stack.mjs";

const unkey = client();
const duration = quietWindow();
const fresh = () => `mail.${randomUUID().slice(0, 8)}`;

test("a limiter lets exactly its limit through", async () => {
  const limiter = new Ratelimit({ rootKey, baseUrl: url, namespace: fresh(), limit: 5, duration });
  const answers = await Promise.all(Array.from({ length: 20 }, () => limiter.limit("u1")));
  assert.equal(answers.filter((a) => a.success).length, 5);
  assert.deepEqual(await limiter.limit("u2", { cost: 3 }), { success: true, limit: 5, remaining: 2, reset: windowEnd(duration) });
  assert.deepEqual(await limiter.limit("u2", { cost: 3 }), { success: false, limit: 5, remaining: 2, reset: windowEnd(duration) });
  fields(await limiter.limit("u2", { async: true, meta: { plan: "pro" }, resources: [{ type: "project", id: "p_1", name: "one", meta: { a: 1 } }] }), {
    success: true,
    remaining: 1,
  });
  assert.equal((await new NoopRatelimit().limit("u1")).success, true);
});

test("a limiter that is refused throws", async () => {
  const limiter = new Ratelimit({ rootKey: "tollgate_nobody_made_this_root_key_at_all", baseUrl: url, namespace: fresh(), limit: 5, duration });
  await assert.rejects(limiter.limit("u1"), /UNAUTHORIZED/);
});

test("limit takes a cost, looks for free, and has a default namespace", async () => {
  const identifier = randomUUID();
  const limit = (cost, namespace) => unkey.ratelimits.limit({ namespace, identifier, limit: 2, duration, cost });
  fields(ok(await limit(0)), { success: true, limit: 2, remaining: 2, reset: windowEnd(duration) });
  fields(ok(await limit(2)), { success: true, remaining: 0 });
  fields(ok(await limit(1)), { success: false, remaining: 0 });
  fields(ok(await limit(1, fresh())), { success: true, remaining: 1 });
  refused(await unkey.ratelimits.limit({ identifier, limit: 0, duration }), "BAD_REQUEST", "limit: ");
  refused(await unkey.ratelimits.limit({ identifier, limit: 1, duration: 999 }), "BAD_REQUEST", "duration: ");
});

for (const [whose, overrides] of [
  ["@unkey/ratelimit", new Overrides({ rootKey, baseUrl: url })],
  ["@unkey/api", unkey.ratelimits],
]) {
  test(`${whose}: overrides are set, read, listed, obeyed and deleted`, async () => {
    const namespaceName = fresh();
    refused(await overrides.setOverride({ namespaceName, identifier: "vip_1", limit: 1, duration }), "NOT_FOUND", namespaceName);
    const limiter = new Ratelimit({ rootKey, baseUrl: url, namespace: namespaceName, limit: 5, duration });
    assert.equal((await limiter.limit("vip_1")).limit, 5);
    const { overrideId } = ok(await overrides.setOverride({ namespaceName, identifier: "vip_*", limit: 100, duration, async: true }));
    fields(await limiter.limit("vip_1"), { success: true, limit: 100, remaining: 98 });
    const blocked = ok(await overrides.setOverride({ namespaceName, identifier: "vip_1", limit: 0, duration }));
    fields(await limiter.limit("vip_1"), { success: false, limit: 0, remaining: 0 });
    fields(await limiter.limit("vip_2"), { success: true, limit: 100 });
    assert.deepEqual(ok(await overrides.getOverride({ namespaceName, identifier: "vip_*" })), {
      id: overrideId, identifier: "vip_*", limit: 100, duration, async: true,
    });
    const all = [];
    let cursor;
    do {
      const page = ok(await overrides.listOverrides({ namespaceName, limit: 1, ...(cursor ? { cursor } : {}) }));
      assert.equal(page.total, 2);
      all.push(...page.overrides.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor);
    assert.deepEqual(all.sort(), [overrideId, blocked.overrideId].sort());
    assert.deepEqual(ok(await overrides.deleteOverride({ namespaceName, identifier: "vip_1" })), {});
    refused(await overrides.getOverride({ namespaceName, identifier: "vip_1" }), "NOT_FOUND", "vip_1");
    fields(await limiter.limit("vip_1"), { success: true, limit: 100 });
  });
}
