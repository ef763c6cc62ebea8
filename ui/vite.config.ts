import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import manifest from "./package.json" with { type: "json" };

// Where `npm run dev` finds a gateway; its token goes into the address as `#token=`.
const gateway = process.env.SIMPLECLAW_URL ?? "http://127.0.0.1:18789";

export default defineConfig({
  plugins: [svelte()],
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
