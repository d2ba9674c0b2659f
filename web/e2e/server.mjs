// A whole system of its own for the tests: `gori up` in a temporary folder, on a free port.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const BIN = resolve(process.env.GORI_BIN ?? new URL("../../gori", import.meta.url).pathname);

async function freePort() {
  for (let port = 18700; port < 18800; port++) {
    const ok = await new Promise((done) => {
      const s = createServer();
      s.once("error", () => done(false));
      s.listen(port, "127.0.0.1", () => s.close(() => done(true)));
    });
    if (ok) return port;
  }
  throw new Error("no free port from 18700 to 18799");
}

export async function startServer() {
  if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run \`make build\` first, or set GORI_BIN`);
  const dir = await mkdtemp(join(tmpdir(), "gori-e2e-"));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  // Gori takes every GORI_ variable for a setting of its own.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GORI_")));
  const child = spawn(BIN, ["up", "--data", join(dir, "data"), "--shards", "2", "--port", String(port)], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (b) => (output = (output + b).slice(-20_000)));
  const exited = new Promise((done) => child.once("exit", done));
  const server = {
    url,
    output: () => output,
    /** kill -9 of the node; `gori up` starts it again. */
    killNode: async () => {
      const pids = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ");
      for (const pid of pids) {
        const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
        if (line.split("\0").includes("serve")) process.kill(Number(pid), "SIGKILL");
      }
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
