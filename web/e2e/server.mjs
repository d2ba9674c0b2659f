// A whole system of its own for the tests: `gori up` with three nodes behind Nginx in a temporary folder, on a free port from
// E2E_PORT (18700) on.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BIN = resolve(process.env.GORI_BIN ?? new URL("../../gori", import.meta.url).pathname);

const FIRST = Number(process.env.E2E_PORT ?? 18700);

async function freePort() {
  for (let port = FIRST; port < FIRST + 80; port += 10) {
    const ok = await new Promise((done) => {
      const s = createServer();
      s.once("error", () => done(false));
      s.listen(port, "127.0.0.1", () => s.close(() => done(true)));
    });
    if (ok) return port;
  }
  throw new Error(`no free port from ${FIRST} on`);
}

export async function startServer() {
  if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run \`make build\` first, or set GORI_BIN`);
  const dir = await mkdtemp(join(tmpdir(), "gori-e2e-"));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  // Gori takes every GORI_ variable for a setting of its own.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GORI_")));
  env.GORI_PUSH_ALLOW_NETWORKS = "127.0.0.0/8"; // the tests' own push service
  const data = join(dir, "data");
  const child = spawn(BIN, ["up", "--data", data, "--shards", "2", "--nodes", process.env.E2E_NODES ?? "3", "--port", String(port)], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (b) => (output = (output + b).slice(-20_000)));
  const exited = new Promise((done) => child.once("exit", done));
  const server = {
    url,
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
      await Promise.race([exited, new Promise((done) => setTimeout(done, 20_000))]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
  const until = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null) {
      await server.stop();
      throw new Error(`gori up ended with ${child.exitCode}:\n${output}`);
    }
    const ready = await fetch(`${url}/readyz`).then((r) => r.ok, () => false);
    if (ready) return server;
    if (Date.now() > until) {
      await server.stop();
      throw new Error(`gori up was not ready in 60 s:\n${output}`);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}
