import { defineConfig } from "@playwright/test";

/**
 * The tests run against a real gateway that the harness has started: SIMPLECLAW_URL and SIMPLECLAW_TOKEN, and
 * SIMPLECLAW_HOME, where they edit its file as a person does.
 */
const { SIMPLECLAW_URL: url, SIMPLECLAW_TOKEN: token, SIMPLECLAW_HOME: home } = process.env;
if (!url || !token || !home) {
  throw new Error("SIMPLECLAW_URL, SIMPLECLAW_TOKEN and SIMPLECLAW_HOME must name a running gateway");
}

export default defineConfig({
  testDir: "e2e",
  // One gateway serves all of them, so that they do not read each other's sessions.
  workers: 1,
  forbidOnly: true,
  // Enough for a busy machine where a test has the whole page looked through several times. What is waited for has the
  // shorter limit below.
  timeout: 180_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  outputDir: "test-results",
  projects: process.env.SIMPLECLAW_PICTURES
    ? [{ name: "pictures", testMatch: "pictures.ts" }]
    : [
        // What a person meets first, in a home that nobody has used.
        { name: "first run", testMatch: "welcome.spec.ts" },
        { name: "everything else", testIgnore: "welcome.spec.ts", dependencies: ["first run"] },
      ],
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 800 },
    permissions: ["clipboard-read", "clipboard-write"],
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
