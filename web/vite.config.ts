import { defineConfig } from "vitest/config";

// The page is served under a strict policy: scripts and styles only from our own origin, no inline ones, no data:
// fonts or scripts, Trusted Types. So nothing is inlined and no polyfill is injected.
export default defineConfig({
  base: "/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true, // public/.gitkeep comes back to dist, which the Go side embeds
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/api": "http://localhost:8080", "^/n/": { target: "http://localhost:8080", ws: true } } },
  test: {
    environment: "node",
    include: ["src/**/*.test.ts", "src/**/*.test.tsx"],
    testTimeout: 60_000, // ends what hangs
  },
});
