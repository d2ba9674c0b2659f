// A whole system of its own for the tests: `gori up` with three nodes behind Nginx in a temporary folder, on a port that is
// free.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BIN = resolve(process.env.GORI_BIN ?? new URL("../../gori", import.meta.url).pathname);

/** Ends what hangs; a busy host may take its time. */
const PATIENCE_MS = 180_000;

export async function startServer() {
  if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run \`make build\` first, or set GORI_BIN`);
  const dir = await mkdtemp(join(tmpdir(), "gori-e2e-"));
  // Gori takes every GORI_ variable for a setting of its own.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GORI_")));
  env.GORI_PUSH_ALLOW_NETWORKS = "127.0.0.0/8"; // the tests' own push service
  const data = join(dir, "data");
  const child = spawn(BIN, ["up", "--data", data, "--shards", "2", "--nodes", process.env.E2E_NODES ?? "3", "--port", "0"], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let begin = ""; // of what it says
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (b) => {
      output = (output + b).slice(-20_000);
      if (begin.length < 20_000) begin += b;
    });
  }
  const exited = new Promise((done) => child.once("exit", done));
  const server = {
    url: "",
    output: () => output,
    /** kill -9 of one node, or of all; `gori up` starts them again. */
    kill: async (name) => {
      const { nodes } = JSON.parse(await readFile(join(data, "running.json"), "utf8"));
      const hit = nodes.filter((n) => n.pid > 0 && (name === undefined || n.name === name));
      for (const n of hit) process.kill(n.pid, "SIGKILL");
      if (hit.length === 0) throw new Error(`no node ${name} runs: ${JSON.stringify(nodes)}`);
    },
    stop: async () => {
      child.kill("SIGTERM");
      await Promise.race([exited, new Promise((done) => setTimeout(done, PATIENCE_MS).unref())]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
    },
  };
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    if (child.exitCode !== null) {
      await server.stop();
      throw new Error(`gori up ended with ${child.exitCode}:\n${output}`);
    }
    server.url = /ready at (http\S+)/.exec(begin)?.[1] ?? "";
    if (server.url !== "" && (await fetch(`${server.url}/readyz`).then((r) => r.ok, () => false))) return server;
    if (Date.now() > until) {
      await server.stop();
      throw new Error(`gori up was not ready in ${PATIENCE_MS / 1000} s:\n${output}`);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}
