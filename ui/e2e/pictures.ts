/** Takes the pictures of the docs, in a home that nobody has used: `cargo xtask pictures`. Looked at by a person. */
import type { Page } from "@playwright/test";
import { Gateway } from "./gateway";
import { ask, expect, open, pathOf, test } from "./page";
import { Provider } from "./provider";

const folder = process.env.SIMPLECLAW_PICTURES!;

async function take(page: Page, name: string): Promise<void> {
  // No caret, and nothing under the pointer.
  await page.mouse.move(640, 1);
  await page.screenshot({ path: `${folder}/${name}.png`, caret: "hide", animations: "disabled" });
}

async function inBoth(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await take(page, `${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

test("pictures", async ({ page, browser }) => {
  test.slow();
  const gateway = await Gateway.open(browser);
  await page.emulateMedia({ colorScheme: "light" });
  await open(page);
  await expect(page.getByRole("heading", { name: "Welcome to SimpleClaw" })).toBeVisible();
  await take(page, "welcome-light");

  await open(page, pathOf("agent:main:main"));
  await ask(page, "How do I connect a model?");
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Show me an approval");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Allow once" })).toBeEnabled();
  await inBoth(page, "chat");
  await page.setViewportSize({ width: 400, height: 800 });
  await take(page, "chat-light-narrow");
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.goto("/#/approvals");
  await expect(page.getByRole("button", { name: "Allow once" })).toBeEnabled();
  await take(page, "approvals-light");
  await page.getByRole("button", { name: "Deny", exact: true }).click();

  const provider = await Provider.start();
  const cost = { input: 3, output: 15 };
  const work = { api: "openai", baseUrl: provider.url, apiKey: { secret: "work" }, models: [{ id: "scripted", contextWindow: 128_000, cost }] };
  await gateway.call("secrets.set", { name: "work", value: provider.key, idempotencyKey: crypto.randomUUID() });
  await gateway.call("config.patch", { patch: { models: { providers: { work } } } });
  await open(page, pathOf("agent:main:harbour"));
  await ask(page, "Which ferry is the first one on Sunday?");
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Test work" }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "work" }).first()).toContainText("Works");
  await take(page, "models-light");

  await page.goto("/#/health");
  await expect(page.getByRole("heading", { name: "Subsystems" })).toBeVisible();
  await expect(page.getByText("0 active, 0 waiting")).toBeVisible();
  await inBoth(page, "health");

  await page.goto("/#/settings/gateway");
  const port = page.getByRole("textbox", { name: "Port", exact: true });
  await expect(port).toBeVisible();
  await port.fill("99999999");
  await expect(page.getByRole("button", { name: "1 problem" })).toBeVisible();
  await take(page, "settings-problem-light");
  await page.getByRole("button", { name: "Discard", exact: true }).click();
  await page.goto("/#/settings/sessions");
  const size = page.getByRole("textbox", { name: "Max MB", exact: true });
  await size.fill("7");
  await size.evaluate((field) => field.scrollIntoView({ block: "center" }));
  await expect(page.getByText("1 change · applies live")).toBeVisible();
  await page.emulateMedia({ colorScheme: "dark" });
  await take(page, "settings-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByRole("button", { name: "Show diff" }).click();
  await expect(page.getByRole("dialog").getByRole("button", { name: "Apply" })).toBeEnabled();
  await take(page, "settings-diff-light");
  await page.keyboard.press("Escape");
  await gateway.call("config.patch", { patch: { attachments: { maxMb: 9 } } });
  await expect(page.getByRole("dialog", { name: "The file was changed elsewhere" })).toBeVisible();
  await take(page, "settings-conflict-light");

  await gateway.close();
  await provider.stop();
});
