import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import manifest from "./package.json" with { type: "json" };

// Where `npm run dev` finds a gateway; its token goes into the address as `#token=`.
const gateway = process.env.SIMPLECLAW_URL ?? "http://127.0.0.1:18789";

/** Writes dist-gz, the same files compressed: what the gateway carries and sends. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      rmSync("dist-gz", { recursive: true, force: true });
      for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const from = join(entry.parentPath, entry.name);
        const to = `${from.replace(/^dist/, "dist-gz")}.gz`;
        mkdirSync(dirname(to), { recursive: true });
        writeFileSync(to, gzipSync(readFileSync(from), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), compressed()],
  define: { __VERSION__: JSON.stringify(manifest.version) },
  resolve: {
    alias: { $lib: fileURLToPath(new URL("./src/lib", import.meta.url)) },
    // Vitest would otherwise load Svelte's server build.
    ...(process.env.VITEST && { conditions: ["browser"] }),
  },
  build: {
    target: "es2022",
    // The content security policy allows `data:` for images only, so nothing else may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/ws": { target: gateway, ws: true, changeOrigin: true, rewriteWsOrigin: true } },
  },
  test: { include: ["src/**/*.test.ts"] },
});
