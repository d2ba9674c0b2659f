import { defineConfig } from "vite";

// The service worker is one plain script at a fixed address, beside the page that the other configuration builds.
export default defineConfig({
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: false,
    sourcemap: false,
    lib: { entry: "src/worker/worker.ts", formats: ["iife"], name: "worker", fileName: () => "sw.js" },
  },
});
