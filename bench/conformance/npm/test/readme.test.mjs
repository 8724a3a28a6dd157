// What README.md shows of @unkey/api, as it stands there but for the address and the name that the
// package has here.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { newKey, rootKey, url } from "../stack-v2.mjs";

const readme = await readFile(new URL("../../../../README.md", import.meta.url), "utf8");
const shown = [...readme.matchAll(/^```ts run-by="([^"]*)"\n(.*?)^```$/gms)]
  .filter(([, by]) => by === "bench/conformance/npm/test/readme.test.mjs")
  .map(([, , code]) => code);

test("README.md's snippet verifies a key", async () => {
  assert.equal(shown.length, 1);
  for (const place of ['"@unkey/api"', "http://127.0.0.1:8080"]) {
    assert.ok(shown[0].includes(place), place);
  }
  const code = shown[0].replace('"@unkey/api"', '"unkey-api-v2"').replace("http://127.0.0.1:8080", url);
  const { key } = await newKey();
  const node = promisify(execFile);
  const { stdout } = await node(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: fileURLToPath(new URL("..", import.meta.url)), // where the package is found
    env: { ...process.env, ROOT_KEY: rootKey, KEY: key },
  });
  assert.equal(stdout, "true VALID\n");
});
